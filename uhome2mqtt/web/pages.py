"""The pages as HTML, with all their words: nothing is loaded from elsewhere, and no script is needed."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from urllib.parse import urlsplit

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; --edge: #8885; --soft: #8882;
  --strong: #0b5cad; --on-strong: #fff; --good: #1a7f45; --fair: #9a6700; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --strong: #7cb8f5; --on-strong: #10202f; --good: #4fc283; --fair: #e0b050; --bad: #f2837b; }
}
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: start center; background: Canvas; color: CanvasText; }
main { width: min(40rem, 100% - 2rem); margin: clamp(1rem, 6vh, 4rem) 0; }
header { display: flex; align-items: baseline; gap: .75rem; border-bottom: 1px solid var(--edge); }
header p { margin: 0; opacity: .75; }
h1 { margin: 0 0 .25rem; font-size: 1.375rem; }
.state { margin: 1.5rem 0; padding: .875rem 1rem; border: 1px solid var(--edge); border-left: .375rem solid;
  border-radius: .5rem; background: var(--soft); }
.state strong { display: block; font-size: 1.125rem; }
.good { border-left-color: var(--good); }
.fair { border-left-color: var(--fair); }
.bad { border-left-color: var(--bad); }
ol { padding-left: 1.25rem; }
li { margin: .75rem 0; }
code { padding: .125rem .375rem; border-radius: .25rem; background: var(--soft); overflow-wrap: anywhere; }
.button, button { display: inline-block; margin-top: .5rem; padding: .625rem 1.25rem; border: 1px solid transparent;
  border-radius: .5rem; font: inherit; font-weight: 600; text-decoration: none; cursor: pointer;
  background: var(--strong); color: var(--on-strong); }
.small { margin: 0 0 1.5rem; font-size: .875rem; }
.plain { background: transparent; color: var(--strong); border-color: currentcolor; }
a:not(.button) { color: var(--strong); }
:is(a, button, input, summary):focus-visible { outline: .1875rem solid var(--strong); outline-offset: 2px; }
label { display: block; margin: .75rem 0 .25rem; }
input { width: 100%; padding: .5rem .625rem; border: 1px solid var(--edge); border-radius: .375rem; font: inherit;
  background: Canvas; color: CanvasText; }
details { margin-top: 1.5rem; border-top: 1px solid var(--edge); padding-top: .75rem; }
summary { cursor: pointer; }
"""

STYLE_SOURCE = "'sha256-" + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode() + "'"
"""What a Content-Security-Policy has to allow for these pages."""

CLOUD = {
    "online": ("good", "Connected to U home", "The cloud answers."),
    "degraded": ("fair", "Connected to U home", "Some requests to the cloud fail; the bridge goes on by itself."),
    "offline": ("fair", "Connected to U home", "The cloud is out of reach; the bridge goes on trying by itself."),
}
"""By the cloud's state, where the login is good: colour, headline and explanation."""

NOTIFICATIONS = {
    "disabled": "Not set up; changes are seen when the bridge asks the cloud.",
    "registration_failed": "The cloud does not take the registration; the bridge asks for changes and tries again.",
    "unverified": "Registered, but not proven yet; the bridge goes on asking for changes as well.",
    "healthy": "They arrive; changes are seen within seconds.",
    "degraded": "Some are missing; the bridge goes on asking for changes as well.",
    "unhealthy": "They do not arrive; changes are seen when the bridge asks the cloud.",
}
"""By how far they can be relied on: what that means."""


ELSEWHERE = (
    "The console is for this machine only: open it there, by http://localhost and the port of the bridge. To use it"
    " from elsewhere, or through a proxy, set web.token in the configuration."
)
"""What somebody is told who comes from elsewhere where there is no token."""

SHARED = (
    "The console needs web.token here, or notifications.port: notifications come in by the port of these pages, and the"
    " proxy that passes them on could pass on everything else as well."
)
"""What somebody is told where notifications come in by the port of the pages, and there is no token."""

FOREIGN = (
    "The request comes from a page of another site, as far as the bridge can see. If it was this page: let the reverse"
    " proxy before the bridge pass on the Host header as the browser sends it, with the port."
)
"""What is said where a request may have been forged by a page of another site."""


def closed(*, shared: bool) -> str:
    """Say why somebody may not see the console, where there is no token."""
    return SHARED if shared else ELSEWHERE


def home(
    redirect_uri: str, trouble: str | None, cloud: str, push: str = "disabled", hint: str = "", *, inside: bool = False
) -> str:
    """Show whether the account is connected, and how to connect it; `trouble`: why it is not.

    `hint`: what else there is to say, as to somebody who may not see the console. `inside`: the first page is the
    console.
    """
    if trouble is None and cloud in CLOUD:
        state, more = _state(*CLOUD[cloud]), ("Log in again, or with another account", "")
    else:
        why = trouble or "the cloud refuses the login"
        state, more = _state("bad", "Not connected to U home", f"{why[:1].upper()}{why[1:]}."), None
    steps = _steps(redirect_uri)
    if more is not None:
        steps = f"<details><summary>{more[0]}</summary>{steps}</details>"
    notifications = f'<p class="small">Notifications: {escape(NOTIFICATIONS.get(push, push))}</p>'
    said = f'<p class="small">{escape(hint)}</p>' if hint else ""
    way = '<p><a href="./">Go to the house</a></p>' if inside else ""
    return _page("uhome2mqtt", state + notifications + said + way + steps)


def done(home_link: str | None) -> str:
    """Tell that the login went well."""
    following = "You can close this page and go back to the terminal."
    if home_link is not None:
        following = f'You can close this page. <a href="{escape(home_link)}">See how the bridge is doing</a>.'
    return _page(
        "Connected", _state("good", "Connected to U home", "The bridge has its login.") + f"<p>{following}</p>"
    )


def failed(why: str, home_link: str | None) -> str:
    """Tell that the login did not go well, and what to do."""
    following = "Go back to the terminal and start again."
    if home_link is not None:
        following = f'<a class="button" href="{escape(home_link)}">Start again</a>'
    return _page("Not connected", _state("bad", "The login did not work", why) + f"<p>{following}</p>")


def not_kept(why: str, home_link: str | None) -> str:
    """Tell that the login is good, but would not survive a restart."""
    following = "The bridge uses the login all the same and tries again to keep it."
    text = f"{why}. {following if home_link else 'It is lost with the command that asked for it.'}"
    return _page("Connected for now", _state("fair", "Connected, but the login cannot be kept", text))


def foreign() -> str:
    """Tell why a request was refused that a page of another site may have forged."""
    return _page("Refused", _state("bad", "This was not taken", FOREIGN))


def token_form(problem: str = "") -> str:
    """Ask for the web token."""
    said = _state("bad", "That did not work", problem) if problem else ""
    return _page(
        "uhome2mqtt",
        f'{said}<form method="post" action="session"><label for="token">Token of the web pages (<code>web.token</code>'
        ' of the configuration)</label><input id="token" name="token" type="password" required autofocus'
        ' autocomplete="current-password"><button>Continue</button></form>',
    )


def _steps(redirect_uri: str) -> str:
    origin = urlsplit(redirect_uri).netloc
    return (
        "<ol><li>In the <strong>Xthings Home</strong> app (3.5.5 or newer) open <em>My Account → OpenAPI</em>, choose"
        f" the devices, and enter exactly this redirect URI:<br><code>{escape(redirect_uri)}</code></li>"
        "<li>Log in to U home and allow the access:<br>"
        '<a class="button" href="oauth/start">Log in to U home</a></li></ol>'
        "<details><summary>The browser shows an error after you have allowed the access?</summary>"
        f"<p>It was sent to <code>{escape(origin)}</code>, which it cannot reach from where it runs. Copy the whole"
        " address out of its address bar and paste it here:</p>"
        '<form method="post" action="oauth/callback"><label for="address">Address that the browser was sent to</label>'
        '<input id="address" name="address" required autocomplete="off"><button class="plain">Finish the login</button>'
        "</form></details>"
    )


def _state(colour: str, headline: str, text: str) -> str:
    return f'<div class="state {colour}" role="status"><strong>{escape(headline)}</strong>{escape(text)}</div>'


def _page(title: str, content: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"<header><h1>uhome2mqtt</h1><p>U-tec locks on MQTT</p></header>{content}</main></body></html>"
    )
