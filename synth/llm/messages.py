"""Messages to a model: texts, and the sounds and pictures that go along with them.

Sounds and pictures travel inside the request, as OpenAI's `input_audio` and `image_url` parts
(https://platform.openai.com/docs/api-reference/chat/create; vLLM and llama.cpp read the same). A key, and the
cache, have their digests instead of their bytes.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

SOUNDS = ("wav", "flac")


@dataclass(frozen=True)
class Media:
    """A sound (`wav`, `flac`) or a picture (`jpeg`). `most_tokens` is what a budget sets aside for it."""

    kind: Literal["wav", "flac", "jpeg"]
    data: bytes = field(repr=False)
    most_tokens: int

    @cached_property
    def sha256(self) -> str:
        """Of the bytes that are sent."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def sent(self) -> dict[str, Any]:
        """The part of a message, with the bytes."""
        text = base64.b64encode(self.data).decode("ascii")
        if self.kind in SOUNDS:
            return {"type": "input_audio", "input_audio": {"data": text, "format": self.kind}}
        return {"type": "image_url", "image_url": {"url": f"data:image/{self.kind};base64,{text}"}}

    @property
    def record(self) -> dict[str, Any]:
        """What stands for it where the bytes do not belong."""
        return {"media": self.kind, "sha256": self.sha256}


Content = str | tuple[str | Media, ...]
Message = tuple[str, Content]
"""(role, content)."""


def as_sent(content: Content) -> Any:
    """A content as it goes out."""
    if isinstance(content, str):
        return content
    return [{"type": "text", "text": one} if isinstance(one, str) else one.sent for one in content]


def as_record(content: Content) -> Any:
    """A content as keys and the cache know it; a text is its own record."""
    return content if isinstance(content, str) else [_record(one) for one in content]


def most_tokens(content: Content) -> int:
    """Most tokens a content can take: a token of text is a byte at least."""
    parts = (content,) if isinstance(content, str) else content
    return sum(len(one.encode()) + 16 if isinstance(one, str) else one.most_tokens for one in parts)


def has_media(content: Content) -> bool:
    """Whether it holds more than text."""
    return not isinstance(content, str) and any(isinstance(one, Media) for one in content)


def _record(part: str | Media) -> Any:
    return part if isinstance(part, str) else part.record
