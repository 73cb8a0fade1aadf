from pathlib import Path

from n2n.fidelity.gates.document import document

PAGE = Path(__file__).parents[3] / "docs" / "gates.md"


def test_the_page_is_that_of_the_code():
    assert PAGE.read_text(encoding="utf-8") == document(), "python -m n2n.fidelity.gates > docs/gates.md"
