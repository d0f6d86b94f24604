"""What a request is refused with: a status, a code that stays, and a sentence."""

from __future__ import annotations

import json
from collections.abc import Mapping

STATUSES = {
    "bad_request": 400,
    "unauthorized": 401,
    "cross_site": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "not_acceptable": 406,
    "body_too_slow": 408,
    "body_too_large": 413,
    "picture_too_large": 413,
    "unsupported_media_type": 415,
    "unsupported_picture": 415,
    "damaged_picture": 422,
    "invalid_option": 422,
    "queue_full": 429,
    "client_gone": 499,
    "internal_error": 500,
    "stopping": 503,
    "too_many_connections": 503,
    "too_slow": 504,
}
"""Every code and its HTTP status. Nobody receives `client_gone`; it is counted."""


class Refusal(Exception):
    """A request that is not served. `code` is a key of `STATUSES`, and the message a sentence."""

    def __init__(self, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.status = STATUSES[code]
        self.headers = dict(headers or {})

    def body(self) -> bytes:
        """Give what is answered, in JSON."""
        return json.dumps({"error": {"code": self.code, "message": str(self)}}).encode()


def too_much_held() -> Refusal:
    """What is answered while the server keeps as many bytes as it may."""
    sentence = "The server holds as much as it may; try again later."
    return Refusal("queue_full", sentence, {"Retry-After": "10"})


def nothing_there() -> Refusal:
    """What is answered where a path leads nowhere."""
    return Refusal("not_found", "There is nothing at this path; see /docs.")


def internal_error() -> Refusal:
    """What is answered where there is a bug, of which the log has more."""
    return Refusal("internal_error", "Something went wrong in the server, which has noted it.")


def client_gone() -> Refusal:
    """What is noted where nobody waits for an answer any more."""
    return Refusal("client_gone", "The client has gone.")
