"""The API on a Ray cluster: `serve run ccnet.serving.cluster:application max_replicas=8`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    NonNegativeInt,
    PositiveInt,
    TypeAdapter,
    ValidationError,
)
from starlette.types import ASGIApp

from ccnet.errors import UsageError
from ccnet.extras import require
from ccnet.serving.app import make_api
from ccnet.serving.settings import Settings

if TYPE_CHECKING:
    from ray.serve import Application

_SAID_ELSEWHERE = {
    "host": "Ray Serve listens; say where in its http_options.",
    "port": "Ray Serve listens; say where in its http_options.",
    "token": "set CCNET_TOKEN in the environment instead, as arguments can be seen by all.",
}
"""Settings that cannot be arguments here."""
_LISTS = {"devices", "models"}
"""Settings whose texts are parted by spaces, as in the environment."""


class Replicas(BaseModel):
    """How many replicas there may be at least and at most, and what each takes of a machine."""

    model_config = ConfigDict(extra="forbid")

    min_replicas: PositiveInt = 1
    max_replicas: PositiveInt = 1
    cpus: PositiveInt = 1
    gpus: NonNegativeInt = 0


def application(arguments: dict[str, Any]) -> Application:
    """Make the application for Ray Serve, which has as many replicas as the pictures need.

    Each replica is the API of `ccnet serve` with its bounds and answers, but without the page. It
    takes as many requests as `max_connections`, and refuses pictures as `ccnet serve` does where
    too many wait; Serve adds replicas where more than `max_decodes` pictures are at each.

    Args:
        arguments: The attributes of `Replicas` and `Settings`, as values or texts, but for host
            and port, which are Serve's to say, and the token, which is CCNET_TOKEN's in the
            environment.

    Raises:
        UsageError: There is no such argument, or it cannot have this value.
    """
    require("cluster", "Serving on a cluster")
    for name, sentence in _SAID_ELSEWHERE.items():
        if name in arguments:
            raise UsageError(f"{name}: {sentence}")
    try:
        own = {name: value for name, value in arguments.items() if name in Replicas.model_fields}
        rest = {name: value for name, value in arguments.items() if name not in own}
        for name in _LISTS & rest.keys():
            rest[name] = rest[name].split() if isinstance(rest[name], str) else rest[name]
        replicas = Replicas.model_validate(own)
        settings = TypeAdapter(Settings).validate_python(rest, extra="forbid")
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"{'.'.join(map(str, first['loc']))}: {first['msg'].lower()}.") from error
    settings = replace(settings, token=os.environ.get("CCNET_TOKEN") or None)

    from ray import serve

    def build() -> ASGIApp:
        return make_api(settings)

    deployment: Any = serve.deployment(
        serve.ingress(build)(),
        name="ccnet",
        max_ongoing_requests=settings.max_connections,
        max_queued_requests=settings.max_connections,
        autoscaling_config={
            "min_replicas": replicas.min_replicas,
            "max_replicas": max(replicas.min_replicas, replicas.max_replicas),
            "target_ongoing_requests": settings.max_decodes,
        },
        graceful_shutdown_timeout_s=settings.request_seconds,
        ray_actor_options={"num_cpus": replicas.cpus, "num_gpus": replicas.gpus},
    )
    bound: Application = deployment.bind()
    return bound
