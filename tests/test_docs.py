"""The documents name what is there: files, modules, functions, links; the words of the house are sorted and used."""

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HISTORY = {"notebook.md", "CHANGELOG.md"}  # what was true once
DOCUMENTS = sorted(
    [
        *(path for path in (ROOT / "docs").rglob("*.md") if path.name not in HISTORY),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")),
    ]
)
WORDS = re.findall(r"^- \*\*(.+?)\*\*: (.+)$", (ROOT / "docs" / "words.md").read_text(encoding="utf-8"), re.M)
TREES = ("n2n", "workflow", "tests", "benchmarks", "config", "docs", "profiles")  # paths that are ours begin so
MADE = {"docs/gates.md"}  # written by a command
named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))


@functools.cache
def names_of(path: Path) -> dict[str, set[str]]:
    """Names that a module defines or imports, and what its classes hold."""
    found: dict[str, set[str]] = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            held = [getattr(part, "name", getattr(getattr(part, "target", None), "id", "")) for part in node.body]
            found[node.name] = set(held)
        elif isinstance(node, ast.FunctionDef):
            found[node.name] = set()
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name: set() for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found |= {name.id: set() for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return found


@functools.cache
def parts_of(name: str) -> set[str]:
    """What the classes of this name hold; empty where there is none."""
    everywhere = (names_of(path) for path in (ROOT / "n2n").rglob("*.py"))
    return set().union(*(known[name] for known in everywhere if name in known))


def exists(dotted: str) -> bool:
    """Whether ``n2n.room.module.Name.part`` is there."""
    parts = dotted.split(".")
    here = ROOT / parts[0]
    for index, part in enumerate(parts[1:], 1):
        if (here / part).is_dir():
            here /= part
            continue
        module = here / f"{part}.py"
        rest = parts[index + 1 :] if module.is_file() else parts[index:]
        module = module if module.is_file() else here / "__init__.py"
        known = names_of(module)
        return not rest or (rest[0] in known and (len(rest) == 1 or rest[1] in known[rest[0]]))
    return True


def quoted(document: Path) -> list[str]:
    return re.findall(r"`([^`\n]+)`", document.read_text(encoding="utf-8"))


@named
def test_paths_are_there(document):
    paths = [text for text in quoted(document) if re.fullmatch(rf"({'|'.join(TREES)})/[\w./-]*", text)]
    missing = [path for path in paths if not (ROOT / path).exists() and path not in MADE]
    assert not missing


@named
def test_modules_and_functions_are_there(document):
    dotted = [text.removesuffix("()") for text in quoted(document) if re.fullmatch(r"n2n(\.\w+)+(\(\))?", text)]
    assert not [name for name in dotted if not exists(name)]


@named
def test_what_is_said_to_be_in_a_module_is_in_it(document):
    told = re.findall(r"`(\w+)`\s+in\s+`(n2n/[\w/]+\.py)`", document.read_text(encoding="utf-8"))
    for name, path in told:
        known = names_of(ROOT / path)
        assert name in known or any(name in held for held in known.values()), f"no {name} in {path}"


@named
def test_functions_named_after_their_module_are_in_it(document):
    """``module: function, function`` as in the table of docs/architecture.md."""
    told = re.findall(r"`(n2n/[\w/]+\.py)`: ((?:`\w+`(?:, )?)+)", document.read_text(encoding="utf-8"))
    for path, names in told:
        known = names_of(ROOT / path)
        missing = [name for name in re.findall(r"\w+", names) if name not in known]
        assert not missing, f"{path} has no {', '.join(missing)}"


@named
def test_parts_of_classes_are_there(document):
    """``Class.part``, of whichever module of ours."""
    for text in quoted(document):
        if match := re.fullmatch(r"([A-Z][A-Za-z]+)\.([a-z_]+)", text):
            held = parts_of(match[1])
            assert not held or match[2] in held, f"{match[1]} has no {match[2]}"


def test_the_way_of_an_exposure_is_followed_with_modules():
    told = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert len(re.findall(r"`n2n/[\w/]+\.py`: `\w+`", told)) > 20


@named
def test_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    for link in links:
        if not re.match(r"\w+:", link):
            target = (document.parent / link).resolve()
            assert target.exists() or str(target.relative_to(ROOT)) in MADE, link


@named
def test_nothing_is_referred_to_that_is_not_in_the_repository(document):
    text = document.read_text(encoding="utf-8")
    assert not re.search(r"project's reference|\bthe reference asks|shared/|reference: \w+, section", text)


def test_the_code_refers_to_nothing_that_is_not_in_the_repository():
    for path in (ROOT / "n2n").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found = re.search(r"project's reference|The reference asks|\(reference: [\w ]+, section", text)
        assert not found, f"{path.relative_to(ROOT)}: {found[0]}"


def test_words_are_sorted_and_of_one_line():
    lines = (ROOT / "docs" / "words.md").read_text(encoding="utf-8").splitlines()
    assert len(WORDS) == sum(line.startswith("- ") for line in lines) > 50
    assert [word for word, _ in WORDS] == sorted({word for word, _ in WORDS}, key=lambda word: word.replace("-", ""))
    assert all(len(line) <= 130 for line in lines)
    assert not any(line.startswith(" ") for line in lines)


def test_words_are_used():
    texts = [path.read_text(encoding="utf-8") for path in (ROOT / "docs").rglob("*.md") if path.name != "words.md"]
    texts += [path.read_text(encoding="utf-8") for path in (ROOT / "n2n").rglob("*.py")]
    whole = re.sub(r"[\s#]+", " ", " ".join(texts)).lower()
    unused = [word for word, _ in WORDS if not re.search(rf"\b{word.replace(' ', '[ _]')}", whole)]
    assert not unused


@pytest.mark.parametrize("path", ["README.md", "CONTRIBUTING.md", "docs/method.md", "docs/architecture.md"])
def test_the_words_are_linked(path):
    assert "words.md" in (ROOT / path).read_text(encoding="utf-8")


def test_a_background_is_a_level():
    """Where an argument is a variance or a noise its name says so: `sky_variance`, `sky_sigma` (docs/words.md)."""
    for room in ("group", "fidelity", "sky", "nets"):
        for path in (ROOT / "n2n" / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef):
                    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                    wrong = {argument.arg for argument in every} & {"background", "background_sigma"}
                    assert not wrong, f"{path.relative_to(ROOT)}: {node.name}"
