"""What is installed only on demand: the packages of each extra, and saying which are missing."""

from __future__ import annotations

from importlib.util import find_spec

from ccnet.errors import MissingExtraError

EXTRAS = {
    "torch": ("torch",),
    "train": ("torch", "lightning", "tensorboard", "torchmetrics", "yaml"),
    "evaluate": ("torch", "matplotlib", "skimage", "torchmetrics"),
    "export": ("torch", "onnx", "onnxruntime"),
    "onnxruntime": ("onnxruntime",),
    "hub": ("huggingface_hub",),
    "serve": (
        "fastapi",
        "fastapi_offline",
        "gradio",
        "multipart",
        "PIL",
        "prometheus_client",
        "uvicorn",
    ),
    "video": ("av",),
    "cluster": ("ray", "upath"),
}
"""Packages by their names in Python, by the extra of `pyproject.toml` that brings them."""


def require(extra: str, what: str) -> None:
    """Look whether an extra is installed, without importing it.

    `what` needs it, and begins the sentence. Raises `MissingExtraError` that says how to get it.
    """
    missing = [package for package in EXTRAS[extra] if find_spec(package) is None]
    if missing:
        packages = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
        raise MissingExtraError(f'{what} needs {packages}: pip install "ccnet-restore[{extra}]"')
