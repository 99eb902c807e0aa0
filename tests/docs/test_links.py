"""Where the pages lead."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page
    for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("examples/**/*.md"))
}


def anchors(page: Path) -> set[str]:
    """Name the headings of a page as links do."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", ["README.md", "docs/commands.md", "docs/notifications.md", "docs/polling.md"])
def test_pages(name: str) -> None:
    """The pages that users begin with are among those that are looked at, and have links that are found."""
    assert links(PAGES[name])


def links(page: Path) -> list[tuple[str, str]]:
    """Give the links of a page that lead to files, or to its own headings."""
    return re.findall(r"\]\((?!https?:)([\w./-]*)(?:#([\w-]+))?\)", page.read_text())


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links(name: str) -> None:
    """Every link leads to a file that there is, and to a heading in it."""
    page = PAGES[name]
    for file, anchor in links(page):
        target = page.parent / file if file else page
        assert target.exists(), file
        assert not anchor or anchor in anchors(target), (file, anchor)
