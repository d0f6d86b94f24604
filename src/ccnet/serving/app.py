"""The whole server as one ASGI application."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import ccnet
from ccnet.serving.api import make_router, refused
from ccnet.serving.limits import OPEN, Gate
from ccnet.serving.metrics import Metrics
from ccnet.serving.refusals import Refusal
from ccnet.serving.service import RestorationService
from ccnet.serving.settings import Settings


def make_api(settings: Settings) -> Gate:
    """Make the API alone, with the models loaded; as `make_app`."""
    metrics = Metrics()
    app, service = _make(settings, metrics)
    return Gate(app, settings, metrics, service.queue.check)


def make_app(settings: Settings, folder: Path) -> tuple[Gate, RestorationService]:
    """Make the API and the page, with the models loaded.

    Args:
        settings: What bounds them.
        folder: Where the page may keep files.

    Returns:
        The ASGI application, and the service behind it.

    Raises:
        CCNetError: A model, device or engine that the settings name is not there.
    """
    from ccnet.serving.page import mount_page  # with Gradio, which takes seconds

    metrics = Metrics()
    app, service = _make(settings, metrics)
    mount_page(app, service, folder)
    return Gate(app, settings, metrics, service.queue.check, folder), service


def _make(settings: Settings, metrics: Metrics) -> tuple[FastAPI, RestorationService]:
    service = RestorationService(settings, metrics)
    app = FastAPIOffline(
        redoc_url=None,
        title="ccnet",
        version=ccnet.__version__,
        description="Restores hazy, blurry and snowy photographs.",
    )
    for error in (Refusal, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(error, refused)
    app.include_router(make_router(service, metrics))
    if settings.token:
        described = app.openapi()  # kept by the application, which gives it out from now on
        schemes = described["components"].setdefault("securitySchemes", {})
        schemes["token"] = {"type": "http", "scheme": "bearer"}
        for path, methods in described["paths"].items():
            for operation in methods.values():
                operation["security"] = [] if path in OPEN else [{"token": []}]
    return app, service
