"""Pairs for AVLM: what the other said and in which emotion, and what main answered, with their places."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

PAIRS = "pairs.json"
_TOLD = ("key", "text", "emotion", "start", "stop", "clips")


def pairs(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A turn of the other and main's answer to it, for each that there is.

    `turns` are those of KEY.json. `start` and `stop` are exact seconds of the sample: of the input in the
    members of `other`, of the response in those of `main`. `rewritten_from` is the response before an LLM
    wrote it anew, null where it is the script's own. `clips` are the samples of a corpus that the script was
    made of: where the turn was said, and which response the new one stands in for.
    """
    spoken = [one for one in turns if one["kind"] == "turn"]
    return [
        {
            "input": {name: asked[name] for name in _TOLD},
            "response": {name: answer[name] for name in (*_TOLD, "rewritten_from")},
        }
        for asked, answer in pairwise(spoken)
        if asked["side"] == "other" and answer["side"] == "main"
    ]
