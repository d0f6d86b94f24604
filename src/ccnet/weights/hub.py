"""Files of weights on the Hugging Face Hub: how they are named, and fetching them into its cache.

Cache, offline mode, tokens and mirrors are those of `huggingface_hub`, which is imported when a
file is asked for and not before.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from ccnet.errors import WeightsError
from ccnet.extras import require
from ccnet.weights.header import read_header

PREFIXES = ("hf://", "hf:", "hf-hub:", "hf_hub:")
"""What the name of a file on the Hub begins with: the Hub's own way, ours, and two of timm's."""

FORM = "hf:OWNER/REPOSITORY[@REVISION][/FILE.safetensors][#sha256=CHECKSUM]"

_NAME = re.compile(
    r"(?P<repository>[\w.-]+/[\w.-]+)"
    r"(?:@(?P<revision>[\w.-]+))?"
    r"(?:/(?P<file>(?:[^/\\#\x00-\x1f]+/)*[^/\\#\x00-\x1f]+\.safetensors))?"
    r"(?:#sha256=(?P<sha256>[0-9a-fA-F]{64}))?",
    re.ASCII,
)

_COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class HubFile:
    """A .safetensors file in a model repository of the Hub, and the checksum it must have."""

    repository: str
    file: str = "model.safetensors"
    revision: str = "main"
    sha256: str | None = None

    def __str__(self) -> str:
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf:{self.repository}{revision}/{self.file}"


def is_hub_name(name: str) -> bool:
    """Tell a file on the Hub from a model's name and a path."""
    return name.startswith(PREFIXES)


def parse_hub_name(name: str) -> HubFile:
    """Read a name of the form `FORM`; raises `WeightsError` for another."""
    prefix = next((prefix for prefix in PREFIXES if name.startswith(prefix)), "")
    match = _NAME.fullmatch(name.removeprefix(prefix))
    if match is None or {".", ".."} & {*(match["file"] or "").split("/")}:
        raise WeightsError(f"{name!r} names no weights on the Hub; write {FORM}.")
    given = {key: value for key, value in match.groupdict().items() if value is not None}
    return HubFile(**given | {"sha256": (match["sha256"] or "").lower() or None})


def fetch(wanted: HubFile) -> Path:
    """Find a file of the Hub in the cache, or fetch it into it.

    Nothing is asked of the network where the cache has the file with that checksum, or of that
    commit. A branch or a tag without a checksum is looked up each time; what the cache has of it
    is taken where the Hub is out of reach. What is damaged in the cache is fetched anew. A file
    with another checksum is never returned, and taken out of the cache again if it was just
    fetched.

    Raises:
        MissingExtraError: `huggingface_hub` is not installed.
        WeightsError: The file cannot be had, its checksum is another, or it is no .safetensors.
    """
    require("hub", f"Fetching {wanted}")

    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    pinned = wanted.sha256 is not None or _COMMIT.fullmatch(wanted.revision)
    fault, found = None, wanted.sha256
    try:
        cached = try_to_load_from_cache(wanted.repository, wanted.file, revision=wanted.revision)
        if isinstance(cached, str):
            fault = _fault(Path(cached), wanted.sha256)
        # Even for a commit that is in the cache, `hf_hub_download` may ask the network for a
        # registry of its own.
        if not isinstance(cached, str) or fault is not None or not pinned:
            cached = hf_hub_download(
                wanted.repository,
                wanted.file,
                revision=wanted.revision,
                library_name="ccnet",
                force_download=fault is not None,
            )
            found = wanted.sha256 and sha256(Path(cached))
    # Its own errors, those of the HTTP library below it, of which it has had three, and hf_xet's.
    except Exception as error:
        again = "" if fault is None else f" anew, and the copy in the cache {fault}"
        raise WeightsError(f"{wanted} cannot be fetched{again}: {_reason(error)}.") from error
    path = Path(cached)
    if found != wanted.sha256:
        _remove(path)
        raise WeightsError(
            f"{wanted} was fetched and thrown away: its SHA-256 is {found}, not {wanted.sha256}, "
            "so it is damaged or another file."
        )
    read_header(path)
    return path


def _fault(path: Path, checksum: str | None) -> str | None:
    """Say what is wrong with a file in the cache, as the end of a sentence, or None."""
    if checksum is not None:
        return None if sha256(path) == checksum else "has another SHA-256"
    try:
        read_header(path)
    except WeightsError:
        return "is damaged"
    return None


def sha256(path: Path) -> str:
    """Compute a file's SHA-256, in hexadecimal; raises OSError."""
    checksum = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            checksum.update(part)
    return checksum.hexdigest()


def _remove(path: Path) -> None:
    """Take a file out of the cache, where its name in a revision links to what it holds."""
    content = path.resolve()
    path.unlink(missing_ok=True)
    content.unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    """Say in a few words why `huggingface_hub` did not hand out a file."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub, cache = constants.ENDPOINT, constants.HF_HUB_CACHE
    # What is not in the cache, or cannot be fetched anew, is told with why the Hub was not asked.
    cause = error.__cause__
    if isinstance(error, (LocalEntryNotFoundError, ValueError)) and cause is not None:
        if isinstance(cause, OfflineModeIsEnabled):
            return f"HF_HUB_OFFLINE is set, and the cache in {cache} does not have it"
        return f"{hub} cannot be reached ({_first_line(cause)})"
    if isinstance(error, GatedRepoError):
        return f"{hub} gives it only to those who were granted access, and whose HF_TOKEN is set"
    if isinstance(error, RepositoryNotFoundError):
        return f"{hub} has no such repository, or shows it only to those whose HF_TOKEN is set"
    if isinstance(error, RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(error, EntryNotFoundError):
        return "the repository has no such file"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or cache} cannot be written or read: {error.strerror.lower()}"
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
