"""Measure the code against the project's own limits; print the figures and every line that breaks a rule.

usage: sizes.py [ROOT]
       sizes.py --pure    (prints what the pure floors are, as patterns for coverage)

Only what ruff, mypy and import-linter cannot say is here. ROOT is a checkout, by default the one around this
file. Exit status 1 if a rule is broken. Standard library only, so that it runs before anything is installed.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

PACKAGE = "uhome2mqtt"
PURE_FLOORS = {
    "asyncapi", "engine", "homeassistant", "catalogue", "uhome", "lock_users", "topics", "effects", "events", "packed",
    "vitals", "errors", "model",
}  # fmt: skip
FILE_LINES, FILE_MEDIAN = 400, 150
BODY_LINES, BODY_MEDIAN = 40, 8
BROAD_PLACE, BROAD_COUNT = "daemon.py", 1
EXEMPTIONS = 10
SHORT = 2  # a checkout in a folder of the root, say of a container, has a path that means nothing

BROAD = {"Exception", "BaseException"}
MOCKS = {"unittest.mock", "mock", "pytest_mock"}
SKIPS = {"skip", "skipif", "skipunless", "skiptest", "importorskip", "xfail", "expectedfailure"}
# Spelt so that this file passes its own rules.
UNFINISHED = re.compile(r"\b(?:TO[D]O|FIX[M]E|XX[X]|HAC[K])\b")
HOMES = re.compile(r"(?<![\w.])/(?:home|Users)/\w|(?<![\w.])/roo[t]/\w|[A-Z]:\\Users\\\w")
EXEMPTION = re.compile(r"#\s*(?:type:\s*ignore|(?:ruff:\s*)?noqa|mypy:\s)", re.IGNORECASE)
REASONED = re.compile(
    r"#\s*(?:type:\s*ignore\[[\w, -]+\]|(?:ruff:\s*)?noqa:\s*[A-Z]+\d+(?:\s*,\s*[A-Z]+\d+)*)\s*(?:#|-)+\s*\w.{7,}"
)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One file, with its path from the root."""

    path: Path
    text: str

    @cached_property
    def nodes(self) -> list[ast.AST]:
        return list(ast.walk(ast.parse(self.text, str(self.path))))

    @property
    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes if isinstance(node, Function))

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    @property
    def floor(self) -> str:
        return self.path.parts[1].removesuffix(".py")

    def comments(self) -> Iterator[tuple[int, str]]:
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.string


@dataclass(frozen=True)
class Tree:
    """A checkout: its text files, and the Python among them by folder."""

    root: Path

    @cached_property
    def files(self) -> list[Source]:
        found = (Source(path, text) for path in self._paths() if (text := self._text(path)) is not None)
        return sorted(found, key=lambda source: source.path)

    def python(self, *folders: str) -> list[Source]:
        return [s for s in self.files if s.path.suffix == ".py" and s.path.parts[0] in folders]

    def _text(self, path: Path) -> str | None:
        try:
            return (self.root / path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return None  # a deleted file, a link to nowhere, a picture

    def _paths(self) -> list[Path]:
        if not (self.root / ".git").exists():
            paths = (path.relative_to(self.root) for path in self.root.rglob("*") if path.is_file())
            return [path for path in paths if not any(part.startswith((".", "__pycache__")) for part in path.parts)]
        command = ["git", "-C", str(self.root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        return [Path(name) for name in listed.split("\0") if name]


def body_lines(function: Function) -> int:
    """Count the lines of a function's body, without its docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0


def names(node: ast.AST | None) -> Iterator[str]:
    """Name the exceptions of an `except`, or the arguments of a call."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name
        case ast.Tuple(elts=parts):
            for part in parts:
                yield from names(part)


def is_broad(node: ast.AST) -> bool:
    """Tell whether a node swallows every error: bare or broad `except`, or a broad `suppress`."""
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=caught):
            return not BROAD.isdisjoint(names(caught))
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=caught):
            return any(not BROAD.isdisjoint(names(each)) for each in caught)
    return False


def imports(node: ast.AST) -> set[str]:
    """List the dotted names that a statement imports."""
    match node:
        case ast.Import(names=aliases):
            return {alias.name for alias in aliases}
        case ast.ImportFrom(module=str(module), names=aliases):
            return {module} | {f"{module}.{alias.name}" for alias in aliases}
    return set()


def is_skip(node: ast.AST) -> bool:
    """Tell whether a node lets a test not count: skip and xfail, of pytest or unittest, imported or not."""
    match node:
        case ast.Attribute(value=ast.Name(id="pytest" | "unittest" | "mark") | ast.Attribute(attr="mark"), attr=name):
            return name.lower() in SKIPS
        case ast.ImportFrom(module="pytest" | "unittest", names=aliases):
            return any(alias.name.lower() in SKIPS for alias in aliases)
    return False


def against(figures: list[int], middle: int, most: int) -> str:
    """Say median and maximum with their limits."""
    return f"median {median(figures):g} (<= {middle}), most {max(figures)} (<= {most})"


Findings = Iterator[str]
Rule = Callable[[Tree], Findings]


def unparsable(tree: Tree) -> Findings:
    """Find what is no Python for the interpreter that runs this; nothing else can be said about it."""
    for source in tree.python(PACKAGE, "tests", "scripts"):
        try:
            ast.parse(source.text)
        except SyntaxError as error:
            yield f"{source.path}:{error.lineno}: {error.msg}"


def file_sizes(tree: Tree) -> Findings:
    """Keep files of the package to 400 lines, half of them to 150; empty ones do not count."""
    sources = [source for source in tree.python(PACKAGE) if source.lines]
    figures = [source.lines for source in sources] or [0]
    print(f"files      {len(sources)}, lines: {against(figures, FILE_MEDIAN, FILE_LINES)}")
    if median(figures) > FILE_MEDIAN:
        yield f"{PACKAGE}: median file length {median(figures):g} > {FILE_MEDIAN}"
    yield from (f"{s.path}: {s.lines} lines > {FILE_LINES}" for s in sources if s.lines > FILE_LINES)


def body_sizes(tree: Tree) -> Findings:
    """Keep function bodies of the package to 40 lines, half of them to 8."""
    bodies = [(body_lines(f), s, f) for s in tree.python(PACKAGE) for f in s.functions]
    figures = [size for size, _, _ in bodies] or [0]
    print(f"functions  {len(bodies)}, lines of body: {against(figures, BODY_MEDIAN, BODY_LINES)}")
    if median(figures) > BODY_MEDIAN:
        yield f"{PACKAGE}: median function body {median(figures):g} > {BODY_MEDIAN}"
    for size, source, function in bodies:
        if size > BODY_LINES:
            yield f"{source.path}:{function.lineno}: body of {function.name} has {size} lines > {BODY_LINES}"


def broad_excepts(tree: Tree) -> Findings:
    """Allow one broad `except` in the package, in daemon.py."""
    found = [(s, node) for s in tree.python(PACKAGE) for node in s.nodes if is_broad(node)]
    places = [f"{source.path}:{getattr(node, 'lineno', 0)}" for source, node in found]
    print(f"broad      {len(found)} broad except (<= {BROAD_COUNT}, in {BROAD_PLACE} only)")
    for place, (source, _) in zip(places, found, strict=True):
        if source.path != Path(PACKAGE, BROAD_PLACE):
            yield f"{place}: broad except outside of {BROAD_PLACE}"
    if len(found) > BROAD_COUNT:
        yield f"{places[-1]}: {len(found)} broad excepts > {BROAD_COUNT}"


def pure_floors(tree: Tree) -> Findings:
    """Allow no `async def` in the pure floors."""
    sources = [s for s in tree.python(PACKAGE) if s.floor in PURE_FLOORS]
    print(f"pure       {len(sources)} files in the pure floors, {sum(s.lines for s in sources)} lines")
    for source in sources:
        for node in source.functions:
            if isinstance(node, ast.AsyncFunctionDef):
                yield f"{source.path}:{node.lineno}: async def in a pure floor"


def honest_tests(tree: Tree) -> Findings:
    """Allow no mocks and no test that is skipped or expected to fail; a docstring says what each pins."""
    sources = tree.python("tests")
    tests = [(s, f) for s in sources for f in s.functions if f.name.startswith("test")]
    print(f"tests      {len(tests)} functions in {len(sources)} files")
    for source in sources:
        for node in source.nodes:
            if not MOCKS.isdisjoint(imports(node)):
                yield f"{source.path}:{getattr(node, 'lineno', 0)}: mocks are not used here"
            if is_skip(node):
                yield f"{source.path}:{getattr(node, 'lineno', 0)}: no test is skipped or expected to fail"
    for source, test in tests:
        if not (ast.get_docstring(test) or "").strip():
            yield f"{source.path}:{test.lineno}: {test.name} has no docstring"


def exemptions(tree: Tree) -> Findings:
    """Allow few `type: ignore` and `noqa`, each with its code and its reason."""
    sources = tree.python(PACKAGE, "tests", "scripts")
    found = [(f"{s.path}:{line}", text) for s in sources for line, text in s.comments() if EXEMPTION.search(text)]
    print(f"exempt     {len(found)} type: ignore and noqa (<= {EXEMPTIONS})")
    if len(found) > EXEMPTIONS:
        yield from (f"{place}: one of {len(found)} exemptions > {EXEMPTIONS}" for place, _ in found)
    yield from (f"{place}: {text} needs a code and a reason" for place, text in found if not REASONED.search(text))


def finished(tree: Tree) -> Findings:
    """Allow no marker of unfinished work and nobody's home directory in any file."""
    print(f"text       {len(tree.files)} files, {sum(s.lines for s in tree.files)} lines")
    here = tree.root.resolve()
    for source in tree.files:
        for number, line in enumerate(source.text.splitlines(), 1):
            if UNFINISHED.search(line):
                yield f"{source.path}:{number}: marker of unfinished work"
            if HOMES.search(line) or (len(here.parts) > SHORT and str(here) in line):
                yield f"{source.path}:{number}: path of somebody's machine"


RULES: tuple[Rule, ...] = (file_sizes, body_sizes, broad_excepts, pure_floors, honest_tests, exemptions, finished)


def main(arguments: list[str]) -> int:
    """Apply all rules; 0 if none is broken."""
    if arguments == ["--pure"]:
        print(",".join(f"{PACKAGE}/{floor}{end}" for floor in sorted(PURE_FLOORS) for end in (".py", "/*")))
        return 0
    tree = Tree(Path(arguments[0]) if arguments else Path(__file__).parent.parent)
    findings = list(unparsable(tree)) or [finding for rule in RULES for finding in rule(tree)]
    for finding in findings:
        print(finding)
    print(f"sizes: {len(findings) or 'nothing'} to mend")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
