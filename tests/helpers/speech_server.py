"""A speech server on loopback that really speaks, and imitates a little: it listens to the reference clip.

Whose clip it is given it cannot know: it measures the clip's pitch and speaks with the one of its two voices
(hibari's, a woman; flite's rms, a man) that is nearer. Without a clip, or when told to be deaf, it speaks
with flite's kal16. Nothing of the code under test speaks, decodes or measures here.
"""

from __future__ import annotations

import base64
import io
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

SERVER = {
    "model": "loopback",
    "reference_audio_field": "ref_audio",
    "reference_text_field": "ref_text",
    "seed_field": "seed",
}
"""Of `speak.server`, beside the address."""
BETWEEN_HZ = 150.0


@dataclass
class Asked:
    """The server's address, and every request's fields."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    deaf: bool = False


@lru_cache(maxsize=1)
def _hibari() -> Any:
    from hibari import Hibari

    return Hibari(threads=1)


def woman(text: str) -> tuple[np.ndarray, int]:
    """hibari's voice, by itself."""
    return np.asarray(_hibari()(text, seed=0), np.float32), 24_000


def man(text: str, voice: str = "rms") -> tuple[np.ndarray, int]:
    """flite's voice, by itself."""
    with tempfile.TemporaryDirectory() as folder:
        said, sound = Path(folder, "said.txt"), Path(folder, "sound.wav")
        said.write_text(text)
        subprocess.run(["flite", "-voice", voice, "-f", str(said), "-o", str(sound)], check=True)
        pcm, rate_hz = soundfile.read(sound, dtype="float32")
    return pcm, rate_hz


def pitch_hz(pcm: np.ndarray, rate_hz: int) -> float:
    """Median over loud windows of 40 ms, of the lag where each is most like itself (70 to 350 Hz)."""
    size, lags = rate_hz // 25, np.arange(rate_hz // 350, rate_hz // 70)
    windows = pcm[: len(pcm) // size * size].reshape(-1, size)
    loud = windows[(windows**2).mean(axis=1) > 0.1 * (windows**2).mean(axis=1).max()]
    found = []
    for one in loud:
        spectrum = np.abs(np.fft.rfft(one - one.mean(), 2 * size)) ** 2
        like = np.fft.irfft(spectrum)[:size] / np.arange(size, 0, -1)
        found.append(rate_hz / lags[int(np.argmax(like[lags]))])
    return float(np.median(found))


class _Handler(BaseHTTPRequestHandler):
    state: Asked

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.state.requests.append(asked)
        pcm, rate_hz = self._spoken(asked)
        file = io.BytesIO()
        soundfile.write(file, pcm, rate_hz, format="WAV", subtype="PCM_16")
        self.send_response(200)
        self.send_header("Content-Type", "audio/wav")
        self.send_header("Content-Length", str(len(file.getvalue())))
        self.end_headers()
        self.wfile.write(file.getvalue())

    def _spoken(self, asked: dict[str, Any]) -> tuple[np.ndarray, int]:
        clip = asked.get("ref_audio")
        if clip is None or self.state.deaf:
            return man(asked["input"], "kal16")
        return woman(asked["input"]) if pitch_hz(*decoded(clip)) > BETWEEN_HZ else man(asked["input"])

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def decoded(data_url: str) -> tuple[np.ndarray, int]:
    """The samples of a reference clip as the server gets it."""
    pcm, rate_hz = soundfile.read(io.BytesIO(base64.b64decode(data_url.partition(",")[2])), dtype="float32")
    return pcm, rate_hz


@contextmanager
def speech_server(*, deaf: bool = False) -> Iterator[Asked]:
    """The server, running."""
    state = Asked(deaf=deaf)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (_Handler,), {"state": state}))
    server.daemon_threads = True
    state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
