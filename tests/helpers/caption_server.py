"""A loopback server that keeps what sounds and pictures it was shown, and answers as a test scripts it."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from fault_server import FaultServer

CAPTION = "A man in front of a blue wall says a short sentence in a quiet room."


@dataclass(frozen=True)
class Shown:
    """What came with a request: `(format, bytes)` of each sound, bytes of each picture, and the text."""

    sounds: tuple[tuple[str, bytes], ...]
    pictures: tuple[bytes, ...]
    text: str


def shown(body: dict[str, Any]) -> Shown:
    """The media of a request's body, decoded."""
    sounds, pictures, texts = [], [], []
    for part in body["messages"][1]["content"]:
        if part["type"] == "input_audio":
            audio = part["input_audio"]
            sounds.append((audio["format"], base64.b64decode(audio["data"], validate=True)))
        elif part["type"] == "image_url":
            head, _, data = part["image_url"]["url"].partition(",")
            assert head == "data:image/jpeg;base64"
            pictures.append(base64.b64decode(data, validate=True))
        else:
            texts.append(part["text"])
    return Shown(tuple(sounds), tuple(pictures), "".join(texts))


class CaptionServer(FaultServer):
    """Rows are told apart by a digest of what they show (`row_of`)."""

    def __init__(self, script: Any = None, *, latency_s: float = 0.0, caption: str = CAPTION) -> None:
        super().__init__(script, latency_s=latency_s, good=caption)

    def row_of(self, body: dict[str, Any]) -> str:
        seen = shown(body)
        return digest_of(*(data for _, data in seen.sounds), *seen.pictures)

    @property
    def shown(self) -> list[Shown]:
        return [shown(body) for body in self.bodies]

    def _do_ok(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion(self.good))

    def _do_no_usage(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion(self.good, usage=None))

    def _do_dear(self, handler: Any, _: str) -> None:
        usage = {"prompt_tokens": 5000, "completion_tokens": 20}
        self._send(handler, self.completion(self.good, usage=usage))

    def _do_none(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion("None."))

    def _do_says(self, handler: Any, text: str) -> None:
        self._send(handler, self.completion(text))

    def _do_text_only(self, handler: Any, _: str) -> None:
        """vLLM's words for a model that hears nothing."""
        error = {"error": {"message": "At most 0 audio(s) may be provided in one prompt.", "code": 400}}
        self._send(handler, json.dumps(error).encode(), 400)

    def _do_echo_answer(self, handler: Any, _: str) -> None:
        self._send(handler, self.completion(f"A man reads out the words {self._key(handler)} in a room."))


def digest_of(*parts: bytes) -> str:
    return hashlib.sha256(b"".join(parts)).hexdigest()
