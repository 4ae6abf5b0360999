"""Data sets in miniature: trees of real, tiny media in the layouts that the readers read."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import av
import numpy as np
import soundfile

from manifests.sources import Listing


def lay(root: Path, files: dict[str, str | bytes | dict[str, Any]]) -> Path:
    """Write files by their names below `root`: text, bytes, or JSON. `""` under a media name is tiny
    media."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(content) if isinstance(content, dict) else content
        data = text.encode() if isinstance(text, str) else text
        path.write_bytes(data or media(path.suffix))
    return root


def media(suffix: str) -> bytes:
    """Tiny media of a kind; nothing for what is none."""
    if suffix in (".wav", ".sph", ".flac"):
        return sound(suffix, channels=2 if suffix == ".sph" else 1)
    return video(suffix) if suffix in (".mp4", ".avi", ".mpg", ".m4a", ".mp3") else b""


@cache
def sound(suffix: str = ".wav", *, channels: int = 1, seconds: float = 1.0, rate_hz: int = 8000) -> bytes:
    """A tone; of two channels the second is silent."""
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    tone = 0.3 * np.sin(2 * np.pi * 440 * time)
    samples = np.stack([tone, *[np.zeros_like(tone)] * (channels - 1)], axis=1)
    kind = {"format": "NIST", "subtype": "ULAW"} if suffix == ".sph" else {}
    with NamedTemporaryFile(suffix=".wav" if suffix == ".sph" else suffix) as handle:
        soundfile.write(handle.name, samples, rate_hz, **kind)
        return Path(handle.name).read_bytes()


@cache
def video(suffix: str = ".mp4") -> bytes:
    """A second of 25 pictures without sound, or of sound alone for what holds only that."""
    with NamedTemporaryFile(suffix=suffix) as handle:
        with av.open(handle.name, "w") as out:
            if suffix in (".m4a", ".mp3"):
                stream: Any = out.add_stream("aac" if suffix == ".m4a" else "libmp3lame", rate=16000)
                stream.layout = "mono"
                tone = (8000 * np.sin(np.arange(16000) / 6)).astype(np.int16)[None]
                frame: Any = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
                frame.rate = 16000
                frames = [frame]
            else:
                codec = {".mp4": "libx264", ".avi": "mpeg4", ".mpg": "mpeg1video"}[suffix]
                stream = out.add_stream(codec, rate=25)
                stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
                pixels = [np.full((48, 64, 3), 9 * n, np.uint8) for n in range(25)]
                frames = [av.VideoFrame.from_ndarray(one, format="rgb24") for one in pixels]
            for one in frames:
                out.mux(stream.encode(one))
            out.mux(stream.encode())
        return Path(handle.name).read_bytes()


def labels_of(listing: Listing) -> dict[str, dict[str, str]]:
    """Labels by path."""
    return {source.path: source.labels for source in listing.sources}


def told(listing: Listing) -> list[tuple[str, str]]:
    """Reason and place of every complaint, sorted."""
    return sorted((str(one.reason), one.where) for one in listing.complaints)
