"""What a request may ask for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Options(BaseModel):
    """How to restore a picture; what these words mean is told by `ccnet restore --help`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: Annotated[
        Literal["auto", "dehaze", "deblur", "desnow"],
        Field(
            description="What to take away; auto recognises it, and leaves clear pictures.",
            examples=["dehaze"],
        ),
    ] = "auto"
    model: Annotated[
        str | None,
        Field(
            description="A name that /v1/models lists, instead of the task's own.",
            max_length=200,
            examples=["dehaze-small"],
        ),
    ] = None
    strength: Annotated[
        float,
        Field(description="0 changes nothing, 1 is the full result.", ge=0, le=1, examples=[0.8]),
    ] = 1.0
    format: Annotated[
        Literal["jpeg", "png", "webp", "tiff", "avif"] | None,
        Field(
            description="Of the answer; by default what Accept asks for, else the picture's.",
            examples=["png"],
        ),
    ] = None
    quality: Annotated[
        int | None,
        Field(
            description="Of JPEG, WebP and AVIF; by default 95, 95 and 90.",
            ge=1,
            le=100,
            examples=[90],
        ),
    ] = None
