"""Print the example configuration file, the JSON Schema or the documentation page."""

from __future__ import annotations

import argparse
import json
import sys

from uhome2mqtt.settings import documentation, example, json_schema


def main() -> None:
    """Print what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m uhome2mqtt.settings", description=__doc__)
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--schema", action="store_true", help="print the JSON Schema")
    choice.add_argument("--docs", action="store_true", help="print docs/configuration.md")
    arguments = parser.parse_args()
    sys.stdout.write(_text(schema=arguments.schema, docs=arguments.docs))


def _text(*, schema: bool, docs: bool) -> str:
    if schema:
        return json.dumps(json_schema(), indent=2) + "\n"
    return documentation() if docs else example()


if __name__ == "__main__":
    main()
