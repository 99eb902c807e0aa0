"""Read the configuration file: strict YAML in which every plain value is text, as in the environment."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

if TYPE_CHECKING:
    from uhome2mqtt.settings.model import KeyPath

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))
_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")
_REMEDIES = {
    r"'\t' that cannot start": "indent with spaces, YAML takes no tabs",
    "mapping values are not allowed": "quote text that has a colon and a space in it, and look at the indentation",
    "found unknown escape": "put text with a backslash between single quotes",
}
"""What to do about the mistakes that people make most."""
_PARTS = frozenset({"<block end>", "<document start>", "<scalar>", "<stream end>", "<block mapping start>"})
"""Names that the parser gives to what it finds."""


@dataclass(slots=True)
class Document:
    """The file's content with the line of each key, and what is wrong with the file itself."""

    name: str
    values: dict[str, object] = field(default_factory=dict)
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def origin(self, path: KeyPath) -> str:
        """Say where in the file a key stands."""
        return f"{self.name}, line {self.lines[path]}"


class _AliasError(Exception):
    """The file refers to another part of itself, which can multiply its content beyond all bounds."""


def parse(name: str, content: bytes) -> Document:
    """Read the bytes of a configuration file."""
    document = Document(name)
    try:
        root = _compose(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        document.problems.append(f"{name}, line {line}: not UTF-8; save it in that encoding")
    except yaml.YAMLError as error:
        document.problems.append(f"{name}{_syntax_error(error)}")
    except _AliasError as error:
        document.problems.append(
            f"{name}, line {error}: aliases (*name) are not supported, quote text that starts with *"
        )
    except RecursionError:
        document.problems.append(f"{name}: nested too deeply")
    else:
        _read_root(document, root)
    return document


def _compose(text: str) -> yaml.Node | None:
    # The base loader leaves `off`, `0123` and `12:30` the text that they are.
    for event in yaml.parse(text, yaml.BaseLoader):
        if isinstance(event, yaml.AliasEvent) and event.start_mark:
            raise _AliasError(event.start_mark.line + 1)
    return yaml.compose(text, yaml.BaseLoader)


def _read_root(document: Document, root: yaml.Node | None) -> None:
    if isinstance(root, yaml.MappingNode):
        document.values = _mapping(document, root, ())
    elif root is not None and not _is_null(root):
        document.problems.append(f"{document.name}: not a mapping of sections such as mqtt: to their keys")


def _value(document: Document, node: yaml.Node, path: KeyPath) -> object:
    if node.tag not in _PLAIN_TAGS:
        # The tag is not shown: it may be a password that starts with an exclamation mark.
        document.problems.append(
            f"{_name(path)}: tags (!…) are not supported, quote text that starts with ! "
            f"({document.name}, line {_line(node)})"
        )
        return None
    if isinstance(node, yaml.MappingNode):
        return _mapping(document, node, path)
    if isinstance(node, yaml.SequenceNode):
        return [_value(document, item, path) for item in node.value]
    return None if _is_null(node) else node.value


def _mapping(document: Document, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
    result: dict[str, object] = {}
    for name_node, value_node in node.value:
        inner = (*path, str(name_node.value) if isinstance(name_node, yaml.ScalarNode) else "?")
        line = _line(name_node)
        if inner[-1] in result:
            first = document.lines[inner]
            what = "given twice" if _name(inner) == ".".join(inner) else "a name is given twice in it"
            document.problems.append(f"{_name(inner)}: {what} ({document.name}, lines {first} and {line})")
            continue
        document.lines[inner] = line
        result[inner[-1]] = _value(document, value_node, inner)
    return result


def _name(path: KeyPath) -> str:
    # What stands deeper is a value, and may be a broken line of a password.
    return ".".join(path[: 3 if path[:1] == ("devices",) else 2])


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and node.style is None and node.value in NULLS


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _syntax_error(error: yaml.YAMLError) -> str:
    # Only the parser's own words are shown: its excerpts of the file may hold a password.
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        problem = _QUOTED.sub(_token, error.problem or "")
        return (
            f", line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {problem}{_remedy(problem)}"
        )
    return ": not YAML: it contains characters that are not allowed in text"


def _remedy(problem: str) -> str:
    return next((f"; {remedy}" for words, remedy in _REMEDIES.items() if words in problem), "")


def _token(quoted: re.Match[str]) -> str:
    inner = quoted[0][1:-1]
    harmless = len(inner) <= len(r"\t") or inner in _PARTS
    return quoted[0] if harmless else "'…'"
