"""What is changed: mutmut's operators, applied to whatever runs, at import or in a function.

mutmut itself changes nothing outside of functions, and no property. Here that is the catalogue, every limit, and much
of what decides about a command. So the operators are its, and the walk is ours.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import libcst
from mutmut.mutation.mutators import mutation_operators, operator_arg_removal, operator_string

OBVIOUS = {"isinstance", "len", "assert_never", "cast"}
"""Calls that no argument can be taken from without an error at once, or that do nothing."""


LOGS = {"note", "note_once"}
TABLES = {"uhome2mqtt/homeassistant/rules.py", "uhome2mqtt/homeassistant/areas.py"}
"""Files whose literals are lists of words: the keys that Home Assistant takes, which its own schemas are asked about by
`scripts/test-homeassistant`, and names of rooms."""


@dataclass(frozen=True, eq=False)
class Mutant:
    """One change of one file; `number`: which of that file's."""

    path: str
    number: int
    module: Any
    before: Any
    after: Any
    words: str
    """What it changes into what."""
    nth: int
    """Which it is of those in this file with the same words."""
    is_text: bool
    """Whether it only changes words that people read: a literal with a space in it, or what goes to the log."""

    @property
    def name(self) -> str:
        return f"{self.path}:{self.number}"

    def rank(self, seed: int) -> bytes:
        """Give its place in a sample, which a change elsewhere does not move."""
        return hashlib.sha256(f"{seed} {self.path} {self.nth} {self.words}".encode()).digest()

    @property
    def original(self) -> str:
        return str(self.module.code)

    @cached_property
    def changed(self) -> str:
        return str(self.module.deep_replace(self.before, self.after).code)

    @cached_property
    def lines(self) -> frozenset[int]:
        """The original's lines that it changes, each with the whole statement around it."""
        matcher = difflib.SequenceMatcher(None, self.original.splitlines(), self.changed.splitlines(), autojunk=False)
        tree = ast.parse(self.original)
        touched = [range(i, max(j, i + 1)) for tag, i, j, _, _ in matcher.get_opcodes() if tag != "equal"]
        return frozenset(line for block in touched for index in block for line in _statement(tree, index + 1))

    @property
    def diff(self) -> str:
        old, new = self.original.splitlines(), self.changed.splitlines()
        return "\n".join(list(difflib.unified_diff(old, new, n=1, lineterm=""))[2:])


def mutants_of(path: str) -> list[Mutant]:
    """Make all mutants of a file."""
    module = libcst.parse_module(Path(path).read_text(encoding="utf-8"))
    found: list[Mutant] = []
    seen: Counter[str] = Counter()
    for node, logged in _nodes(module):
        for after in _changes(node):
            words = f"{module.code_for_node(node)} -> {module.code_for_node(after)}"
            is_text = _is_text(node, plain=logged or path in TABLES)
            found.append(Mutant(path, len(found) + 1, module, node, after, words, seen[words], is_text))
            seen[words] += 1
    return found


def _is_text(node: Any, *, plain: bool) -> bool:
    literal = isinstance(node, libcst.SimpleString)
    return (literal and (plain or " " in node.value)) or (isinstance(node, libcst.Call) and _name(node) in LOGS)


def _changes(node: Any) -> Iterator[Any]:
    """Change a node in each way that the type checker may let pass."""
    if isinstance(node, libcst.Call) and _name(node) in OBVIOUS:
        return
    if isinstance(node, libcst.AnnAssign) and not _takes_another(node):
        return
    if isinstance(node, libcst.Assign) and getattr(node.value, "value", None) in {"True", "False"}:
        return
    for kind, operator in mutation_operators:
        if isinstance(node, kind) and operator is not operator_arg_removal:
            # A literal in capitals tells no more than the same with a letter too many.
            yield from list(operator(node))[:1] if operator is operator_string else operator(node)
    if isinstance(node, libcst.Call):
        # Without what may have a default: one argument too few, or None for it, is an error of types.
        yield from (_without(node, index) for index, given in enumerate(node.args) if given.keyword or given.star)


def _takes_another(node: Any) -> bool:
    """Tell whether what is annotated may be None, or "" if it is None, which is what it is changed to."""
    annotation = libcst.Module([]).code_for_node(node.annotation.annotation)
    return "None" in annotation and (getattr(node.value, "value", "") != "None" or "str" in annotation)


def _without(call: Any, index: int) -> Any:
    return call.with_changes(args=[*call.args[:index], *call.args[index + 1 :]])


def _name(call: Any) -> str:
    return str(call.func.attr.value if isinstance(call.func, libcst.Attribute) else getattr(call.func, "value", ""))


def _nodes(node: Any, *, logged: bool = False) -> Iterator[tuple[Any, bool]]:
    """Give all nodes that do something, and whether they go to the log: types, decorators and lone sentences do not."""
    if isinstance(node, libcst.Annotation | libcst.Decorator | libcst.ImportFrom | libcst.Import):
        return
    if isinstance(node, libcst.Expr) and isinstance(node.value, libcst.SimpleString | libcst.ConcatenatedString):
        return
    if isinstance(node, libcst.Assign) and getattr(node.targets[0].target, "value", None) == "__all__":
        return
    yield node, logged
    logged = logged or (isinstance(node, libcst.Call) and _name(node) in LOGS)
    for child in node.children:
        yield from _nodes(child, logged=logged)


def _statement(tree: ast.Module, line: int) -> range:
    """Give the lines of the innermost statement at a line; of one with a body, its head."""
    best = range(line, line + 1)
    found = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.excepthandler | ast.match_case):
            start = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
            inner = getattr(node, "body", None) or getattr(node, "cases", None)
            end = _first(inner[0]) - 1 if inner else getattr(node, "end_lineno", start)
            if max(start, found) <= line <= max(start, end) and start >= found:
                best, found = range(start, max(start, end) + 1), start
    return best


def _first(node: Any) -> int:
    return int(node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno)
