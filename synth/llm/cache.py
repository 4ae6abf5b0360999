"""Answers that were paid for: one file a request, written whole or not at all, named by the request's key.

The file holds the request too, without server and key, so that anybody can read what was asked; of sounds and
pictures it has the digests.
"""

from __future__ import annotations

import logging

from pydantic import BaseModel, ValidationError

from manifests.ids import canonical_json
from manifests.store import Store
from synth.llm.budget import Tokens
from synth.llm.chat import Reply, Request

FOLDER = "llm"


class _Entry(BaseModel):
    reply: Reply


_log = logging.getLogger(__name__)


class Cache:
    """Replies below `llm/` of a store, in 256 folders."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def get(self, request: Request) -> Reply | None:
        """The reply to an equal request, or None. A damaged file is told of and asked for anew."""
        name = self._name(request.key)
        if not self._store.exists(name):
            return None
        try:
            return _Entry.model_validate_json(self._store.read(name)).reply
        except ValidationError:
            _log.warning("%s is damaged and is asked for anew", self._store.path(name))
            return None

    def put(self, request: Request, reply: Reply) -> None:
        """Keep a reply."""
        entry: dict[str, object] = {"request": request.record, "reply": reply.model_dump()}
        if request.origin is not None:
            entry["origin"] = request.origin
        self._store.write(self._name(request.key), canonical_json(entry) + b"\n")

    def spent(self) -> Tokens:
        """Tokens of all replies kept: what the folder has cost so far."""
        total = Tokens()
        for folder in (f"{FOLDER}/{number:02x}" for number in range(256)):
            for name in self._store.list(folder):
                try:
                    reply = _Entry.model_validate_json(self._store.read(f"{folder}/{name}")).reply
                except ValidationError:
                    continue  # asked for anew, and told of, when its turn comes
                total += Tokens(reply.prompt_tokens, reply.completion_tokens)
        return total

    @staticmethod
    def _name(key: str) -> str:
        return f"{FOLDER}/{key[:2]}/{key}.json"
