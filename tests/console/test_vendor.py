from __future__ import annotations

import hashlib
import re
from pathlib import Path

from uhome2mqtt.web.console import STATIC

VENDOR = STATIC / "vendor"
LISTED = {
    name: digest
    for digest, name in re.findall(r"^\| `(\w{64})` \| (\S+) \|$", (VENDOR / "README.md").read_text(), re.MULTILINE)
}
OURS = sorted(path for path in STATIC.iterdir() if path.is_file())
IMPORT = re.compile(r"""(?:\bfrom|^import)\s*["']([^"'\s]+)["'];""", re.MULTILINE)


def test_foreign_files_are_those_that_the_page_about_them_lists() -> None:
    """Nothing foreign is there that nobody has listed, and each file is what it was when it was listed."""
    present = {path for path in VENDOR.rglob("*") if path.is_file() and path != VENDOR / "README.md"}
    found = {path.relative_to(VENDOR).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in present}
    assert found == LISTED


def test_foreign_files_name_no_source_maps() -> None:
    """A browser with its tools open asks for nothing that is not there."""
    for name in LISTED:
        assert "sourceMappingURL" not in (VENDOR / name).read_text()


def test_each_foreign_package_has_its_licence_beside_it() -> None:
    """Whoever gets the files gets their licence."""
    packages = {Path(name).parts[0] for name in LISTED}
    assert packages
    assert {name for name in packages if f"{name}/LICENSE" in LISTED} == packages


def test_modules_import_only_files_that_are_there() -> None:
    """The page is complete: each import leads to a file of the package."""
    modules = list(STATIC.rglob("*.js"))
    assert modules
    for module in modules:
        for target in IMPORT.findall(module.read_text()):
            assert target.startswith("."), f"{module.name}: {target}"
            assert (module.parent / target).is_file(), f"{module.name}: {target}"


def test_page_names_only_files_that_are_there() -> None:
    """The shell loads relative files of the package, and nothing else."""
    page = (STATIC / "index.html").read_text()
    for target in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert target in {"#main", "connect"} or (STATIC / target.removeprefix("console/")).is_file(), target


def test_page_is_made_for_its_content_security_policy() -> None:
    """Neither styles nor scripts stand in the HTML, and nothing comes from elsewhere."""
    for path in OURS:
        text = path.read_text()
        assert not re.search(r"<style|\sstyle=|<script>|\son\w+=\"|javascript:|@import", text), path.name
        addresses = re.findall(r"https?://[^\s\"'`)]+", text)
        assert all(address.startswith("http://www.w3.org/") for address in addresses), path.name
