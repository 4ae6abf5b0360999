"""Download one file whose size and SHA-256 are known beforehand: all of it arrives, or none."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

_BLOCK_BYTES = 1 << 18
_TIMEOUT_S = 60.0

Progress = Callable[[int, int], None]
"""Called with (received_bytes, total_bytes) as data arrives."""


class DownloadError(Exception):
    """The file did not arrive, or is not the expected one. Nothing was kept."""


def download(
    url: str,
    target: Path,
    *,
    size_bytes: int,
    sha256: str,
    on_progress: Progress | None = None,
    allow_loopback_http: bool = False,
) -> None:
    """Fetch `url` over https, verify it, then move it to `target` in one step.

    `allow_loopback_http` admits `http://127.0.0.1` as well: it exists for tests. Raises `DownloadError`.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".partial-") as scratch:
            partial = Path(scratch) / target.name
            with _open(url, allow_loopback_http) as response, partial.open("wb") as file:
                found = _copy(response, file, size_bytes, on_progress)
                file.flush()
                os.fsync(file.fileno())
            if found != sha256:
                raise DownloadError(f"SHA-256 expected {sha256}, found {found}: {url} serves another file")
            partial.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(f"{url}: {error}") from error


def _copy(response: IO[bytes], file: IO[bytes], size_bytes: int, on_progress: Progress | None) -> str:
    """Copy exactly `size_bytes` (a bad server must not fill the disk); returns their SHA-256."""
    digest, received_bytes = hashlib.sha256(), 0
    while block := response.read(_BLOCK_BYTES):
        received_bytes += len(block)
        if received_bytes > size_bytes:
            raise DownloadError(f"the server sends more than the expected {size_bytes} bytes")
        digest.update(block)
        file.write(block)
        if on_progress is not None:
            on_progress(received_bytes, size_bytes)
    # http.client ends a short body without an error when it is read in blocks
    if received_bytes != size_bytes:
        raise DownloadError(f"it ended after {received_bytes} of {size_bytes} bytes")
    return digest.hexdigest()


def _open(url: str, allow_loopback_http: bool) -> IO[bytes]:
    _refuse_insecure(url, allow_loopback_http=allow_loopback_http)
    handlers: list[urllib.request.BaseHandler] = [_SecureRedirects()]
    if allow_loopback_http:
        handlers.append(urllib.request.ProxyHandler({}))  # a proxy cannot reach this machine's loopback
    response: IO[bytes] = urllib.request.build_opener(*handlers).open(url, timeout=_TIMEOUT_S)
    return response


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect must lead to https, whatever the first address was."""

    def redirect_request(self, *request: Any) -> urllib.request.Request | None:
        """The last of the arguments is the new address."""
        _refuse_insecure(request[-1], allow_loopback_http=False)
        return super().redirect_request(*request)


def _refuse_insecure(url: str, *, allow_loopback_http: bool) -> None:
    parts = urllib.parse.urlsplit(url)
    loopback = parts.scheme == "http" and parts.hostname == "127.0.0.1"
    if parts.scheme != "https" and not (allow_loopback_http and loopback):
        raise DownloadError(f"{url} is not https")
