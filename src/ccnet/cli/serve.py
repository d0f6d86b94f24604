"""`ccnet serve`: the API and the page."""

from __future__ import annotations

import logging
import math
import os
from enum import Enum
from typing import Annotated

import typer


class Size(str, Enum):
    """Which of a task's models."""

    small = "small"
    large = "large"


def _finite(value: float) -> float:
    """Refuse inf and nan, which the least values let through."""
    if not math.isfinite(value):
        raise typer.BadParameter(f"{value} bounds nothing; give a number.")
    return value


def serve(
    host: Annotated[
        str, typer.Option(envvar="CCNET_HOST", help="The address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(envvar="CCNET_PORT", min=0, max=65_535, help="The port; 0 takes a free one."),
    ] = 8000,
    device: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CCNET_DEVICE",
            help="auto, which takes a GPU where there is one; cpu, cuda, cuda:N, mps. May be "
            "repeated: each restores in one call at a time.",
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(envvar="CCNET_ENGINE", help="As for ccnet restore.")
    ] = "auto",
    precision: Annotated[
        str, typer.Option(envvar="CCNET_PRECISION", help="As for ccnet restore.")
    ] = "auto",
    tile: Annotated[
        str,
        typer.Option(
            envvar="CCNET_TILE",
            help="As for ccnet restore. A picture that is not wanted any more is given up between "
            "tiles.",
        ),
    ] = "auto",
    size: Annotated[
        Size,
        typer.Option(
            envvar="CCNET_SIZE",
            help="Which of a task's models to offer; the large ones restore better and take many "
            "times as long.",
        ),
    ] = Size.small,
    model: Annotated[
        list[str] | None,
        typer.Option(
            envvar="CCNET_MODEL",
            help="A .safetensors file, one on the Hub or an ONNX file, as for ccnet restore, to "
            "offer by its name without suffix, beside the models that ship; may be repeated.",
        ),
    ] = None,
    max_megabytes: Annotated[
        float,
        typer.Option(
            envvar="CCNET_MAX_MEGABYTES", min=0.001, callback=_finite, help="The largest file."
        ),
    ] = 50,
    max_held_megabytes: Annotated[
        float,
        typer.Option(
            envvar="CCNET_MAX_HELD_MEGABYTES",
            min=0.001,
            callback=_finite,
            help="All files that are being received or worked on, and apart from them all that "
            "the page keeps.",
        ),
    ] = 500,
    max_megapixels: Annotated[
        float,
        typer.Option(
            envvar="CCNET_MAX_MEGAPIXELS", min=0.001, callback=_finite, help="The largest picture."
        ),
    ] = 25,
    max_edge: Annotated[
        int, typer.Option(envvar="CCNET_MAX_EDGE", min=1, help="The most pixels across and down.")
    ] = 16_384,
    max_waiting: Annotated[
        int,
        typer.Option(envvar="CCNET_MAX_WAITING", min=0, help="How many pictures may wait."),
    ] = 16,
    max_decodes: Annotated[
        int,
        typer.Option(
            envvar="CCNET_MAX_DECODES",
            min=1,
            help="How many pictures are held decoded at a time: one is restored on each device, or "
            "on a GPU several of one size, the others are read and written meanwhile; as many more "
            "are looked at when they come.",
        ),
    ] = 2,
    max_connections: Annotated[
        int, typer.Option(envvar="CCNET_MAX_CONNECTIONS", min=1, help="Open connections.")
    ] = 256,
    arrival_seconds: Annotated[
        float,
        typer.Option(
            envvar="CCNET_ARRIVAL_SECONDS",
            min=0.1,
            callback=_finite,
            help="How long a request may take to arrive; its head, 10 seconds at most. And how "
            "long an answer may wait without any of it being read.",
        ),
    ] = 30,
    request_seconds: Annotated[
        float,
        typer.Option(
            envvar="CCNET_REQUEST_SECONDS",
            min=0.1,
            callback=_finite,
            help="How long a picture may take, waiting included.",
        ),
    ] = 300,
) -> None:
    """Serve a web page and an HTTP API that restore photographs, until Ctrl-C or SIGTERM.

    Every option can also be set in the environment. With CCNET_TOKEN there, requests must prove to
    know it: as a bearer token, or in a browser as the password of any user.
    """
    from ccnet.serving import Settings
    from ccnet.serving import serve as run

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("ccnet.serving").setLevel(logging.INFO)
    settings = Settings(
        host=host,
        port=port,
        devices=tuple(device or ["auto"]),
        engine=engine,
        precision=precision,
        tile=tile,
        size=size.value,
        models=tuple(model or []),
        max_megabytes=max_megabytes,
        max_held_megabytes=max_held_megabytes,
        max_megapixels=max_megapixels,
        max_edge=max_edge,
        max_waiting=max_waiting,
        max_decodes=max_decodes,
        max_connections=max_connections,
        arrival_seconds=arrival_seconds,
        request_seconds=request_seconds,
        token=os.environ.get("CCNET_TOKEN") or None,
    )
    run(settings)
