"""Gradio's components for files, which hand on what was uploaded and nothing else."""

from __future__ import annotations

from abc import ABCMeta
from pathlib import Path
from typing import Any, NamedTuple

import gradio
from gradio.component_meta import ComponentMeta
from gradio.data_classes import FileData, ListFiles


class Upload(NamedTuple):
    """An uploaded file: where it is, and what its owner calls it."""

    path: Path
    name: str


class _WithoutStub(ComponentMeta):
    """Makes a component without writing a .pyi file beside its module, as Gradio's own would."""

    def __new__(cls, name: str, bases: tuple[type, ...], attributes: dict[str, Any]) -> Any:
        return ABCMeta.__new__(cls, name, bases, attributes)


class PictureUpload(gradio.Image, metaclass=_WithoutStub):
    """A picture's file as it was uploaded: Gradio would decode it itself, without our bounds."""

    is_template = True  # shown as the base class is

    def preprocess(self, payload: FileData | None) -> Upload | None:  # type: ignore[override]
        """Give the file, or None where there is none."""
        return None if payload is None else _upload(payload)

    async def async_move_resource_to_block_cache(self, file: str | Path | None) -> str | None:
        _refuse_address(file)
        path: str | None = await super().async_move_resource_to_block_cache(file)
        return path


class PicturesUpload(gradio.File, metaclass=_WithoutStub):
    """Several such files."""

    is_template = True

    def preprocess(self, payload: ListFiles | None) -> list[Upload]:  # type: ignore[override]
        """Give the files."""
        return [] if payload is None else [_upload(file) for file in payload]

    async def async_move_resource_to_block_cache(self, file: str | Path | None) -> str | None:
        _refuse_address(file)
        path: str | None = await super().async_move_resource_to_block_cache(file)
        return path


def _upload(file: FileData) -> Upload:
    return Upload(Path(file.path), file.orig_name or Path(file.path).name)


def _refuse_address(file: str | Path | None) -> None:
    """Refuse an address, from which Gradio would fetch the file."""
    if file is not None and "://" in str(file):
        raise gradio.Error("Upload the picture itself.", print_exception=False)
