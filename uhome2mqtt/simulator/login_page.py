"""HTML of the login page, self-contained and plain about being a simulation."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: Canvas; color: CanvasText; }
main { width: min(26rem, 100% - 2rem); margin: 1rem; padding: 1.5rem; border: 1px solid #8886; border-radius: .75rem; }
h1 { margin: 0 0 .5rem; font-size: 1.25rem; }
.note { padding: .5rem .75rem; border-radius: .5rem; background: #d9a40033; font-size: .875rem; }
ul { margin: 1rem 0; padding: 0; list-style: none; }
li { display: flex; justify-content: space-between; padding: .375rem 0; border-bottom: 1px solid #8883; }
li span { opacity: .65; font-size: .875rem; }
form { display: flex; gap: .75rem; }
button { flex: 1; padding: .625rem; border: 1px solid #8888; border-radius: .5rem; font: inherit; cursor: pointer;
  background: transparent; color: inherit; }
button.allow { border-color: #0a6cdc; background: #0a6cdc; color: #fff; font-weight: 600; }
code { overflow-wrap: anywhere; }
"""


def accept_page(fields: Mapping[str, str], devices: Iterable[tuple[str, str]]) -> str:
    """Ask whether the client may have these devices, given as name and model."""
    hidden = "".join(
        f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
        for name, value in fields.items()
        if name not in {"decision", "client_secret"}
    )
    rows = "".join(f"<li>{escape(name)}<span>{escape(model)}</span></li>" for name, model in devices)
    return _page(
        "Allow access?",
        f"<p>The application <code>{escape(fields['client_id'])}</code> asks to see and control:</p>"
        f"<ul>{rows or '<li>no devices at all</li>'}</ul>"
        f'<form method="post" action="/authorize">{hidden}'
        '<button class="allow" name="decision" value="allow">Allow</button>'
        '<button name="decision" value="deny">Deny</button></form>',
    )


def error_page(message: str) -> str:
    """Say why there is nothing to accept."""
    return _page("Login is not possible", f"<p>{escape(message)}</p>")


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title} · simulated U home</title><style>{STYLE}</style></head><body><main><h1>{title}</h1>"
        '<p class="note">This is a <strong>simulation</strong> of the U home cloud. '
        "No account, no password and no real lock is involved.</p>"
        f"{content}</main></body></html>"
    )
