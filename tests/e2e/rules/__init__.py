"""The nine rules of commands, each played with every version of MQTT on every broker.

`cell` is where a rule is played, `refusing`, `sending` and `telling` play one rule in each function, `book` lists them,
`verdicts` prints what came of it.
"""

import pytest

# So that a rule which does not hold is shown with its values, as in a test.
pytest.register_assert_rewrite(*(f"tests.e2e.rules.{name}" for name in ("cell", "refusing", "sending", "telling")))
