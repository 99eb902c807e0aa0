"""Measure, and print tables in Markdown; `scripts/benchmark` runs this."""

from __future__ import annotations

import argparse
import asyncio
import platform
from collections.abc import Callable
from pathlib import Path

from benchmarks import engine, pipelines, sizes, start


def main() -> None:
    """Measure what is named, else everything."""
    parser = argparse.ArgumentParser(prog="scripts/benchmark", description=__doc__)
    parts = ("pipelines", "start", "engine", "sizes")
    parser.add_argument("parts", nargs="*", choices=[*parts, []], help="default: all")
    parser.add_argument("--quick", action="store_true", help="a fraction of everything: shows that it works, no more")
    parser.add_argument("--sizes", nargs="+", type=int, default=None, help="devices (default: 10 1000 10000)")
    parser.add_argument("--window", type=float, default=None, help="seconds to watch each size (default: 120)")
    options = parser.parse_args()
    quick = options.quick
    counts = options.sizes or ((10,) if quick else sizes.SIZES)
    window = options.window or (10.0 if quick else 120.0)
    made: dict[str, Callable[[], str]] = {
        "pipelines": lambda: asyncio.run(pipelines.measure(pipelines.QUICK if quick else pipelines.Plan())),
        "start": lambda: asyncio.run(start.measure(2 if quick else 7)),
        "engine": lambda: engine.measure(50 if quick else 1000),
        "sizes": lambda: asyncio.run(sizes.measure(counts, window)),
    }
    print(machine())
    for part in options.parts or parts:
        print(f"\n### {part}\n\n{made[part]()}", flush=True)


def machine() -> str:
    """Say where this was measured."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{len(models)} processors ({model}), Python {platform.python_version()}"


if __name__ == "__main__":
    main()
