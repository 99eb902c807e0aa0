"""The project's own gates: each rule of scripts/sizes.py finds a planted violation, a good tree passes."""

import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SIZES = ROOT / "scripts" / "sizes.py"
BROAD = "try:\n    pass\nexcept {caught}:\n    pass\n"
HOME = str(Path("/", "home", "someone", "checkout"))

GOOD = {
    "uhome2mqtt/__init__.py": "",
    "uhome2mqtt/daemon.py": "try:\n    pass\nexcept Exception:\n    raise\n\n\nasync def main() -> None:\n    pass\n",
    "uhome2mqtt/engine/turn.py": '''
def turn(word: str) -> str:
    """Turn a word.

    This docstring does not count.
    """
    return word[::-1]
''',
    "uhome2mqtt/cloud.py": "try:\n    pass\nexcept (OSError, ValueError):\n    pass\n",
    "tests/test_turn.py": '''
def test_turn() -> None:
    """A word is turned."""
    assert True  # noqa: S101 - a test asserts


class TestMore:
    async def test_more(self) -> None:
        """A method is a test, too."""
        value: int = "1"  # type: ignore[assignment]  # to see that it is refused
''',
    "README.md": "Put it into /opt/uhome2mqtt; a home is a home, and https://example.org/home/page is an address.\n",
}


def plant(root: Path, files: dict[str, str]) -> None:
    """Write files below a folder."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def gate(root: Path) -> tuple[int, str]:
    """Run the gate on a tree: exit status and what it printed."""
    done = subprocess.run([sys.executable, SIZES, root], capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.returncode, done.stdout


def function(name: str, lines: int, indent: str = "") -> str:
    """Write a function with a body of so many lines."""
    head = f'{indent}def {name}() -> None:\n{indent}    """Do it."""\n'
    return head + f"{indent}    print()\n" * lines


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Plant a tree that keeps all rules."""
    plant(tmp_path, GOOD)
    return tmp_path


def test_good_tree(tree: Path) -> None:
    """A tree that keeps all rules passes, and the figures are printed."""
    status, printed = gate(tree)
    assert (status, printed.splitlines()[-1]) == (0, "sizes: nothing to mend")
    assert "files      3, lines: median 7 (<= 150), most 8 (<= 400)" in printed
    assert "functions  2, lines of body: median 1 (<= 8), most 1 (<= 40)" in printed
    assert "broad      1 broad except" in printed
    assert "exempt     2 type: ignore" in printed


VIOLATIONS = {
    "long file": ("uhome2mqtt/a.py", "x = 1\n" * 401, "a.py: 401 lines > 400"),
    "long body": ("uhome2mqtt/a.py", function("f", 41), "a.py:1: body of f has 41 lines > 40"),
    "long method": (
        "uhome2mqtt/a.py",
        "class C:\n" + function("f", 41, "    "),
        "a.py:2: body of f has 41 lines > 40",
    ),
    "long async body": (
        "uhome2mqtt/a.py",
        "async " + function("f", 41),
        "a.py:1: body of f has 41 lines > 40",
    ),
    "bare except": ("uhome2mqtt/cloud.py", "try:\n    pass\nexcept:\n    pass\n", "cloud.py:3: broad except outside"),
    "broad except": ("uhome2mqtt/cloud.py", BROAD.format(caught="Exception"), "cloud.py:3: broad except outside"),
    "base except": ("uhome2mqtt/cloud.py", BROAD.format(caught="BaseException"), "cloud.py:3: broad except outside"),
    "broad in a tuple": (
        "uhome2mqtt/cloud.py",
        BROAD.format(caught="(OSError, builtins.Exception)"),
        "cloud.py:3: broad except outside",
    ),
    "broad group": (
        "uhome2mqtt/cloud.py",
        BROAD.format(caught="Exception").replace("except", "except*"),
        "cloud.py:3: broad except outside",
    ),
    "broad suppress": (
        "uhome2mqtt/cloud.py",
        "with contextlib.suppress(OSError, Exception):\n    pass\n",
        "cloud.py:1: broad except outside",
    ),
    "another daemon": (
        "uhome2mqtt/web/daemon.py",
        BROAD.format(caught="Exception"),
        "daemon.py:3: broad except outside",
    ),
    "two broad": ("uhome2mqtt/daemon.py", BROAD.format(caught="Exception") * 2, "daemon.py:7: 2 broad excepts > 1"),
    "async in a pure file": (
        "uhome2mqtt/topics.py",
        "async " + function("f", 1),
        "topics.py:1: async def in a pure floor",
    ),
    "async in a pure package": (
        "uhome2mqtt/engine/turn.py",
        "class C:\n    async " + function("f", 1, "    ").lstrip(),
        "turn.py:2: async def in a pure floor",
    ),
    "mock": ("tests/conftest.py", "from unittest.mock import patch\n", "conftest.py:1: mocks are not used"),
    "mock module": ("tests/conftest.py", "from unittest import mock\n", "conftest.py:1: mocks are not used"),
    "mock import": ("tests/a/test_a.py", "import unittest.mock\n", "test_a.py:1: mocks are not used"),
    "skip": ("tests/conftest.py", "pytest.skip('slow')\n", "conftest.py:1: no test is skipped"),
    "skip mark": ("tests/conftest.py", "x = pytest.mark.skipif(True)\n", "conftest.py:1: no test is skipped"),
    "skip import": ("tests/conftest.py", "from pytest import skip\n", "conftest.py:1: no test is skipped"),
    "import or skip": ("tests/conftest.py", "pytest.importorskip('x')\n", "conftest.py:1: no test is skipped"),
    "xfail": ("tests/conftest.py", "x = mark.xfail\n", "conftest.py:1: no test is skipped"),
    "unittest skip": ("tests/conftest.py", "x = unittest.skipUnless(1, '')\n", "conftest.py:1: no test is skipped"),
    "no Python": ("tests/a.py", "x = 1\ny = = 2\n", "tests/a.py:2: invalid syntax"),
    "no docstring": (
        "tests/test_a.py",
        "class TestA:\n    async def test_a(self) -> None:\n        pass\n",
        "test_a.py:2: test_a has no docstring",
    ),
    "empty docstring": (
        "tests/test_a.py",
        'def test_a() -> None:\n    """ """\n',
        "test_a.py:1: test_a has no docstring",
    ),
    "home in code": ("uhome2mqtt/a.py", f"X = '{HOME}'\n", "a.py:1: path of somebody's machine"),
    "home in a document": ("docs/a.md", f"first\ncd {HOME}\n", "docs/a.md:2: path of somebody's machine"),
    "another system's home": ("docs/a.md", HOME.replace("home", "Users"), "docs/a.md:1: path of somebody's machine"),
    "root's home": ("docs/a.md", "~ is /" + "root/checkout", "docs/a.md:1: path of somebody's machine"),
}
EXEMPTED = {
    "type: ignore": ("# type: " + "ignore", "needs a code and a reason"),
    "type: ignore[code]": ("# type: " + "ignore[arg-type]", "needs a code and a reason"),
    "noqa": ("# no" + "qa", "needs a code and a reason"),
    "noqa code": ("# no" + "qa: E501", "needs a code and a reason"),
    "noqa codes": ("# no" + "qa: E501, S101", "needs a code and a reason"),
    "noqa reason": ("# no" + "qa - because it is so", "needs a code and a reason"),
    "ruff file": ("# ruff: no" + "qa", "needs a code and a reason"),
    "mypy file": ("# mypy: " + "ignore-errors", "needs a code and a reason"),
}
MARKERS = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]


@pytest.mark.parametrize(("name", "text", "finding"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_violation(tree: Path, name: str, text: str, finding: str) -> None:
    """A planted violation is found, with its place."""
    plant(tree, {name: text})
    status, printed = gate(tree)
    assert finding in printed
    assert status == 1


@pytest.mark.parametrize(("comment", "finding"), EXEMPTED.values(), ids=EXEMPTED)
@pytest.mark.parametrize("folder", ["uhome2mqtt", "tests", "scripts"])
def test_exemption(tree: Path, folder: str, comment: str, finding: str) -> None:
    """An exemption from a linter without code and reason is found in package, tests and scripts."""
    plant(tree, {f"{folder}/a.py": f"x = 1\ny = 2  {comment}\n"})
    status, printed = gate(tree)
    assert f"{folder}/a.py:2: {comment} {finding}" in printed
    assert status == 1


def test_exemption_quoted(tree: Path) -> None:
    """What only looks like an exemption, inside of a string, is none."""
    plant(tree, {"uhome2mqtt/a.py": 'x = "# no' + 'qa"\n'})
    assert gate(tree)[0] == 0


def test_too_many_exemptions(tree: Path) -> None:
    """The eleventh exemption is one too many, however good its reason."""
    reasoned = "x = 1  # no" + "qa: E501 - a very good reason\n"
    plant(tree, {"tests/a.py": reasoned * 8})
    assert gate(tree)[0] == 0
    plant(tree, {"tests/a.py": reasoned * 9})
    status, printed = gate(tree)
    assert "tests/a.py:1: one of 11 exemptions > 10" in printed
    assert status == 1


@pytest.mark.parametrize("marker", MARKERS)
@pytest.mark.parametrize("name", ["uhome2mqtt/a.py", "tests/test_a.py", "docs/a.md", "Makefile"])
def test_marker(tree: Path, name: str, marker: str) -> None:
    """A marker of unfinished work is found in any file."""
    plant(tree, {name: f"# first\n# {marker}: later\n"})
    status, printed = gate(tree)
    assert f"{name}:2: marker of unfinished work" in printed
    assert status == 1


def test_own_path(tree: Path) -> None:
    """The path of the checkout itself is a machine's path."""
    plant(tree, {"docs/a.md": f"see {tree}/README.md\n"})
    assert "docs/a.md:1: path of somebody's machine" in gate(tree)[1]


@pytest.mark.parametrize(
    ("planted", "finding"),
    [
        (lambda n: {f"uhome2mqtt/a{n}.py": "x = 1\n" * 151}, "uhome2mqtt: median file length 151 > 150"),
        (lambda n: {f"uhome2mqtt/a{n}.py": function("f", 9)}, "uhome2mqtt: median function body 9 > 8"),
    ],
    ids=["files", "bodies"],
)
def test_median(tree: Path, planted: Callable[[int], dict[str, str]], finding: str) -> None:
    """Half of the files and of the functions are to be short."""
    for number in range(9):
        plant(tree, planted(number))
    status, printed = gate(tree)
    assert finding in printed
    assert status == 1


def test_git(tree: Path) -> None:
    """In a git checkout only tracked files and new ones that are not ignored count."""
    subprocess.run(["git", "init", "-q", tree], check=True)
    bad = f"cd {HOME}\n"
    plant(tree, {".gitignore": "ignored/\n", "ignored/a.md": bad})
    assert gate(tree)[0] == 0
    plant(tree, {"new file.md": bad, "picture.png": "\udcff\ufffd".encode("utf-16", "surrogatepass").decode("latin-1")})
    assert "new file.md:1: path of somebody's machine" in gate(tree)[1]


def test_pictures(tree: Path) -> None:
    """Files that are no text are left alone."""
    (tree / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    assert gate(tree)[0] == 0


def test_pure_floors_agree() -> None:
    """The floors that are pure for sizes and coverage are those that import-linter keeps from I/O."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = [contract["source_modules"] for contract in contracts if "pure" in contract["name"]]
    printed = subprocess.run([sys.executable, SIZES, "--pure"], check=True, capture_output=True, text=True).stdout
    patterns = printed.strip().split(",")
    assert sorted({p.removesuffix("/*").removesuffix(".py") for p in patterns}) == sorted(
        module.replace(".", "/") for module in pure
    )
