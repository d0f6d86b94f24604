"""The API under /v1, and what tells how the server is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from ccnet.images.formats import FORMATS, HEAD_BYTES, format_of
from ccnet.serving.metrics import Metrics
from ccnet.serving.options import Options
from ccnet.serving.queue import Job, StoppedError
from ccnet.serving.refusals import STATUSES, Refusal, client_gone, internal_error, nothing_there
from ccnet.serving.service import Answer, RestorationService
from ccnet.weights.registry import DEFAULTS, model_of

_MEDIA_TYPES = [f"image/{name}" for name in FORMATS]
_FACTS = ("task", "description", "licence", "parameters")
_REFUSED = (400, 401, 403, 406, 408, 413, 415, 422, 429, 500, 503, 504)
_RAW = ("", "application/octet-stream", "application/x-www-form-urlencoded")
"""Of a body that may be a picture; the last is what curl says of any."""
_NOT_TAKEN = re.compile(r";q=0?\.?0*(;|$)")
"""Of a part of Accept, without spaces."""
_PICTURE = {"type": "string", "format": "binary"}


class OfferedModel(BaseModel):
    """A model that can be asked for by its name; null is for what its file does not say."""

    name: str = Field(examples=["dehaze-small"])
    task: str | None = Field(examples=["dehaze"])
    default: bool = Field(examples=[True])
    description: str | None = Field(examples=["Removes haze; small enough for any CPU."])
    licence: str | None = Field(examples=["MIT"])
    parameters: int | None = Field(examples=[461_401])


class ErrorFacts(BaseModel):
    """A code that stays the same between versions, and a sentence for people."""

    code: str = Field(examples=["queue_full"])
    message: str = Field(examples=["16 pictures wait already; try again later."])


class ErrorBody(BaseModel):
    """What every refusal answers."""

    error: ErrorFacts


def make_router(service: RestorationService, metrics: Metrics) -> APIRouter:
    """Make the routes of a service."""
    router = APIRouter()

    @router.post(
        "/v1/restore",
        summary="Restore a picture",
        response_class=Response,
        responses=_answers(),
        openapi_extra={
            "parameters": _parameters(service.offers),
            "requestBody": _request_body(service.offers),
        },
    )
    async def restore(request: Request) -> Response:
        """Send a picture as the body, or as `picture` of a form, which may hold the options too.

        The answer is the restored picture, of the same size, with its metadata and in the format
        that came in, unless `format` or `Accept` ask for another.
        """
        data, options = await _read(request)
        options = _with_accepted(options, request.headers.get("accept", "*/*"), data)
        answer = await _finished(service.restore(data, options), request)
        return Response(answer.data, media_type=f"image/{answer.format}", headers=_facts(answer))

    @router.get("/v1/models", summary="List the models")
    async def models() -> list[OfferedModel]:
        """List what may be asked for with `model`; a task means its default."""
        defaults = {model_of(task, service.settings.size) for task in DEFAULTS}
        return [
            OfferedModel(
                name=name,
                default=name in defaults,
                **{fact: getattr(offer.model, fact, None) for fact in _FACTS},
            )
            for name, offer in service.offers.items()
        ]

    @router.get(
        "/healthz",
        response_class=PlainTextResponse,
        responses=_text("ok"),
        summary="Whether the server lives",
    )
    async def healthz() -> str:
        """Answer at once, also while all threads are at work."""
        return "ok"

    @router.get(
        "/readyz",
        response_class=PlainTextResponse,
        responses=_text("ready") | _refusals(429, 503),
        summary="Whether a picture would be taken now",
    )
    async def readyz() -> str:
        """Refuse as `/v1/restore` would: when too many pictures wait, or the server is stopping."""
        service.queue.check()
        return "ready"

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        responses=_text("ccnet_waiting 0.0"),
        summary="Figures for Prometheus",
    )
    async def prometheus() -> Response:
        """Give Prometheus's text format."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def refused(_request: Request, error: Exception) -> Response:
    """Answer an error in the one way that all errors are answered."""
    refusal = error if isinstance(error, Refusal) else _as_refusal(error)
    return Response(
        refusal.body(),
        refusal.status,
        {**refusal.headers, "CCNet-Code": refusal.code},
        "application/json",
    )


def _as_refusal(error: Exception) -> Refusal:
    if isinstance(error, HTTPException) and error.status_code == 400:
        return Refusal("bad_request", f"{error.detail.rstrip('.')}.")
    if isinstance(error, HTTPException) and error.status_code in (404, 405):  # a file of /docs
        return nothing_there()
    if isinstance(error, ClientDisconnect):
        return client_gone()
    return internal_error()


def _invalid(error: ValidationError) -> Refusal:
    """Say what is wrong with the first option that is."""
    first = error.errors()[0]
    name = str(first["loc"][-1] if first["loc"] else "The request")[:40]
    known = name in Options.model_fields
    what = first["msg"][:1].lower() + first["msg"][1:] if known else "is no option"
    return Refusal("invalid_option", f"{name}: {what}." if known else f"{name} {what}.")


async def _read(request: Request) -> tuple[bytes, Options]:
    """Read the picture and the options, of which those of a form go before those of the address."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").lower()
    if encoding != "identity":
        raise Refusal("unsupported_media_type", "Send the picture without a Content-Encoding.")
    options: dict[str, object] = dict(request.query_params)
    if media_type == "multipart/form-data":
        data = await _read_form(request, options)
    elif media_type in _RAW or media_type.startswith("image/"):
        data = await request.body()
    else:
        raise Refusal(
            "unsupported_media_type",
            "Send a picture: as the body, with Content-Type image/..., or as multipart/form-data.",
        )
    try:
        return data, Options.model_validate(options)
    except ValidationError as error:
        raise _invalid(error) from error


async def _read_form(request: Request, options: dict[str, object]) -> bytes:
    """Read a form's picture, and its options into `options`."""
    data = None
    try:
        async with request.form(max_files=1, max_fields=len(Options.model_fields)) as form:
            for name, value in form.multi_items():
                if not isinstance(value, UploadFile):
                    options[name] = value
                elif name == "picture":
                    data = await value.read()
    except UnicodeError as error:
        raise Refusal("bad_request", "The form is not in the charset that it names.") from error
    if data is None:
        raise Refusal("bad_request", "The form holds no file called picture.")
    return data


def _with_accepted(options: Options, accept: str, data: bytes) -> Options:
    """Choose the format that Accept asks for, unless one is named or it takes the picture's own.

    Formats are taken in the order of the header, and then in our own; weights only count where
    they are 0.
    """
    own = format_of(data[:HEAD_BYTES])
    if options.format is not None or own is None:
        return options
    parts = ["".join(part.lower().split()) for part in (accept.strip() or "*/*").split(",")]
    takes = {part.partition(";")[0]: not _NOT_TAKEN.search(part) for part in parts}
    for name in (f"image/{own}", *takes, *_MEDIA_TYPES):
        if name in _MEDIA_TYPES and takes.get(name, takes.get("image/*", takes.get("*/*"))):
            format = name.removeprefix("image/")  # noqa: A001
            return options if format == own else options.model_copy(update={"format": format})
    raise Refusal("not_acceptable", f"Answers are {', '.join(_MEDIA_TYPES)}; accept one of these.")


async def _finished(job: Job[Answer], request: Request) -> Answer:
    """Wait for a job, and stop it when its time is over or its client has gone."""
    done = asyncio.wrap_future(job.future)
    gone = asyncio.ensure_future(_gone(request))
    either: set[asyncio.Future[Any]] = {done, gone}
    try:
        await asyncio.wait(either, timeout=job.seconds_left, return_when="FIRST_COMPLETED")
        if done.done():
            return done.result()
        if gone.done():
            raise ClientDisconnect
        raise _too_slow()
    except StoppedError as error:  # where the job sees before this loop that its time is over
        raise _too_slow() from error
    finally:
        job.cancel()
        done.cancel()
        gone.cancel()


def _too_slow() -> Refusal:
    sentence = "The picture took longer than a request may; send a smaller one."
    return Refusal("too_slow", sentence)


async def _gone(request: Request) -> None:
    """Return when the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _facts(answer: Answer) -> dict[str, str]:
    """Tell in headers what was done."""
    suffix = FORMATS[answer.format].suffixes[0]
    timing = (f"{stage};dur={taken * 1000:.0f}" for stage, taken in answer.seconds.items())
    return {
        "Content-Disposition": f'inline; filename="restored{suffix}"',
        "CCNet-Recognised": answer.kind or "none",
        "CCNet-Model": quote(answer.model or "none"),  # a file may be called anything
        "CCNet-Seconds": f"{sum(answer.seconds.values()):.3f}",
        "Server-Timing": ", ".join(timing),
    }


def _answers() -> dict[int | str, dict[str, Any]]:
    """Describe what /v1/restore answers."""
    headers = {
        "CCNet-Recognised": "What the picture was taken for: clear, haze, blur or snow; none if "
        "a task or model was asked for.",
        "CCNet-Model": "The model that restored it, percent-encoded; none for a clear picture.",
        "CCNet-Seconds": "How long it took, waiting included.",
        "Server-Timing": "How long each stage took, in milliseconds.",
    }
    picture = {
        "description": "The restored picture.",
        "content": {name: {"schema": _PICTURE} for name in _MEDIA_TYPES},
        "headers": {
            name: {"description": what, "schema": {"type": "string"}}
            for name, what in headers.items()
        },
    }
    return {200: picture, **_refusals(*_REFUSED)}


def _text(example: str) -> dict[int | str, dict[str, Any]]:
    """Describe an answer in plain text."""
    return {200: {"content": {"text/plain": {"example": example}}}}


def _refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Describe refusals by their codes."""
    answers: dict[int | str, dict[str, Any]] = {
        status: {
            "model": ErrorBody,
            "description": " or ".join(code for code, its in STATUSES.items() if its == status),
        }
        for status in statuses
    }
    if 429 in answers:
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        answers[429]["headers"] = {"Retry-After": seconds}
    return answers


def _fields(models: Iterable[str]) -> dict[str, Any]:
    """Describe the options as text can give them: with no null, and with the models' names."""
    fields: dict[str, Any] = Options.model_json_schema()["properties"]
    for schema in fields.values():
        if branches := schema.pop("anyOf", None):
            schema.update(branches[0])
            del schema["default"]
    fields["model"]["enum"] = [*models]
    return fields


def _parameters(models: Iterable[str]) -> list[dict[str, Any]]:
    fields = _fields(models)
    parameters: list[dict[str, Any]] = []
    for name, schema in fields.items():
        parameters.append({"name": name, "in": "query", "schema": schema})
        if name != "model":  # which would go before the task, and Swagger fills in what it finds
            parameters[-1]["example"] = schema["examples"][0]
    return parameters


def _request_body(models: Iterable[str]) -> dict[str, Any]:
    form = {
        "type": "object",
        "required": ["picture"],
        "properties": {"picture": _PICTURE, **_fields(models)},
        "additionalProperties": False,
    }
    content: dict[str, Any] = {name: {"schema": _PICTURE} for name in _MEDIA_TYPES}
    content["application/octet-stream"] = {"schema": _PICTURE}
    content["multipart/form-data"] = {"schema": form}
    return {"required": True, "content": content}
