"""The key of an LLM server: read from the environment, shown nowhere."""

from __future__ import annotations

import base64
import os
from typing import NoReturn
from urllib.parse import quote

from manifests.errors import CommandError
from synth.llm.config import ServerConfig

MASK = "[api key]"
_FRAGMENT = 8
"""So many characters of the key in a row count as the key: servers like to quote half of it."""
_SECRET_LENGTH = 12
"""A shorter key (`none`, `EMPTY`) is a placeholder, which an honest answer may contain."""


class ApiKeyError(CommandError, ValueError):
    """The environment holds no usable key. The message never shows a value."""


class ApiKey:
    """A key that `repr`, `str`, tracebacks and pickles do not show; only `reveal` does."""

    __slots__ = ("_fragments", "_value")

    def __init__(self, value: str) -> None:
        self._value = value
        self._fragments = _fragments(value)

    @classmethod
    def from_environment(cls, variable: str, *, required: bool) -> ApiKey | None:
        """The key that `variable` holds; None where it is not set and none is `required`.

        Raises ApiKeyError when a required key is missing, or when one cannot be sent in a header.
        """
        value = os.environ.get(variable, "").strip()
        if not value:
            if required:
                raise ApiKeyError(f"the environment variable {variable} holds no API key; set it")
            return None
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ApiKeyError(f"{variable} holds spaces or characters that no API key has; set it anew")
        return cls(value)

    @classmethod
    def of_server(cls, server: ServerConfig) -> ApiKey | None:
        """The key of a server; one on this machine needs none. Raises ApiKeyError."""
        return cls.from_environment(server.api_key_env, required=not server.is_loopback)

    def reveal(self) -> str:
        """The key itself, for the client alone."""
        return self._value

    def redact(self, text: str) -> str:
        """`text` with the key, pieces of it and its usual encodings replaced by a mask."""
        hidden = [False] * len(text)
        folded = text.casefold()
        for fragment in self._fragments if len(folded) == len(text) else ():
            at = folded.find(fragment)
            while at >= 0:
                hidden[at : at + len(fragment)] = [True] * len(fragment)
                at = folded.find(fragment, at + 1)
        if len(folded) != len(text):  # a letter that folds into two: rare, so hide the whole
            return MASK if self.occurs_in(text) else text
        kept: list[str] = []
        for at, letter in enumerate(text):
            if not hidden[at]:
                kept.append(letter)
            elif at == 0 or not hidden[at - 1]:
                kept.append(MASK)
        return "".join(kept)

    def occurs_in(self, text: str) -> bool:
        """Whether the key, or a piece of it, stands in `text`; placeholders never count."""
        folded = text.casefold()
        return len(self._value) >= _SECRET_LENGTH and any(piece in folded for piece in self._fragments)

    def __repr__(self) -> str:
        return f"ApiKey({MASK})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an API key is not written anywhere")


def _fragments(value: str) -> tuple[str, ...]:
    encoded = {value, quote(value, safe=""), base64.b64encode(value.encode()).decode().rstrip("=")}
    pieces: set[str] = set()
    for spelling in encoded:
        folded = spelling.casefold()
        size = min(_FRAGMENT, len(folded))
        pieces.update(folded[at : at + size] for at in range(len(folded) - size + 1))
    return tuple(sorted(pieces))
