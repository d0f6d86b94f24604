"""What bounds a server, and what it restores with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field


@dataclass(frozen=True)
class Settings:
    """How to serve. `ccnet serve` reads each from an option or the environment.

    The least values are those of its options. They are looked at where pydantic makes settings of
    arguments, as for Ray Serve, and not in Python.

    Attributes:
        host: The address to listen on.
        port: The port to listen on; 0 takes a free one.
        devices: Where to restore, each in one call at a time; see `ccnet.Restorer`.
        engine: What runs the networks; see `ccnet.Restorer`.
        precision: What they compute in; see `ccnet.Restorer`.
        tile: As for `ccnet.Restorer`. What is restored in one go cannot be stopped.
        size: Which of a task's models are offered: "small", for a server has many to serve, or
            "large".
        models: Models to offer beside those that ship; requests name a file by its stem.
        max_megabytes: The largest body of a request to the API, and the largest file on the page.
        max_held_megabytes: All bodies that are being received or worked on, and apart from them
            all files of the page.
        max_megapixels: The largest picture.
        max_edge: The most pixels across and down.
        max_waiting: How many pictures may wait for their turn.
        max_decodes: How many pictures are decoded, restored or encoded at a time; as many more are
            looked at when they come.
        max_connections: How many connections may be open.
        arrival_seconds: How long a request may take to arrive; its head, 10 seconds at most. And
            how long an answer may wait without any of it being read.
        request_seconds: How long a picture may take from its arrival on.
        token: What requests must prove to know, if anything.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    devices: tuple[str, ...] = ("auto",)
    engine: str = "auto"
    precision: str = "auto"
    tile: str = "auto"
    size: Literal["small", "large"] = "small"
    models: tuple[str, ...] = ()
    max_megabytes: Annotated[float, Field(ge=0.001, allow_inf_nan=False)] = 50
    max_held_megabytes: Annotated[float, Field(ge=0.001, allow_inf_nan=False)] = 500
    max_megapixels: Annotated[float, Field(ge=0.001, allow_inf_nan=False)] = 25
    max_edge: Annotated[int, Field(ge=1)] = 16_384
    max_waiting: Annotated[int, Field(ge=0)] = 16
    max_decodes: Annotated[int, Field(ge=1)] = 2
    max_connections: Annotated[int, Field(ge=1)] = 256
    arrival_seconds: Annotated[float, Field(ge=0.1, allow_inf_nan=False)] = 30
    request_seconds: Annotated[float, Field(ge=0.1, allow_inf_nan=False)] = 300
    token: str | None = field(default=None, repr=False)

    @property
    def max_bytes(self) -> int:
        """The largest body in bytes."""
        return round(self.max_megabytes * 1e6)

    @property
    def max_held_bytes(self) -> int:
        """The most bytes of all bodies together."""
        return round(self.max_held_megabytes * 1e6)

    @property
    def max_pixels(self) -> int:
        """The most pixels of a picture."""
        return round(self.max_megapixels * 1e6)
