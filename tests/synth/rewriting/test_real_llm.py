"""A real model behind a real server: the path works, and its poor rewrites do not get through."""

from __future__ import annotations

from dataclasses import replace

import llm_server
import pytest

from manifests.reasons import Status
from synth.rewriting import Dialogue, Fault, Rewriter, Rewritten
from synth.rewriting.answers import Response

SCRIPT = Dialogue.model_validate(
    {
        "id": "keys",
        "speakers": {"A": {"name": "Anna", "gender": "female"}, "B": {"name": "Ben", "gender": "male"}},
        "turns": [
            {"speaker": "A", "text": "I lost my keys and had to wait outside in the rain.", "emotion": "Sad"},
            {"speaker": "B", "text": "Oh no.", "emotion": "Sad"},
            {"speaker": "A", "text": "And then the neighbour would not let me in.", "emotion": "Frustrated"},
            {"speaker": "B", "text": "Typical!", "emotion": "Angry"},
        ],
    }
)


@pytest.mark.timeout(300)
def test_a_small_model_rewrites_and_is_caught(llm_url, store, make_config) -> None:
    server = {"concurrency": 1, "deadline_s": 120}
    config = make_config(llm_url, server, model=llm_server.MODEL, attempts=2, sampling={"max_tokens": 60})
    first = Rewriter(config, store)
    rows = first.rewrite(SCRIPT)
    assert [row.fault for row in rows if row.turn in (0, 2)] == [Fault.TURN_NOT_SHORT] * 2
    asked = [row for row in rows if row.turn in (1, 3)]
    for row in asked:
        assert row.status in (Status.OK, Status.FAILED) and row.served_model == llm_server.MODEL
        assert row.prompt_tokens > 100 and row.completion_tokens > 0  # the server's own count
        if row.status is Status.OK:
            assert (
                row.answer is not None
                and Response.model_validate_json(row.answer).response.strip() == row.text
            )
        else:
            assert row.fault is Fault.REWRITE_REJECTED and row.failed_checks and row.text is None
    # 135 million parameters at temperature 0.7 do not get four short lines right at once
    assert any(row.failed_checks for row in asked)
    again = Rewriter(config, store)
    assert again.rewrite(SCRIPT) == [row if row.turn in (0, 2) else _cached(row) for row in rows]
    assert again.counts.sent == 0 and again.counts.cached == first.counts.sent


def _cached(row: Rewritten) -> Rewritten:
    return replace(row, cached=True)
