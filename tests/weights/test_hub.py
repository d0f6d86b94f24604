"""Fetching weights from a Hub that runs on this machine, with the real `huggingface_hub`."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccnet.errors import MissingExtraError, WeightsError
from ccnet.weights.hub import FORM, HubFile, fetch, is_hub_name, parse_hub_name, sha256
from ccnet.weights.registry import find_weights, load_network

from ..hub_server import COMMIT, REPOSITORY, HubServer, hub_server

huggingface_hub = pytest.importorskip("huggingface_hub")
from huggingface_hub import constants  # noqa: E402 - it may not be there

FILE = "large/dehaze.safetensors"
TEMPLATE = "/{repo_id}/resolve/{revision}/{filename}"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def hub(
    cache: Path, whole_files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    """A Hub with one file of weights, asked with an empty cache and no pauses between attempts."""
    with hub_server() as server:
        server.files[FILE] = whole_files["safetensors"]
        monkeypatch.setattr(constants, "ENDPOINT", server.address)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", server.address + TEMPLATE)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(time, "sleep", lambda _: None)
        yield server


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Does what HF_HUB_OFFLINE=1 does for a process that starts with it."""
    return lambda: monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)


def pinned(hub: HubServer, revision: str = COMMIT) -> HubFile:
    checksum = hashlib.sha256(hub.files[FILE]).hexdigest()
    return HubFile(REPOSITORY, FILE, revision, checksum)


def kept(cache: Path) -> list[Path]:
    """What the cache holds of any content, whole or in part."""
    return [*cache.glob("models--*/blobs/*"), *cache.glob("models--*/snapshots/*/**/*.safetensors")]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        (f"hf:a/b/{FILE}", HubFile("a/b", FILE)),
        ("hf://a/b@v1.2/x.safetensors", HubFile("a/b", "x.safetensors", "v1.2")),
        ("hf-hub:timm-like/b", HubFile("timm-like/b", "model.safetensors")),
        ("hf_hub:a/b_c@main", HubFile("a/b_c")),
        (
            f"hf:a/b@{COMMIT}/x.safetensors#sha256={'AB' * 32}",
            HubFile("a/b", "x.safetensors", COMMIT, "ab" * 32),
        ),
    ],
)
def test_reads_names(name: str, file: HubFile) -> None:
    assert is_hub_name(name)
    assert parse_hub_name(name) == file
    assert parse_hub_name(str(file)) == HubFile(file.repository, file.file, file.revision)


@pytest.mark.parametrize(
    "name",
    [
        *("hf:", "hf:a", "hf:a/", "hf:/b/x.safetensors", "hf:a/b@/x.safetensors"),
        *("hf:a/b/x.pkl", "hf:a/b/x.safetensors@v1", "hf:a/b/x.safetensors#sha256=12"),
        *("hf:a/b/../../x.safetensors", "hf:a/b/./x.safetensors", "hf:a/b//x.safetensors"),
        *("hf:a/b/x\0.safetensors", "hf:a/b\\x.safetensors", "hf:a/b?x=/y.safetensors"),
    ],
)
def test_tells_how_a_name_is_written(name: str) -> None:
    with pytest.raises(WeightsError) as error:
        find_weights(name)
    assert str(error.value) == f"{name!r} names no weights on the Hub; write {FORM}."


@given(st.text(st.sampled_from("ab./@#:\\\0é-"), max_size=30))
def test_no_name_leads_out_of_its_repository(rest: str) -> None:
    try:
        file = parse_hub_name(f"hf:a/b/{rest}.safetensors")
    except WeightsError:
        return
    inside = Path("/cache/a/b")
    assert inside in Path(os.path.normpath(inside / file.file)).parents


def test_fetches_once_and_then_asks_nobody(hub: HubServer, cache: Path) -> None:
    path = fetch(pinned(hub))
    assert path.read_bytes() == hub.files[FILE]
    assert path.is_relative_to(cache)
    assert hub.requests
    hub.requests.clear()
    for file in (pinned(hub), HubFile(REPOSITORY, FILE, COMMIT)):
        assert fetch(file) == path
    assert hub.requests == []


def test_a_branch_with_a_checksum_is_not_looked_up_again(hub: HubServer) -> None:
    path = fetch(pinned(hub, "main"))
    hub.requests.clear()
    assert fetch(pinned(hub, "main")) == path
    assert hub.requests == []


def test_a_branch_is_looked_up_again_and_goes_on_without_the_hub(hub: HubServer) -> None:
    path = fetch(HubFile(REPOSITORY, FILE))
    hub.requests.clear()
    assert fetch(HubFile(REPOSITORY, FILE)) == path
    assert hub.requests == [f"HEAD /{REPOSITORY}/resolve/main/{FILE}"]
    hub.status = 503
    assert fetch(HubFile(REPOSITORY, FILE)) == path


def test_loads_a_network_from_the_hub(hub: HubServer) -> None:
    network = load_network(f"hf:{REPOSITORY}@v1/{FILE}#sha256={pinned(hub).sha256}")
    assert (network.width, network.modules_per_stage) == (2, 1)


def test_offline_the_cache_is_all_there_is(hub: HubServer, offline: Callable[[], None]) -> None:
    path = fetch(pinned(hub))
    hub.requests.clear()
    offline()
    assert fetch(pinned(hub)) == path
    with pytest.raises(WeightsError) as error:
        fetch(HubFile(REPOSITORY, "other.safetensors"))
    assert str(error.value) == (
        f"hf:{REPOSITORY}/other.safetensors cannot be fetched: HF_HUB_OFFLINE is set, and the "
        f"cache in {constants.HF_HUB_CACHE} does not have it."
    )
    assert hub.requests == []


def test_another_checksum_is_refused_and_nothing_of_it_kept(hub: HubServer, cache: Path) -> None:
    file = HubFile(REPOSITORY, FILE, COMMIT, "0" * 64)
    found = pinned(hub).sha256
    for _ in range(2):
        with pytest.raises(WeightsError) as error:
            fetch(file)
        assert str(error.value) == (
            f"{file} was fetched and thrown away: its SHA-256 is {found}, not {'0' * 64}, so it "
            "is damaged or another file."
        )
        assert kept(cache) == []
    assert fetch(pinned(hub)).read_bytes() == hub.files[FILE]


def test_what_was_changed_on_the_way_is_refused(hub: HubServer, cache: Path) -> None:
    hub.served = hub.files[FILE][:-1] + b"?"
    with pytest.raises(WeightsError, match="so it is damaged or another file"):
        fetch(pinned(hub))
    assert kept(cache) == []


def test_a_damaged_file_in_the_cache_is_fetched_anew(
    hub: HubServer, offline: Callable[[], None]
) -> None:
    path = fetch(pinned(hub))
    content = path.resolve()
    content.write_bytes(b"damaged")
    hub.status = 503
    with pytest.raises(WeightsError, match="fetched anew, and the copy in the cache has another"):
        fetch(pinned(hub))
    hub.status = None
    assert fetch(pinned(hub)).read_bytes() == hub.files[FILE]
    content.write_bytes(b"damaged")
    offline()
    with pytest.raises(WeightsError, match="has another SHA-256: HF_HUB_OFFLINE is set"):
        fetch(pinned(hub))


@pytest.mark.parametrize("revision", [COMMIT, "main"])
def test_a_file_in_the_cache_that_cannot_be_read_is_fetched_anew(
    hub: HubServer, offline: Callable[[], None], revision: str
) -> None:
    """Without a checksum, too, by which it would be known."""
    file = HubFile(REPOSITORY, FILE, revision)
    content = fetch(file).resolve()
    content.write_bytes(b"damaged")
    assert fetch(file).read_bytes() == hub.files[FILE]
    content.write_bytes(b"damaged")
    offline()
    with pytest.raises(WeightsError, match="anew, and the copy in the cache is damaged: HF_HUB"):
        fetch(file)


def test_what_is_no_safetensors_in_the_cache_is_told_as_that(
    hub: HubServer, whole_files: dict[str, bytes]
) -> None:
    hub.files[FILE] = whole_files["zip"]
    for _ in range(2):  # fetched, then from the cache
        with pytest.raises(WeightsError, match=r"^/.*dehaze\.safetensors is damaged or no"):
            fetch(pinned(hub))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"hf:nobody/ccnet/{FILE}", "HUB has no such repository, or shows it only to those"),
        (f"hf:{REPOSITORY}@v2/{FILE}", "the repository has no such revision"),
        (f"hf:{REPOSITORY}/x.safetensors", "the repository has no such file"),
        (f"hf:{'x' * 99}/y/{FILE}", "Repo id must"),
    ],
)
def test_what_is_not_there_is_told(hub: HubServer, cache: Path, name: str, reason: str) -> None:
    with pytest.raises(WeightsError) as error:
        find_weights(name)
    expected = f"cannot be fetched: {reason.replace('HUB', hub.address)}"
    assert expected in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert kept(cache) == []


def test_a_hub_that_is_down_or_gone_is_told(
    hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.status = 503
    with pytest.raises(WeightsError, match=rf"fetched: {hub.address} cannot be reached \(.*503"):
        fetch(pinned(hub))
    nobody = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nobody)
    monkeypatch.setattr(
        constants,
        "HUGGINGFACE_CO_URL_TEMPLATE",
        nobody + "/{repo_id}/resolve/{revision}/{filename}",
    )
    with pytest.raises(WeightsError, match=rf"fetched: {nobody} cannot be reached \(.*refused"):
        fetch(pinned(hub))


def test_a_download_that_breaks_off_is_gone_on_with(hub: HubServer) -> None:
    hub.cuts = 2
    assert fetch(pinned(hub)).read_bytes() == hub.files[FILE]
    assert len([request for request in hub.requests if request.startswith("GET")]) == 3


def test_a_download_that_never_ends_leaves_what_was_there(hub: HubServer, cache: Path) -> None:
    other = HubFile(REPOSITORY, "other.safetensors", COMMIT)
    hub.files["other.safetensors"] = hub.files[FILE]
    path = fetch(other)
    hub.files[FILE] += b"0"
    hub.cuts = 1000
    with pytest.raises(WeightsError, match="cannot be fetched: "):
        fetch(HubFile(REPOSITORY, FILE, COMMIT))
    assert path.read_bytes() == hub.files["other.safetensors"]
    assert len(kept(cache)) == 2, "a blob and its name"


def test_a_full_disk_is_told(hub: HubServer, cache: Path) -> None:
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hub.files[FILE] += bytes(200_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(
            WeightsError, match="cannot be written or read: file too large"
        ) as error:
            fetch(pinned(hub))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert str(cache) in str(error.value)
    assert kept(cache) == []


def test_a_checkpoint_by_another_name_is_refused(
    hub: HubServer, whole_files: dict[str, bytes]
) -> None:
    hub.files[FILE] = whole_files["zip"]
    with pytest.raises(WeightsError, match=r"dehaze\.safetensors is damaged or no \.safetensors"):
        fetch(HubFile(REPOSITORY, FILE))


def test_without_the_package_the_error_tells_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r'pip install "ccnet-restore\[hub\]"'):
        fetch(HubFile(REPOSITORY))


def test_the_environment_rules_as_for_any_user_of_the_hub(hub: HubServer, tmp_path: Path) -> None:
    """The command line, in processes without torch: fetched, then used without asking the Hub."""
    name = f"hf:{REPOSITORY}@{COMMIT}/{FILE}"
    code = "import sys; sys.modules['torch'] = None; from ccnet.cli.main import run; run()"

    def ask(**environment: str) -> subprocess.CompletedProcess[str]:
        ours = {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home")}
        return subprocess.run(
            [sys.executable, "-c", code, "models", name, "--fetch"],
            env=os.environ | ours | environment,
            capture_output=True,
            text=True,
            check=False,
        )

    forbidden = ask(HF_HUB_OFFLINE="1")
    assert (forbidden.returncode, forbidden.stdout) == (1, "")
    assert forbidden.stderr == (
        f"ccnet: {name} cannot be fetched: HF_HUB_OFFLINE is set, and the cache in "
        f"{tmp_path / 'home' / 'hub'} does not have it.\n"
    )
    fetched = ask()
    assert sha256(Path(fetched.stdout.strip())) == pinned(hub).sha256
    hub.requests.clear()
    assert ask().stdout == ask(HF_HUB_OFFLINE="1").stdout == fetched.stdout
    assert hub.requests == []
    del hub.files[FILE]
    gone = ask(HF_HOME=str(tmp_path / "elsewhere"))
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr == (f"ccnet: {name} cannot be fetched: the repository has no such file.\n")
