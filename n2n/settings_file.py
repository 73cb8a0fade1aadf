"""The settings file as its writer meant it: names stay text, also those that YAML takes for a date or a number."""

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from n2n.errors import UserError

_PLACEHOLDER = re.compile(r"""^[^#]*?([\w.]+)["']?\s*:\s*["']?\?["']?\s*(?:[,}\]#]|$)""", re.M)
_POWER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)[eE][+-]?\d+")
_TEXT = "tag:yaml.org,2002:str"
_EMPTY = "tag:yaml.org,2002:null"
_TRUTH = "tag:yaml.org,2002:bool"


def read_settings(path: Path, schema: dict) -> dict:
    """Read a YAML file of settings.

    Parameters
    ----------
    path : Path
        The file. Empty, or of comments only, it says nothing, which is allowed.
    schema : dict
        JSON schema of the settings. It tells where text is expected: there an unquoted 2026-10-03, 007 or 12:30
        stays as it was written. Keys always do.

    Returns
    -------
    dict
        What the file states, unchecked.

    Raises
    ------
    UserError
        One line with file, line and remedy: unreadable, not UTF-8, no valid YAML, no `key: value` lines, a key given
        twice, or true/false where text is expected.
    """
    text = _read(path)
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _EMPTY):
            return {}
        if not isinstance(node, yaml.MappingNode):
            found = "a list" if isinstance(node, yaml.SequenceNode) else f"{node.value[:40]!r}"
            raise UserError(f"{path}: `key: value` lines are expected, such as `device: cpu`, but it holds {found}")
        return _Reader(path, loader).value(node, schema, "")
    except yaml.YAMLError as error:
        raise UserError(_in_plain_words(path, text, error)) from error
    except RecursionError as error:
        raise UserError(f"{path}: sections within sections without end; see config/README.md") from error
    finally:
        loader.dispose()


def _read(path: Path) -> str:
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UserError(f"{path}, line {line}: not UTF-8 text; save the file as UTF-8") from error


class _Reader:
    """Makes plain values of YAML's nodes."""

    def __init__(self, path: Path, loader: yaml.SafeLoader):
        self.path, self.loader = path, loader

    def value(self, node: yaml.Node, rule: dict, name: str):
        if isinstance(node, yaml.MappingNode):
            return self.section(node, rule, name)
        if isinstance(node, yaml.SequenceNode):
            inner = next((r["items"] for r in _alternatives(rule) if "items" in r), {})
            return [self.value(item, inner, name) for item in node.value]
        if rule.get("type") == "number" and _POWER.fullmatch(node.value) and not node.style:
            return float(node.value)  # YAML takes 1e-3 for text
        if not any(r.get("type") == "string" for r in _alternatives(rule)) or node.tag in (_TEXT, _EMPTY):
            return self.loader.construct_object(node, deep=True)
        if node.tag == _TRUTH:
            raise UserError(
                f'{self.at(node)}: {name}: an unquoted {node.value} means true or false; write "{node.value}" in quotes'
            )
        return node.value

    def section(self, node: yaml.MappingNode, rule: dict, name: str) -> dict:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(f"{self.at(key)}: a name that begins with a bracket must stand in quotes")
            if key.value in seen and key.value != "<<":
                raise UserError(f"{self.at(key)}: {name}{key.value!r} is given twice; keep one, with all its fields")
            seen.add(key.value)
        self.loader.flatten_mapping(node)
        known, others = rule.get("properties", {}), rule.get("additionalProperties")
        values = {}
        for key, item in node.value:
            inner = known.get(key.value, others if isinstance(others, dict) else {})
            values[key.value] = self.value(item, inner, key.value)
        return values

    def at(self, node: yaml.Node) -> str:
        return f"{self.path}, line {node.start_mark.line + 1}"


def _alternatives(rule: dict) -> Iterator[dict]:
    yield rule
    yield from rule.get("oneOf", [])


def _in_plain_words(path: Path, text: str, error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"{path}, line {mark.line + 1}" if mark else str(path)
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    if match := _PLACEHOLDER.search(text):
        return f"{path}, line {text.count(chr(10), 0, match.start(1)) + 1}: {match[1]}: replace ? by the real value"
    if "\t" in line[: mark.column + 1 if mark else 0]:
        return f"{where}: a tab; indent with spaces"
    problem = " ".join(str(getattr(error, "problem", None) or getattr(error, "reason", None) or error).split())
    hint = "; put names with any of * ? [ ] { } : # & ! % @ into quotes" if re.search(r"[*?\[\]{}&!%@]", line) else ""
    return f"{where}: not valid YAML ({problem}){hint}"
