"""The API as its clients see it: a real server, real requests."""

from __future__ import annotations

import asyncio
import io
import re
import struct
import zlib
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from starlette.requests import Request
from starlette.types import Message

from ccnet.restoration import Restorer
from ccnet.serving.api import _finished
from ccnet.serving.queue import Job, JobQueue, StoppedError
from ccnet.serving.refusals import Refusal
from ccnet.serving.service import Answer

from .servers import Server, encoded, photograph, pixels_of, serving, until

EXAMPLES = Path(__file__).parents[2] / "src/ccnet/serving/examples"
PNG = {"Content-Type": "image/png"}


def png_of(width: int, height: int) -> bytes:
    """A PNG that claims a size, and holds no pixels to speak of."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def test_a_picture_is_restored_as_from_python(client: httpx.Client) -> None:
    sent = photograph()
    expected = Restorer("dehaze")(pixels_of(sent)).astype(int)
    for answer in (
        client.post("/v1/restore", params={"task": "dehaze"}, content=sent, headers=PNG),
        client.post("/v1/restore", data={"task": "dehaze"}, files={"picture": sent}),
        client.post("/v1/restore", params={"model": "dehaze-small"}, content=sent),
        client.post(  # as curl --data-binary does
            "/v1/restore?task=dehaze",
            content=sent,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        ),
    ):
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/png"
        assert answer.headers["ccnet-model"] == "dehaze-small"
        assert answer.headers["ccnet-recognised"] == "none"
        assert float(answer.headers["ccnet-seconds"]) > 0
        assert np.abs(pixels_of(answer.content) - expected).max() <= 1
        assert np.abs(pixels_of(answer.content) - pixels_of(sent).astype(int)).mean() > 0.2


@pytest.mark.parametrize(
    ("name", "kind", "model"),
    [("1-hazy-bay", "haze", "dehaze-small"), ("2-snowy-orchard", "snow", "desnow-small")],
)
def test_what_is_wrong_is_recognised(
    client: httpx.Client, name: str, kind: str, model: str
) -> None:
    with Image.open(EXAMPLES / f"{name}.jpg") as image:
        sent = encoded(image.resize((480, 480 * image.height // image.width)), "JPEG", quality=90)
    answer = client.post("/v1/restore", content=sent)
    assert answer.headers["ccnet-recognised"] == kind
    assert answer.headers["ccnet-model"] == model
    assert "recognise;dur=" in answer.headers["server-timing"]
    assert pixels_of(answer.content).shape == pixels_of(sent).shape


def test_a_clear_picture_comes_back_as_it_is(client: httpx.Client) -> None:
    sent = photograph(512, 512, "JPEG", quality=90)
    answer = client.post("/v1/restore", content=sent)
    assert answer.headers["ccnet-recognised"] == "clear"
    assert answer.headers["ccnet-model"] == "none"
    assert answer.content == sent
    again = client.post("/v1/restore", params={"format": "png"}, content=sent)
    assert np.array_equal(pixels_of(again.content), pixels_of(sent))


def test_strength_says_how_much(client: httpx.Client) -> None:
    sent = photograph()
    answers = {
        strength: pixels_of(
            client.post(
                "/v1/restore", params={"task": "dehaze", "strength": strength}, content=sent
            ).content
        ).astype(int)
        for strength in (0, 0.5, 1)
    }
    assert np.array_equal(answers[0], pixels_of(sent))
    assert np.abs(answers[0.5] - (answers[0] + answers[1]) / 2).max() <= 1


def test_metadata_and_depth_are_kept(client: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a coast"
    image = Image.fromarray(np.full((40, 50, 3), 90, np.uint8))
    answer = client.post("/v1/restore?task=dehaze", content=encoded(image, "JPEG", exif=exif))
    with Image.open(io.BytesIO(answer.content)) as restored:
        assert restored.getexif()[0x010E] == "a coast"
    deep = Image.fromarray(np.full((40, 50), 40_000, np.uint16))
    answer = client.post("/v1/restore?task=dehaze", content=encoded(deep, "PNG"))
    assert pixels_of(answer.content).dtype == np.uint16


@pytest.mark.parametrize(
    ("accept", "options", "media_type"),
    [
        ("image/avif,image/webp,*/*;q=0.8", {}, "image/png"),  # as browsers ask
        ("image/*", {}, "image/png"),
        ("application/json, image/webp", {}, "image/webp"),
        ("image/png;q=0, image/jpeg", {}, "image/jpeg"),
        ("image/png;q=0, image/*", {}, "image/jpeg"),
        ("image/png;level=1;q=0.0, image/webp;q=0.5", {}, "image/webp"),
        ("image/*;q=0, image/png;q=0.1", {}, "image/png"),
        ("", {}, "image/png"),
        ("image/webp", {"format": "tiff"}, "image/tiff"),
    ],
)
def test_the_format_is_negotiated(
    client: httpx.Client, accept: str, options: dict[str, str], media_type: str
) -> None:
    answer = client.post(
        "/v1/restore",
        params={"task": "dehaze", **options},
        content=photograph(),
        headers={"Accept": accept},
    )
    assert answer.headers["content-type"] == media_type
    with Image.open(io.BytesIO(answer.content)) as image:
        assert image.get_format_mimetype() == media_type


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"content": b""}, 400, "bad_request"),
        ({"data": {"task": "dehaze"}, "files": {"other": b"x"}}, 400, "bad_request"),
        (
            {"content": b"--x", "headers": {"Content-Type": "multipart/form-data"}},
            400,
            "bad_request",
        ),
        (
            {
                "content": b'--x\r\nContent-Disposition: form-data; name="task"\r\n\r\n',
                "headers": {"Content-Type": "multipart/form-data; boundary=x; charset=undefined"},
            },
            400,
            "bad_request",
        ),
        ({"content": photograph(), "headers": {"Accept": "text/html"}}, 406, "not_acceptable"),
        ({"content": photograph(), "headers": {"Accept": "*/*;q=0"}}, 406, "not_acceptable"),
        ({"content": bytes(3_000_000)}, 413, "body_too_large"),
        ({"content": iter([bytes(1_500_000)] * 2)}, 413, "body_too_large"),
        ({"files": {"picture": bytes(3_000_000)}}, 413, "body_too_large"),
        ({"content": png_of(50_000, 50_000)}, 413, "picture_too_large"),
        ({"content": png_of(3_001, 10)}, 413, "picture_too_large"),
        ({"json": {"picture": "x"}}, 415, "unsupported_media_type"),
        (
            {"content": photograph(), "headers": {"Content-Encoding": "gzip"}},
            415,
            "unsupported_media_type",
        ),
        ({"content": b"GIF89a" + bytes(100)}, 415, "unsupported_picture"),
        ({"content": bytes(100)}, 415, "unsupported_picture"),
        ({"content": photograph()[:-200]}, 422, "damaged_picture"),
        ({"content": png_of(30, 30)}, 422, "damaged_picture"),
        ({"content": photograph()[:40]}, 422, "damaged_picture"),
        ({"content": photograph(), "params": {"strength": "2"}}, 422, "invalid_option"),
        ({"content": photograph(), "params": {"strength": "nan"}}, 422, "invalid_option"),
        ({"content": photograph(), "params": {"strenght": "1"}}, 422, "invalid_option"),
        ({"content": photograph(), "params": {"model": "/etc/passwd"}}, 422, "invalid_option"),
        ({"content": photograph(), "params": {"format": "../x"}}, 422, "invalid_option"),
        (
            {"content": photograph(), "params": {"task": "deblur", "model": "dehaze-small"}},
            422,
            "invalid_option",
        ),
        ({"files": {"picture": photograph()}, "data": {"quality": "0"}}, 422, "invalid_option"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_sentence(
    client: httpx.Client, request_: dict[str, object], status: int, code: str
) -> None:
    answer = client.post("/v1/restore", **request_)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert re.fullmatch(r"[A-Za-z/].*\.", answer.json()["error"]["message"])
    assert client.post("/v1/restore?strength=0", content=photograph()).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/restore", 405, "method_not_allowed"),
        ("DELETE", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/static-offline-docs/", 404, "not_found"),
        ("GET", "/static-offline-docs/nothing.js", 404, "not_found"),
        ("POST", "/static-offline-docs/swagger-ui.css", 404, "not_found"),
        ("GET", f"/static/{'long' * 80}", 404, "not_found"),
        ("POST", "/gradio_api/heartbeat/abc", 404, "not_found"),
        ("GET", "/gradio_api/file", 404, "not_found"),
        ("GET", "/monitoring", 404, "not_found"),
        ("POST", "/gradio_api/call/restore", 404, "not_found"),
        ("GET", "/gradio_api/proxy=https://example.com", 404, "not_found"),
        ("GET", "/gradio_api/file=https://example.com/a.png", 404, "not_found"),
        ("GET", "/gradio_api/file=http%3A%2F%2Fexample.com", 404, "not_found"),
        ("GET", "/gradio_api/%66ile=HTTPS://example.com", 404, "not_found"),
    ],
)
def test_other_paths_and_methods(
    client: httpx.Client, method: str, path: str, status: int, code: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_files_of_the_machine_are_not_given_out(client: httpx.Client) -> None:
    for path in ("/etc/passwd", "/proc/self/environ", f"{__file__}", "../../etc/passwd"):
        assert client.get(f"/gradio_api/file={path}").status_code in (403, 404)


def test_pages_of_other_sites_are_refused(client: httpx.Client) -> None:
    answer = client.post(
        "/v1/restore", content=photograph(), headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "cross_site")


def test_models_health_and_figures(client: httpx.Client) -> None:
    models = client.get("/v1/models").json()
    assert {model["name"] for model in models if model["default"]} == {
        "dehaze-small",
        "deblur-small",
        "desnow-small",
    }
    assert client.get("/healthz").text == "ok"
    head = client.head("/healthz")
    assert (head.status_code, head.content) == (200, b"")
    assert client.get("/readyz").text == "ready"
    client.post("/v1/restore?task=dehaze", content=photograph())
    client.post("/v1/restore", content=b"x")
    figures = client.get("/metrics").text
    for line in (
        r'ccnet_requests_total{route="/v1/restore",status="200"} [1-9]',
        r'ccnet_refused_total{code="unsupported_picture"} [1-9]',
        r'ccnet_megapixels_total{kind="asked",model="dehaze-small"} \d+\.\d+',
        r'ccnet_stage_seconds_count{stage="restore"} [1-9]',
        r"ccnet_held_bytes 0\.0",
        r"process_resident_memory_bytes \d",
    ):
        assert re.search(line, figures), line


def test_a_job_that_sees_first_that_its_time_is_over_is_too_slow() -> None:
    def stop(_: Job[Answer]) -> Answer:
        raise StoppedError

    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    job = JobQueue(threads=1, most_waiting=1).add(stop, 60)
    with pytest.raises(Refusal) as refused:
        asyncio.run(_finished(job, Request({"type": "http"}, receive)))
    assert (refused.value.status, refused.value.code) == (504, "too_slow")


def test_every_answer_has_safe_headers(client: httpx.Client) -> None:
    answers = [client.get(path) for path in ("/", "/docs", "/healthz", "/nothing")]
    answers.append(client.post("/v1/restore?strength=0", content=photograph()))
    for answer in answers:
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "frame-ancestors" in answer.headers["content-security-policy"]
        assert "server" not in answer.headers
    assert answers[-1].headers["cache-control"] == "no-store"


def test_the_log_holds_nothing_of_requests(server: Server, client: httpx.Client) -> None:
    client.post("/v1/restore%0aFORGED", content=b"x")
    client.get("/?line=%0d%0aFORGED", headers={"User-Agent": "FORGED"})
    client.post("/v1/restore?model=FORGED", content=photograph())
    client.post("/v1/restore", files={"picture": ("FORGED\r\n.png", b"x")})
    assert any("/v1/restore 422 in" in line for line in server.log)
    assert not [line for line in server.log if "FORGED" in line or "Traceback" in line]


def test_options_come_from_the_environment_and_a_token_is_asked_for() -> None:
    environment = {
        "CCNET_TOKEN": "sesame",
        "CCNET_REQUEST_SECONDS": "1",
        "CCNET_TILE": "512",
        "CCNET_MAX_HELD_MEGABYTES": "1.5",
    }
    with serving(environment=environment) as server:
        bearer, wrong = {"Authorization": "Bearer sesame"}, {"Authorization": "Bearer sesam"}
        with httpx.Client(base_url=server.address, timeout=60) as client:
            assert client.get("/healthz").status_code == 200
            for path in ("/", "/v1/models", "/metrics", "/docs", "/gradio_api/upload"):
                for headers in ({}, wrong, {"Authorization": "Basic %%%"}):
                    answer = client.get(path, headers=headers)
                    assert answer.status_code == 401
                    assert answer.headers["ccnet-code"] == "unauthorized"
            assert client.get("/v1/models", headers=bearer).status_code == 200
            assert client.get("/", auth=("anyone", "sesame")).status_code == 200
            described = client.get("/openapi.json", headers=bearer).json()
            assert described["components"]["securitySchemes"] == {
                "token": {"type": "http", "scheme": "bearer"}
            }
            assert described["paths"]["/v1/restore"]["post"]["security"] == [{"token": []}]
            assert described["paths"]["/healthz"]["get"]["security"] == []
            late = client.post(
                "/v1/restore?task=dehaze", content=photograph(2000, 2000, "JPEG"), headers=bearer
            )
            assert (late.status_code, late.json()["error"]["code"]) == (504, "too_slow")

            # The page may keep no more than is held, and other requests are served as before.
            statuses = [
                client.post(
                    "/gradio_api/upload", files={"files": bytes([n]) * 900_000}, headers=bearer
                ).status_code
                for n in range(3)
            ]
            assert statuses == [200, 200, 429]
            held = client.post("/v1/restore", content=bytes(1_600_000), headers=bearer)
            assert (held.status_code, held.json()["error"]["code"]) == (429, "queue_full")

            def is_served() -> bool:  # once the tile is done in which the late one was stopped
                path = "/v1/restore?task=dehaze&strength=0"
                return client.post(path, content=photograph(), headers=bearer).status_code == 200

            assert until(is_served)
            assert "sesame" not in "".join(server.log)
