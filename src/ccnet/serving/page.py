"""The page for people, in Gradio."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio
import numpy as np
from fastapi import FastAPI
from PIL import Image

from ccnet.images import Picture
from ccnet.images.colour import as_srgb
from ccnet.images.formats import FORMATS
from ccnet.serving.options import Options
from ccnet.serving.page_files import KEPT_SECONDS, add_to_zip, check_room, keep
from ccnet.serving.queue import StoppedError
from ccnet.serving.refusals import Refusal, internal_error
from ccnet.serving.service import Answer, RestorationService
from ccnet.serving.uploads import PicturesUpload, PictureUpload, Upload

EXAMPLES = Path(__file__).parent / "examples"

_TASKS = {"Recognise it": "auto", "Haze": "dehaze", "Motion blur": "deblur", "Snow": "desnow"}
_PREVIEW = 2048  # pixels of the longer side, as far as one can zoom
_MOST_PICTURES = 20
_WAIT_SECONDS = 0.5
_NAME_BYTES = 180  # so that with what follows it stays below the 200 that Gradio keeps of a name
_SUFFIXES = [suffix for held in FORMATS.values() for suffix in held.suffixes]
_CSS = """
.gradio-container { max-width: 1100px !important; width: 100% !important; margin: auto !important; }
#examples img { width: 100% !important; height: 100% !important; object-fit: cover !important; }
#title h1 { font-size: 1.9rem; margin-bottom: 0.1rem; }
body:not(.dark) [role=tab].selected { color: var(--primary-600) !important; }
#download, #zip { overflow-wrap: anywhere; }
:focus-visible, label:has(input[type=radio]:focus-visible) {
  outline: 3px solid #2563eb !important; outline-offset: 2px !important;
}
"""
# Darker than the theme's own, which are too pale to be read by all.
_COLOURS = {
    "block_label_text_color": "*primary_800",
    "block_title_text_color": "*primary_800",
    "body_text_color_subdued": "*neutral_500",
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "checkbox_label_background_fill_selected": "*primary_600",
    "link_text_color_dark": "*primary_400",
}
# Gradio's handle between before and after can be dragged only; arrow keys drag it, too. On a phone
# the result is below what one has pressed, so the page goes there.
_HEAD = """
<meta name="description" content="Takes haze, motion blur and snow out of photographs.">
<script>
(() => {
  const handleOf = (element) => element.closest?.("#result [data-testid=slider]");
  const drag = (target, kind, x, y) =>
    target.dispatchEvent(
      new MouseEvent(kind, { view: window, bubbles: true, clientX: x, clientY: y })
    );
  new MutationObserver(() => {
    document.querySelectorAll("#examples button:not([aria-label])").forEach((button, index) => {
      button.setAttribute("aria-label", `Example ${index + 1}`);
    });
    const handle = document.querySelector("#result [data-testid=slider]:not([tabindex])");
    if (!handle) return;
    const tell = () => {
      const box = handle.getBoundingClientRect();
      const whole = handle.parentElement.getBoundingClientRect();
      const share = (box.left + box.width / 2 - whole.left) / whole.width;
      handle.setAttribute("aria-valuenow", Math.round(100 * share));
    };
    new MutationObserver(tell).observe(handle, { attributeFilter: ["style"] });  // where it stands
    handle.tabIndex = 0;
    handle.setAttribute("role", "slider");
    handle.setAttribute("aria-label", "How much of the picture to show as it was before");
    handle.setAttribute("aria-valuemin", "0");
    handle.setAttribute("aria-valuemax", "100");
    tell();
  }).observe(document.documentElement, { childList: true, subtree: true });
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.("#restore, #examples button, #all");
    const shown = document.querySelector(pressed?.id === "all" ? "#report" : "#result");
    if (pressed) shown?.scrollIntoView({ behavior: "smooth", block: "nearest" });
  });
  document.addEventListener("keydown", (event) => {
    const handle = handleOf(event.target);
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
    if (!handle || !step) return;
    event.preventDefault();
    const box = handle.getBoundingClientRect();
    const whole = handle.parentElement.getBoundingClientRect();
    const y = box.top + box.height / 2;
    const x = box.left + box.width / 2;
    const to = Math.min(Math.max(x + step * whole.width, whole.left), whole.right);
    drag(handle, "mousedown", x, y);
    drag(window, "mousemove", to, y);
    drag(window, "mouseup", to, y);
  });
})();
</script>
"""

_log = logging.getLogger("ccnet.serving")


def mount_page(app: FastAPI, service: RestorationService, folder: Path) -> None:
    """Put the page at / of an application; its files are in `folder`, ten minutes after use."""
    gradio.mount_gradio_app(
        app,
        _page(service, folder),
        "/",
        theme=gradio.themes.Soft(primary_hue="blue", font=["system-ui", "sans-serif"]).set(
            **_COLOURS
        ),
        css=_CSS,
        head=_HEAD,
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        max_file_size=service.settings.max_bytes,
        show_error=True,
    )


def _page(service: RestorationService, folder: Path) -> gradio.Blocks:
    page = gradio.Blocks(
        title="Restore photographs",
        analytics_enabled=False,
        delete_cache=(60, KEPT_SECONDS),  # but for the comparison, which the server deletes
    )
    bounds = service.settings
    with page:
        gradio.Markdown(
            "# Restore a photograph\nTakes away haze, motion blur and snow.", elem_id="title"
        )
        with gradio.Tab("One picture"):
            _one_picture(service, folder)
        with gradio.Tab("Several pictures"):
            _several_pictures(service, folder)
        gradio.Markdown(
            f"JPEG, PNG, WebP, TIFF or AVIF, up to {bounds.max_megapixels:g} megapixels and "
            f"{bounds.max_megabytes:g} MB. The server forgets your pictures ten minutes after "
            "its work on them. "
            "Programs use [the API](docs)."
        )
    page.queue(default_concurrency_limit=None, api_open=False)
    return page


def _one_picture(service: RestorationService, folder: Path) -> None:
    with gradio.Row():
        with gradio.Column():
            upload = PictureUpload(
                type="filepath",
                image_mode=None,
                sources=["upload", "clipboard", "webcam"],
                label="Your picture",
                height=280,
                elem_id="upload",
            )
            examples = gradio.Examples(
                [str(path) for path in sorted(EXAMPLES.glob("*.jpg"))],
                upload,
                label="Or try one of these",
                elem_id="examples",
                api_visibility="private",
            )
            task, strength = _choices("task")
            button = gradio.Button("Restore", variant="primary", size="lg", elem_id="restore")
        with gradio.Column():
            slider = gradio.ImageSlider(
                type="filepath",
                label="Before and after",
                interactive=False,
                elem_id="result",
                max_height=520,
                buttons=["fullscreen"],
            )
            told = gradio.Markdown(elem_id="told")
            download = gradio.DownloadButton(
                "Download", variant="primary", size="lg", visible=False, elem_id="download"
            )

    async def restore(
        file: Upload | None,
        task: str,
        strength: float,
        progress: gradio.Progress = gradio.Progress(),  # noqa: B008
    ) -> AsyncIterator[Any]:
        yield None, "", gradio.DownloadButton(visible=False)  # what was there before
        if file is None:
            raise gradio.Error("Choose a picture first.", print_exception=False)
        answer, began = None, time.monotonic()
        async for share, answer in _restored(service, file, task, strength, folder):  # noqa: B007
            # A picture that is taken whole has no shares.
            seconds = (round(time.monotonic() - began), None)
            progress(share or seconds, desc="Restoring", unit="s")
            yield gradio.skip(), gradio.skip(), gradio.skip()
        if answer is not None:
            with _keeping():
                before, after, result = await asyncio.to_thread(_written, answer, file.name, folder)
            button = gradio.DownloadButton(f"Download {result.name}", result, visible=True)
            yield (before, after), _told(answer), button

    outputs = [slider, told, download]
    inputs = [upload, task, strength]
    button.click(restore, inputs, outputs, api_visibility="private", show_progress_on=slider)
    examples.load_input_event.then(
        restore, inputs, outputs, api_visibility="private", show_progress_on=slider
    )


def _several_pictures(service: RestorationService, folder: Path) -> None:
    with gradio.Row():
        with gradio.Column():
            uploads = PicturesUpload(
                file_count="multiple",
                file_types=_SUFFIXES,
                label=f"Up to {_MOST_PICTURES} pictures",
                elem_id="uploads",
            )
            task, strength = _choices("several-task")
            button = gradio.Button("Restore all", variant="primary", size="lg", elem_id="all")
        with gradio.Column():
            report = gradio.Textbox(label="Done", lines=8, interactive=False, elem_id="report")
            download = gradio.DownloadButton(
                "Download all as a zip", variant="primary", size="lg", visible=False, elem_id="zip"
            )

    async def restore(
        files: Sequence[Upload],
        task: str,
        strength: float,
        progress: gradio.Progress = gradio.Progress(),  # noqa: B008
    ) -> AsyncIterator[Any]:
        if not 0 < len(files) <= _MOST_PICTURES:
            sentence = f"Choose from 1 to {_MOST_PICTURES} pictures."
            raise gradio.Error(sentence, print_exception=False)
        yield "", gradio.DownloadButton(visible=False)
        with _keeping():
            result = _new_folder(folder) / "restored.zip"
        lines: list[str] = []
        for done, file in enumerate(files):
            needed = [result.parent, result, *(other.path for other in files[done:])]
            while service.queue.full:  # others' pictures; a batch has time
                keep(needed)
                yield gradio.skip(), gradio.skip()
                await asyncio.sleep(_WAIT_SECONDS)
            try:
                pieces = _restored(service, file, task, strength, folder)
                async for share, answer in pieces:  # noqa: B007
                    keep(needed)
                    progress((done + share) / len(files), desc=f"{done + 1} of {len(files)}")
                    yield gradio.skip(), gradio.skip()
                assert answer is not None
                name = f"{done + 1:02}-{_result_name(file.name, answer)}"
                with _keeping():
                    await asyncio.to_thread(add_to_zip, result, name, answer.data)
                lines.append(f"{file.name}: {_told(answer)}")
            except gradio.Error as error:
                lines.append(f"{file.name}: {error.message}")
            yield "\n".join(lines), gradio.skip()
        any_restored = result.exists() and result.stat().st_size > 0
        button = gradio.DownloadButton(value=result if any_restored else None, visible=any_restored)
        yield "\n".join(lines), button

    outputs = [report, download]
    inputs = [uploads, task, strength]
    button.click(restore, inputs, outputs, api_visibility="private", show_progress_on=report)


def _choices(task_id: str) -> tuple[gradio.Radio, gradio.Slider]:
    task = gradio.Radio(
        list(_TASKS.items()), value="auto", label="What is wrong with it?", elem_id=task_id
    )
    strength = gradio.Slider(0, 100, 100, step=5, label="Strength in percent")
    return task, strength


async def _restored(
    service: RestorationService, file: Upload, task: str, strength: float, folder: Path
) -> AsyncIterator[tuple[float, Answer | None]]:
    """Restore an uploaded file; gives the share done now and then, and at the end the answer.

    Nothing is begun where the page's files in `folder` are more than they may be. Ends early, and
    stops the work, when the page is closed. What is refused becomes an error that the page shows.
    """
    job = done = None
    try:
        await asyncio.to_thread(check_room, folder, service.settings.max_held_bytes)
        data = await asyncio.to_thread(file.path.read_bytes)
        options = Options(task=task, strength=strength / 100)  # type: ignore[arg-type]
        job = service.restore(data, options)
        del data
        done = asyncio.wrap_future(job.future)
        while not done.done():
            await asyncio.wait({done}, timeout=min(0.3, job.seconds_left + 0.01))
            if not done.done() and job.seconds_left == 0:
                raise StoppedError
            yield job.share, None
        yield 1.0, done.result()
    except Refusal as refusal:
        raise gradio.Error(str(refusal), duration=None, print_exception=False) from refusal
    except FileNotFoundError as error:
        sentence = "The server has forgotten this picture; choose it again."
        raise gradio.Error(sentence, duration=None, print_exception=False) from error
    except StoppedError as error:
        sentence = "The picture took too long; try a smaller one."
        raise gradio.Error(sentence, duration=None, print_exception=False) from error
    except Exception as error:  # so that the others of several are kept
        _log.exception("A picture of the page failed.")
        sentence = str(internal_error())
        raise gradio.Error(sentence, duration=None, print_exception=False) from error
    finally:
        if job is not None:
            job.cancel()
        if done is not None:
            done.cancel()


@contextmanager
def _keeping() -> Iterator[None]:
    """Make a sentence, which the page shows, of a result that cannot be written to the disk."""
    try:
        yield
    except OSError as error:
        _log.exception("A result of the page could not be written.")
        sentence = "The server had no place for the result; try again later."
        raise gradio.Error(sentence, duration=None, print_exception=False) from error


def _written(answer: Answer, name: str, folder: Path) -> tuple[Path, Path, Path]:
    """Write what the page shows, reduced, and the result for downloading."""
    place = _new_folder(folder)
    result = place / _result_name(name, answer)
    result.write_bytes(answer.data)
    before, after = place / "before.jpg", place / "after.jpg"
    for picture, path in ((answer.before, before), (answer.after, after)):
        _preview(picture).save(path, quality=92, subsampling=0)
    return before, after, result


def _preview(picture: Picture) -> Image.Image:
    """Give a picture in sRGB and 8 bits, small enough for a phone."""
    pixels = as_srgb(picture).pixels
    if pixels.dtype == np.uint16:
        pixels = (pixels >> 8).astype(np.uint8)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    image.thumbnail((_PREVIEW, _PREVIEW), Image.Resampling.LANCZOS)
    return image.convert("RGB")


def _told(answer: Answer) -> str:
    seconds = f"{sum(answer.seconds.values()):.1f} s"
    if answer.model is None:
        return f"The picture looks clear, and was left as it is ({seconds})."
    found = f"Taken for a picture with {answer.kind}, and restored" if answer.kind else "Restored"
    return f"{found} with {answer.model} in {seconds}."


def _result_name(name: str, answer: Answer) -> str:
    """Name a result like `ccnet restore` does, with nothing in it that means more than letters."""
    stem = "".join(letter for letter in Path(name).stem if letter.isalnum() or letter in "-_ ")
    short = stem.encode()[:_NAME_BYTES].decode(errors="ignore").strip()
    return f"{short or 'picture'}-restored{FORMATS[answer.format].suffixes[0]}"


def _new_folder(parent: Path) -> Path:
    folder = parent / secrets.token_hex(16)
    folder.mkdir()
    return folder
