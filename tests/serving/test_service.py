"""Which models are offered, and pictures whose restoring fails; no server is started."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import gradio
import httpx
import pytest

from ccnet.errors import UsageError
from ccnet.images import Picture
from ccnet.restoration import Restorer
from ccnet.restoration.engines import MemoryRanOut
from ccnet.serving.app import make_api
from ccnet.serving.metrics import Metrics
from ccnet.serving.options import Options
from ccnet.serving.page import _restored
from ccnet.serving.refusals import Refusal
from ccnet.serving.service import RestorationService, _offered
from ccnet.serving.settings import Settings
from ccnet.serving.uploads import Upload
from ccnet.weights.registry import find_weights

from .servers import photograph


@pytest.fixture(scope="module")
def service() -> RestorationService:
    return RestorationService(Settings(), Metrics())


@pytest.fixture(params=[MemoryRanOut(7), RuntimeError("secret")], ids=["memory", "bug"])
def error(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Exception:
    """What restoring raises meanwhile."""

    def fail(*_: object, **__: object) -> Picture:
        raise request.param

    monkeypatch.setattr(Restorer, "restore_picture", fail)
    error: Exception = request.param
    return error


def test_memory_that_runs_out_is_told_in_a_sentence_and_a_bug_is_not(
    service: RestorationService, error: Exception
) -> None:
    job = service.restore(photograph(), Options(task="dehaze"))
    expected = Refusal if isinstance(error, MemoryRanOut) else RuntimeError
    with pytest.raises(expected, match=str(error)):
        job.future.result(60)


def test_a_page_s_picture_that_fails_is_told_of_alone(
    service: RestorationService, error: Exception, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a.png").write_bytes(photograph())
    upload = Upload(tmp_path / "a.png", "a.png")

    async def restore() -> None:
        async for _ in _restored(service, upload, "dehaze", 100, tmp_path):
            pass

    with pytest.raises(gradio.Error) as told:
        asyncio.run(restore())
    if isinstance(error, MemoryRanOut):
        assert told.value.message == str(error)
    else:
        assert told.value.message == "Something went wrong in the server, which has noted it."
        assert "RuntimeError: secret" in caplog.text


def test_a_task_means_the_model_of_the_size_and_a_file_s_name_may_have_any_letters(
    tmp_path: Path,
) -> None:
    path = tmp_path / " été 雪.safetensors"
    shutil.copy(find_weights("dehaze"), path)
    api = make_api(Settings(size="large", models=("dehaze", str(path))))

    async def ask() -> tuple[list[dict[str, object]], httpx.Response]:
        transport = httpx.ASGITransport(api)
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            models = (await client.get("/v1/models")).json()
            params = {"model": path.stem}
            return models, await client.post("/v1/restore", params=params, content=photograph())

    models, answer = asyncio.run(ask())
    defaults = [model["name"] for model in models if model["default"]]
    assert defaults == ["dehaze-large", "deblur-large", "desnow-large"]
    assert [model["name"] for model in models][3:] == ["dehaze-small", path.stem]
    assert answer.status_code == 200, answer.text
    assert answer.headers["ccnet-model"] == "%20%C3%A9t%C3%A9%20%E9%9B%AA"


def test_models_of_the_same_name_are_refused(tmp_path: Path) -> None:
    for folder, name in (("a", "weights"), ("b", "weights"), ("c", "dehaze-small")):
        (tmp_path / folder).mkdir()
        shutil.copy(find_weights("dehaze"), tmp_path / folder / f"{name}.safetensors")
    first, second, shipped = map(str, sorted(tmp_path.glob("*/*.safetensors")))
    assert _offered("small", (first, first, "dehaze-small", "dehaze"))["weights"].source == first
    with pytest.raises(UsageError, match=f"^{second}: there is a model weights already; rename"):
        _offered("small", (first, second))
    with pytest.raises(UsageError, match=f"^{shipped}: there is a model dehaze-small already"):
        _offered("small", (shipped,))
    with pytest.raises(UsageError, match=r"^runs/weights\.onnx: there is a model"):
        _offered("small", (first, "runs/weights.onnx"))
