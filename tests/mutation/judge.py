"""Run the tests that may notice a mutant, until one does.

One process imports and collects everything once and runs all tests, to see which lines each of them runs. Every mutant
is judged in a fork of it. Where only functions differ that no import has called, their code is exchanged in place; else
everything is imported anew, with the changed file, and all tests may notice.
"""

from __future__ import annotations

import functools
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import os
import resource
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType, TracebackType
from typing import Self

import coverage
import pytest

from .mutants import Mutant

OPTIONS = ("-q", "--capture=sys", "-p", "no:cacheprovider", "-p", "no:xdist", "-W", "ignore")
CACHE = type(functools.cache(len))
NEAR = 3
"""Files of tests that are collected at first where everything is imported anew: collecting all takes long."""
LONGEST = 1.0
"""Seconds of processor time; tests that take longer do not judge."""
SLACK = 15.0
"""Seconds of processor time that a mutant has beside ten times what its tests take."""
MEMORY = 4 << 30


def say(words: str) -> None:
    """Print it at once, though pytest keeps what tests print."""
    print(words, file=sys.__stdout__, flush=True)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a mutant: killed, survived, timeout; `by`: the test that failed."""

    mutant: Mutant
    word: str
    by: str = ""


@dataclass
class Failures:
    """A plugin of pytest that remembers which test failed first."""

    failed: str = ""
    why: str = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed, self.why = report.nodeid, report.longreprtext


@dataclass
class Judge(Failures):
    """A plugin of pytest that runs the tests once, and then for each mutant those that may notice it."""

    mutants: Sequence[Mutant] = ()
    together: int = 1
    lines: coverage.Coverage = field(default_factory=coverage.Coverage)
    verdicts: list[Verdict] = field(default_factory=list)
    items: dict[str, pytest.Item] = field(default_factory=dict)
    took: dict[str, float] = field(default_factory=dict)
    ran: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    functions: dict[tuple[str, object], list[FunctionType]] = field(default_factory=lambda: defaultdict(list))
    caches: list[functools._lru_cache_wrapper[object]] = field(default_factory=list)

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        began = time.monotonic()
        session.config.pluginmanager.unregister(name="terminalreporter")
        self._look(session)
        if self.failed:
            say(f"{self.failed} fails without a mutant\n{self.why}")
            return True
        self._gather()
        say(f"{len(session.items)} tests without a mutant: {time.monotonic() - began:.0f} s")
        for verdict in self._judge_all():
            self.verdicts.append(verdict)
            if verdict.word != "killed":
                say(f"\n{verdict.mutant.name}: {verdict.word}\n{verdict.mutant.diff}")
            if len(self.verdicts) % 100 == 0:
                say(f"\n{len(self.verdicts)} of {len(self.mutants)} mutants: {time.monotonic() - began:.0f} s")
        return True

    def _look(self, session: pytest.Session) -> None:
        """Run all tests, to see which lines each runs, how long it takes, and that none fails."""
        for item in session.items:
            self.lines.switch_context(item.nodeid)
            before = time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
            self.took[item.nodeid] = time.process_time() - before
            if self.took[item.nodeid] <= LONGEST:
                self.items[item.nodeid] = item
            if self.failed:
                return
        self.lines.stop()
        data = self.lines.get_data()
        self.ran = {os.path.relpath(path): data.contexts_by_lineno(path) for path in data.measured_files()}

    def _gather(self) -> None:
        """Find the functions that there are, once for all forks."""
        for found in gc.get_objects():
            if type(found) is FunctionType and (path := os.path.relpath(found.__code__.co_filename)) in self.ran:
                self.functions[path, _place(found.__code__)].append(found)
            elif isinstance(found, CACHE) and found.__module__.startswith("uhome2mqtt."):
                self.caches.append(found)
        gc.collect()
        gc.freeze()

    def _judge_all(self) -> Iterator[Verdict]:
        left = list(reversed(self.mutants))
        running: dict[int, tuple[Mutant, int]] = {}
        while left or running:
            while left and len(running) < self.together:
                mutant = left.pop()
                reading, writing = os.pipe()
                pid = os.fork()
                if not pid:
                    with Ending(writing) as ending:
                        ending.by = self._judge(mutant)
                os.close(writing)
                running[pid] = mutant, reading
            pid, status = os.wait()
            mutant, reading = running.pop(pid)
            with os.fdopen(reading, encoding="utf-8") as pipe:
                told = pipe.read()
            by = json.loads(told) if told else f"status {status}"
            word = "timeout" if os.WIFSIGNALED(status) else "killed" if by else "survived"
            yield Verdict(mutant=mutant, word=word, by=by)

    def _judge(self, mutant: Mutant) -> str:
        """Give the test that fails, if one does."""
        self.failed = ""
        ran = self.ran.get(mutant.path, {})
        contexts = {test for line in mutant.lines for test in ran.get(line, [])}
        at_import = "" in contexts or not contexts
        tests = [test for test in self.items if at_import or test in contexts]
        tests.sort(key=self.took.__getitem__)
        _limit(sum(self.took[test] for test in tests))
        if at_import or not self._exchange(mutant):
            return self._import_anew(mutant, tests)
        for test in tests:
            self.items[test].config.hook.pytest_runtest_protocol(item=self.items[test], nextitem=None)
            if self.failed:
                break
        return self.failed

    def _exchange(self, mutant: Mutant) -> bool:
        """Put the changed code into the functions that there are; tell whether that was possible."""
        pairs = _pairs(compile(mutant.original, mutant.path, "exec"), compile(mutant.changed, mutant.path, "exec"))
        for old, new in pairs:
            for function in self.functions.get((mutant.path, _place(old)), []):
                if old.co_freevars != new.co_freevars:
                    return False
                function.__code__ = new
        for cache in self.caches:
            cache.cache_clear()
        return bool(pairs)

    def _import_anew(self, mutant: Mutant, tests: list[str]) -> str:
        near = self._near(mutant.path.split("/")[1])
        for wanted in (True, False):
            part = [test for test in tests if (_file(test) in near) is wanted]
            for name in [name for name in sys.modules if name.partition(".")[0] in {"uhome2mqtt", "tests"}]:
                del sys.modules[name]
            sys.meta_path.insert(0, Changed(mutant))
            plugin = Failures()
            code = pytest.main([*OPTIONS, "-x", *part], plugins=[plugin]) if part else pytest.ExitCode.OK
            if code != pytest.ExitCode.OK:
                return plugin.failed or f"pytest: {code}"
        return ""

    def _near(self, floor: str) -> set[str]:
        """Give the files of tests that run most of a floor in the shortest time."""
        lines: Counter[str] = Counter()
        for path, ran in self.ran.items():
            if path.split("/")[1] == floor:
                for tests in ran.values():
                    lines.update({_file(test) for test in tests if test})
        cost = dict.fromkeys(map(_file, self.took), 1.0)
        for test, seconds in self.took.items():
            cost[_file(test)] += seconds
        return set(sorted(lines, key=lambda path: lines[path] / cost[path])[-NEAR:])


class Ending:
    """The end of a fork: it tells what it has found, or was thrown, and never returns."""

    def __init__(self, writing: int) -> None:
        self.by = ""
        self._writing = writing

    def __enter__(self) -> Self:
        nowhere = os.open(os.devnull, os.O_RDWR)
        for each in (0, 1, 2):
            os.dup2(nowhere, each)
        sys.stdout = sys.stderr = io.StringIO()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        os.write(self._writing, json.dumps(repr(error) if error else self.by).encode()[:1000])
        os._exit(0)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports a changed file instead of the one that there is."""

    def __init__(self, mutant: Mutant) -> None:
        self._path, self._source = mutant.path, mutant.changed
        self._name = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if fullname != self._name:
            return None
        package = [str(Path(self._path).parent.absolute())] if self._path.endswith("__init__.py") else None
        return importlib.util.spec_from_file_location(
            fullname, Path(self._path).absolute(), loader=self, submodule_search_locations=package
        )

    def get_source(self, fullname: str) -> str:
        del fullname
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        del fullname
        return compile(self._source, self._path, "exec", dont_inherit=True)


def _place(code: CodeType) -> object:
    return code.co_qualname, code.co_firstlineno, tuple(code.co_positions())


def _pairs(old: CodeType, new: CodeType) -> list[tuple[CodeType, CodeType]]:
    """Pair the code of two files, function by function; nothing if they are not built alike."""
    inside = [[each for each in code.co_consts if isinstance(each, CodeType)] for code in (old, new)]
    if [each.co_name for each in inside[0]] != [each.co_name for each in inside[1]]:
        return []
    deeper = [_pairs(one, other) for one, other in zip(*inside, strict=True)]
    return [(old, new), *(pair for pairs in deeper for pair in pairs)] if all(deeper) else []


def _file(test: str) -> str:
    return test.partition("::")[0]


def _limit(expected: float) -> None:
    """Let the kernel end what takes far too long, or too much memory: processor time is the same on a busy machine."""
    seconds = int(10 * expected + SLACK)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
