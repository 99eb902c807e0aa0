"""What fuzzing has found, and what it began with, played each time."""

from __future__ import annotations

import pytest

from .targets import CORPUS, TARGETS


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_corpus(name: str) -> None:
    """Every kept input of a target holds what the target asserts."""
    inputs = sorted((CORPUS / name).iterdir())
    assert len(inputs) >= 5
    for path in inputs:
        try:
            TARGETS[name](path.read_bytes())
        except Exception as problem:
            problem.add_note(f"with {path}")
            raise
