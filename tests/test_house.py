"""The house's own rules: small files, no room too large, thin stages."""

import re
from pathlib import Path

import pytest

from n2n import cli

PACKAGE = Path(cli.__file__).parent
LINES = 350  # a file has one subject and reads from top to bottom in one sitting
SHARE = 0.18  # of all lines, in one room
STAGES = 3000  # lines in all: stages open and write files, and leave the rest to other rooms
FILES = {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}


def lines_of(room: str) -> int:
    return sum(len(text.splitlines()) for name, text in FILES.items() if name.split("/")[0] == room)


def test_a_long_file_says_why_it_is_one():
    for name, text in FILES.items():
        number = len(text.splitlines())
        if number > LINES:
            assert re.search(r"one file (though|although|because|since)", text), f"{name} has {number} lines: split it"


@pytest.mark.parametrize("room", sorted({name.split("/")[0] for name in FILES if "/" in name}))
def test_no_room_is_too_large(room):
    whole = sum(len(text.splitlines()) for text in FILES.values())
    assert lines_of(room) <= SHARE * whole, f"{lines_of(room) / whole:.1%} of all lines are in n2n/{room}"


def test_stages_stay_thin():
    assert lines_of("stages") <= STAGES
    private = [name for name in FILES if name.startswith("stages/_") and name != "stages/__init__.py"]
    assert not private, f"what is private to stages has a room of its own: {private}"
