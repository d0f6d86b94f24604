"""The page in a real browser, at the width of a desk and of a phone.

Screenshots of both are left in .ci/ to be looked at.
"""

from __future__ import annotations

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    ConsoleMessage,
    FilePayload,
    Page,
    Request,
    expect,
    sync_playwright,
)

from ccnet.images import Picture
from ccnet.serving.page import _result_name
from ccnet.serving.service import Answer

from .servers import (
    BOUNDS,
    LARGE,
    Server,
    figure,
    photograph,
    pixels_of,
    serving,
    until,
)

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "src/ccnet/serving/examples"
DESK, PHONE = (1280, 860), (390, 844)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        assert "CI" not in os.environ, "CI must test the page, and has no Chromium"
        pytest.skip("There is no Chromium here: apt-get install chromium")
    with sync_playwright() as playwright:
        # Chromium's own sandbox does not start for root.
        arguments = ["--no-sandbox"] if os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def opened(browser: Browser, server: Server, size: tuple[int, int]) -> tuple[Page, list[str]]:
    """Open the page, and gather what it complains of or asks of other hosts."""
    page = browser.new_page(viewport={"width": size[0], "height": size[1]})
    page.set_default_timeout(60_000)
    wrong: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            wrong.append(message.text)

    def note_request(request: Request) -> None:
        if not request.url.startswith((f"{server.address}/", "data:", "blob:")):
            wrong.append(request.url)

    page.on("console", note_message)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", note_request)
    page.goto(server.address)
    page.get_by_role("button", name="Restore", exact=True).wait_for()
    return page, wrong


def drop(page: Page, data: bytes, name: str, kind: str) -> None:
    """Drop a file where the page says so, as from a file manager."""
    transfer = page.evaluate_handle(
        """([data, name, type]) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            const transfer = new DataTransfer();
            transfer.items.add(new File([bytes], name, { type }));
            return transfer;
        }""",
        [base64.b64encode(data).decode(), name, kind],
    )
    zone = page.get_by_role("button", name="Drop an image file here to upload")
    zone.dispatch_event("drop", {"dataTransfer": transfer})


def restored(page: Page) -> str:
    """Wait for a result, and give what the page says of it."""
    expect(page.locator("#download")).to_be_visible(timeout=60_000)
    expect(page.locator("#result img")).to_have_count(2)
    return page.locator("#told").inner_text()


def screenshot(page: Page, name: str) -> None:
    page.wait_for_timeout(500)  # for what fades in
    if (ROOT / ".ci").is_dir():
        page.screenshot(path=ROOT / ".ci" / f"page-{name}.png", full_page=True)


@pytest.mark.slow
def test_drop_restore_compare_download(browser: Browser, server: Server, tmp_path: Path) -> None:
    page, wrong = opened(browser, server, DESK)
    source = tmp_path / "bay.jpg"
    with Image.open(EXAMPLES / "1-hazy-bay.jpg") as bay:
        bay.resize((400, 225)).save(source, quality=90)
    drop(page, source.read_bytes(), "The bay?.jpg", "image/jpeg")
    expect(page.locator("#upload img")).to_be_visible()
    page.get_by_role("button", name="Restore", exact=True).click()
    assert "with haze, and restored with dehaze-small" in restored(page)

    before, after = page.locator("#result img").all()
    assert all(image.evaluate("image => image.naturalWidth") == 400 for image in (before, after))
    handle = page.get_by_role("slider", name=re.compile("How much"))
    box = handle.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 100)
    page.mouse.down()
    page.mouse.move(box["x"] - 100, box["y"] + 100, steps=4)
    page.mouse.up()
    moved = handle.bounding_box()
    assert moved is not None
    assert moved["x"] < box["x"] - 90
    share = int(handle.get_attribute("aria-valuenow") or 0)
    assert 20 < share < 40
    handle.press("ArrowRight")
    expect(handle).to_have_attribute("aria-valuenow", re.compile(f"{share + 4}|{share + 5}"))
    again = handle.bounding_box()
    assert again is not None
    assert again["x"] > moved["x"] + 10

    with page.expect_download() as download:
        page.locator("#download").click()
    assert download.value.suggested_filename == "The bay-restored.jpg"
    run = [sys.executable, "-c", "from ccnet.cli.main import run; run()", "restore", str(source)]
    options = ["--tile", BOUNDS["CCNET_TILE"], "-o", str(tmp_path / "same.jpg")]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*run, *options], check=True, capture_output=True, env=environment)
    result = pixels_of(Path(download.value.path()).read_bytes()).astype(int)
    assert np.abs(result - pixels_of((tmp_path / "same.jpg").read_bytes())).max() <= 2
    screenshot(page, "desktop")
    assert wrong == []
    page.close()


def test_errors_are_sentences(browser: Browser, server: Server) -> None:
    page, wrong = opened(browser, server, DESK)
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("Choose a picture first.")).to_be_visible()
    drop(page, photograph()[:-300], "broken.png", "image/png")
    expect(page.locator("#upload img")).to_be_attached()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("is damaged or cut short")).to_be_visible()
    assert wrong == []
    page.close()


def test_an_error_takes_away_the_result_before_it(browser: Browser, server: Server) -> None:
    page, wrong = opened(browser, server, DESK)
    drop(page, photograph(), "good.png", "image/png")
    expect(page.locator("#upload img")).to_be_visible()
    page.locator("#task").get_by_label("Haze").check()
    page.get_by_role("button", name="Restore", exact=True).click()
    restored(page)
    page.locator("#upload").get_by_role("button", name="Remove Image").click()
    page.get_by_role("button", name="Restore", exact=True).click()
    expect(page.get_by_text("Choose a picture first.")).to_be_visible()
    expect(page.locator("#download")).not_to_be_visible()
    expect(page.locator("#result img")).to_have_count(0)
    assert wrong == []
    page.close()


@pytest.mark.slow
def test_a_page_goes_on_after_the_server_was_killed(browser: Browser) -> None:
    with serving(environment=BOUNDS) as server:
        page, _ = opened(browser, server, DESK)
        page.evaluate("window.opened_before = true")
        drop(page, LARGE, "noise.jpg", "image/jpeg")
        expect(page.locator("#upload img")).to_be_visible()
        page.get_by_role("button", name="Restore", exact=True).click()
        with httpx.Client(base_url=server.address) as client:
            assert until(lambda: figure(client, "ccnet_running") == 1)
    with serving("--port", str(server.port), environment=BOUNDS):
        page.wait_for_function("!window.opened_before", timeout=60_000)  # it has loaded itself anew
        page.locator("#examples button").nth(1).click()
        assert "with snow" in restored(page)
        page.close()


@pytest.mark.slow
def test_an_example_is_one_click_away_on_a_phone(browser: Browser, server: Server) -> None:
    page, wrong = opened(browser, server, PHONE)
    screenshot(page, "phone-empty")
    page.get_by_role("button", name="Example 2").click()
    assert "with snow" in restored(page)
    expect(page.locator("#result")).to_be_in_viewport()  # which began below it
    assert page.evaluate("document.scrollingElement.scrollWidth <= window.innerWidth")
    screenshot(page, "phone")
    assert wrong == []
    page.close()


def test_several_pictures_become_one_zip(browser: Browser, server: Server) -> None:
    page, wrong = opened(browser, server, PHONE)
    page.get_by_role("tab", name="Several pictures").click()
    files = [
        FilePayload(name="a.png", mimeType="image/png", buffer=photograph(100, 80)),
        FilePayload(name="a.png", mimeType="image/png", buffer=photograph(60, 90)),
        FilePayload(name="b.jpg", mimeType="image/jpeg", buffer=b"no picture"),
    ]
    page.locator("#uploads input[type=file]").set_input_files(files)
    expect(page.locator("#uploads")).to_contain_text("10.0 B")
    page.locator("#several-task").get_by_label("Haze").check()
    page.get_by_role("button", name="Restore all").click()
    expect(page.locator("#zip")).to_be_visible(timeout=60_000)
    assert "b.jpg: The picture is no JPEG" in page.locator("#report textarea").input_value()
    with page.expect_download() as download:
        page.locator("#zip").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        assert archive.namelist() == ["01-a-restored.png", "02-a-restored.png"]
        assert pixels_of(archive.read("02-a-restored.png")).shape == (90, 60, 3)
    screenshot(page, "phone-several")
    assert wrong == []
    page.close()


def test_no_zip_is_offered_where_nothing_was_restored(browser: Browser, server: Server) -> None:
    page, wrong = opened(browser, server, DESK)
    page.get_by_role("tab", name="Several pictures").click()
    broken = FilePayload(name="b.jpg", mimeType="image/jpeg", buffer=b"no picture")
    page.locator("#uploads input[type=file]").set_input_files([broken])
    expect(page.locator("#uploads")).to_contain_text("10.0 B")
    page.get_by_role("button", name="Restore all").click()
    report = page.locator("#report textarea")
    expect(report).to_have_value(re.compile("b.jpg: The picture is no JPEG"), timeout=60_000)
    expect(page.get_by_role("button", name="Restore all")).to_be_enabled()
    expect(page.locator("#zip")).not_to_be_visible()
    assert wrong == []
    page.close()


def test_what_the_keyboard_is_at_is_outlined(browser: Browser, server: Server) -> None:
    page, _ = opened(browser, server, DESK)
    outlines = []
    for _ in range(8):
        page.keyboard.press("Tab")
        outlines.append(
            page.evaluate(
                "getComputedStyle((e => e.type == 'radio' ? e.closest('label') : e)"
                "(document.activeElement)).outlineStyle"
            )
        )
    assert outlines == ["solid"] * len(outlines)
    page.close()


def megapixels(client: httpx.Client) -> list[str]:
    """List what the server has restored by now, by model; nothing before the first picture."""
    lines = client.get("/metrics").text.splitlines()
    return [line for line in lines if line.startswith("ccnet_megapixels_total{")]


@pytest.mark.slow
def test_closing_the_page_stops_its_work(browser: Browser, server: Server) -> None:
    page, _ = opened(browser, server, DESK)
    drop(page, LARGE, "noise.jpg", "image/jpeg")
    expect(page.locator("#upload img")).to_be_visible()
    page.locator("#task").get_by_label("Haze").check()
    with httpx.Client(base_url=server.address) as client:
        page.get_by_role("button", name="Restore", exact=True).click()
        assert until(lambda: figure(client, "ccnet_running") == 1)
        before = megapixels(client)
        page.close()
        assert until(lambda: figure(client, "ccnet_running") == 0)
        assert megapixels(client) == before


def test_a_result_s_name_is_no_longer_than_a_disk_takes() -> None:
    picture = Picture(np.zeros((1, 1, 3), np.uint8))
    answer = Answer(b"", "jpeg", None, None, {}, picture, picture)
    assert _result_name("\U0001d400" * 62 + ".jpg", answer) == "\U0001d400" * 45 + "-restored.jpg"
    assert _result_name("é" * 100 + ".jpg", answer) == "é" * 90 + "-restored.jpg"
    assert _result_name("?.jpg", answer) == "picture-restored.jpg"
