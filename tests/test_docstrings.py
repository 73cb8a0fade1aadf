"""Public functions with three or more arguments say what each of them is; arrays with their shape."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("group", "fidelity", "sky", "nets", "formats", "simulate")
FEW = 3  # arguments; with fewer a sentence says it
MODULES = sorted(path for room in ROOMS for path in (ROOT / "n2n" / room).rglob("*.py"))


def functions(body: list[ast.stmt], prefix: str = "") -> dict[str, ast.FunctionDef]:
    """Public functions and methods, those of public classes among them."""
    found = {}
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            if isinstance(node, ast.ClassDef):
                found |= functions(node.body, f"{prefix}{node.name}.")
            else:
                found[prefix + node.name] = node
    return found


def arguments(function: ast.FunctionDef) -> dict[str, str]:
    """Name of each argument, in order, and its annotation."""
    of = function.args
    several = [argument for argument in (of.vararg, of.kwarg) if argument]
    every = [*of.posonlyargs, *of.args, *of.kwonlyargs, *several]
    return {
        each.arg: ast.unparse(each.annotation or ast.Constant("")) for each in every if each.arg not in ("self", "cls")
    }


def described(docstring: str) -> dict[str, str]:
    """Name of each argument in the section Parameters, and its type in words."""
    section = re.search(r"^Parameters\n-+\n(.*?)(?=^\w+\n-+$|\Z)", docstring, re.S | re.M)
    found = {}
    for line in section[1].splitlines() if section else []:
        if line and not line[0].isspace():
            names, _, kind = line.partition(" : ")
            found |= {name.strip().lstrip("*"): kind for name in names.split(",")}
    return found


def faults(path: Path) -> list[str]:
    """What a module leaves unsaid."""
    found = []
    for name, function in functions(ast.parse(path.read_text(encoding="utf-8")).body).items():
        needed = arguments(function)
        if len(needed) < FEW:
            continue
        said = described(ast.get_docstring(function) or "")
        where = f"{path.relative_to(ROOT)}:{function.lineno} {name}"
        if missing := [argument for argument in needed if argument not in said]:
            found.append(f"{where} does not describe {', '.join(missing)}")
        for argument, kind in said.items():
            array = re.search(r"\b(array|ndarray|tensor)\b", kind) or re.match(
                r"np\.ndarray\b", needed.get(argument, "")
            )
            if array and not re.search(r"shape|sizes", kind):
                found.append(f"{where} does not give the shape of {argument}")
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "n2n")))
def test_arguments_of_public_functions_are_described(path):
    found = faults(path)
    assert not found, "\n".join(found)


def test_what_is_missing_is_found():
    told = "Say it.\n\nParameters\n----------\na, b : ndarray, shape (n,)\n    Two.\n*rest : int\n    More.\n"
    assert described(told) == {"a": "ndarray, shape (n,)", "b": "ndarray, shape (n,)", "rest": "int"}
    assert described("Say nothing.") == {}
