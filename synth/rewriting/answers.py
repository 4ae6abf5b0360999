"""The structured answers a model gives: pydantic models whose JSON schema goes with the request."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pydantic import BaseModel, ConfigDict


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Response(_Answer):
    """One turn, rewritten."""

    response: str


class ContinuedTurn(_Answer):
    """A turn that follows the dialogue."""

    speaker: str
    emotion: str
    text: str


class Continuation(_Answer):
    """The dialogue goes on."""

    turns: list[ContinuedTurn]


class PlacedBackchannel(_Answer):
    """The listener of turn `turn` (counted from 0) says `text` after its `after_word`-th word."""

    turn: int
    after_word: int
    text: str


class Backchannels(_Answer):
    """Backchannels of a whole dialogue."""

    backchannels: list[PlacedBackchannel]


ANSWERS: dict[str, type[Response | Continuation | Backchannels]] = {
    "respond": Response,
    "style": Response,
    "continue": Continuation,
    "backchannels": Backchannels,
}


@lru_cache
def response_format(kind: str, answer_format: str) -> dict[str, Any]:
    """The field `response_format` of a request for a kind of answer; one object for all, never changed."""
    if answer_format == "json_object":
        return {"type": "json_object"}
    schema = _without_prose(ANSWERS[kind].model_json_schema())
    return {"type": "json_schema", "json_schema": {"name": kind, "strict": True, "schema": schema}}


def _without_prose(schema: Any) -> Any:
    """The schema without titles and docstrings: they cost tokens, and rewording them is no other request."""
    if isinstance(schema, dict):
        return {
            key: _without_prose(value)
            for key, value in schema.items()
            if not (key in ("title", "description") and isinstance(value, str))
        }
    return [_without_prose(one) for one in schema] if isinstance(schema, list) else schema
