"""The token endpoint: which grant is asked for, and the shapes of its answers."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from uhome2mqtt.simulator.grants import GrantError
from uhome2mqtt.simulator.vocabulary import TokenErrors, TokenReply
from uhome2mqtt.simulator.wire import Reply

if TYPE_CHECKING:
    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.quirks import Quirks

    Fields = dict[str, str]


def grant_tokens(cloud: SimulatedCloud, fields: Fields) -> Reply:
    """Answer a token request."""
    try:
        _check_client(cloud.quirks, fields)
        return _grant(cloud, fields)
    except GrantError as error:
        return _refused(error, cloud.quirks.token_errors)


def _grant(cloud: SimulatedCloud, fields: Fields) -> Reply:
    client_id = fields["client_id"]
    match fields.get("grant_type"):
        case "authorization_code":
            redirect_uri = fields.get("redirect_uri")
            tokens = cloud.grants.redeem(fields.get("code", ""), client_id=client_id, redirect_uri=redirect_uri)
            return _granted(tokens, cloud.quirks.token_reply_code)
        case "refresh_token":
            tokens = cloud.grants.refresh(fields.get("refresh_token", ""), client_id=client_id)
            return _granted(tokens, cloud.quirks.token_reply_refresh)
        case other:
            raise GrantError("unsupported_grant_type", f'Grant type "{other}" not supported')


def _check_client(quirks: Quirks, fields: Fields) -> None:
    if not fields.get("client_id"):
        raise GrantError("invalid_client", "Client credentials were not found in the headers or body")
    wanted = ((quirks.client_id, fields["client_id"]), (quirks.client_secret, fields.get("client_secret")))
    if any(known is not None and known != given for known, given in wanted):
        raise GrantError("invalid_client", "The client credentials are invalid")


def _granted(tokens: dict[str, Any], shape: TokenReply) -> Reply:
    return Reply(body=tokens if shape is TokenReply.FLAT else {"code": 200, "data": tokens})


def _refused(error: GrantError, shape: TokenErrors) -> Reply:
    flat = {"error": error.code, "error_description": error.description}
    match shape:
        case TokenErrors.OK_ERROR:
            return Reply(body=flat)
        case TokenErrors.WRAPPED:
            return Reply(body={"code": 401, "message": error.code})
        case TokenErrors.HTTP_400:
            return Reply(status=HTTPStatus.BAD_REQUEST, body=flat)
