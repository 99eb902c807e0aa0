"""The routes of the simulated cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.routing import Mount, Route

from uhome2mqtt.simulator import authorize, control, endpoints
from uhome2mqtt.simulator.control_body import REFUSALS

if TYPE_CHECKING:
    from uhome2mqtt.simulator.cloud import SimulatedCloud


def build(cloud: SimulatedCloud) -> Starlette:
    """Build the web application of a cloud."""
    app = Starlette(
        routes=[
            Route("/authorize", authorize.show, methods=["GET"]),
            Route("/authorize", authorize.decide, methods=["POST"]),
            Route("/token", endpoints.token, methods=["GET", "POST"]),
            Route("/action", endpoints.action, methods=["POST"]),
            Mount("/control", routes=control.ROUTES),
        ],
        exception_handlers={**REFUSALS, ClientDisconnect: endpoints.gone},
    )
    app.state.cloud = cloud
    return app
