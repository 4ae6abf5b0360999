"""A dialogue's boxes stand where its turns were said to be, by hand."""

from __future__ import annotations

import json

import pytest
from made_audit import dialogue

from pipelines.audit.report.timeline import timeline
from synth.turns.record import RecordError


def test_boxes_of_a_dialogue_known_by_hand() -> None:
    """anna 0.5–3 and 5.5–7.5, ben 3.3–6: a gap of 0.3 s, an overlap of 0.5 s."""
    found = timeline(dialogue(100, 0).members["turns.json"])
    main, other = found.lanes
    assert (main.speaker, other.speaker, found.duration_s) == ("anna", "ben", 8.0)
    assert [(box.start_s, box.length_s) for box in main.activity] == [(0.5, 2.5), (5.5, 2.0)]
    assert [(box.start_s, box.length_s) for box in other.turns] == [(3.3, 2.7)]
    assert [(box.text, box.start_s, box.length_s) for box in found.offsets] == [
        ("+0.30", 3.0, 0.3),
        ("-0.50", 5.5, 0.5),
    ]
    kinds = {box.kind: (box.start_s, box.length_s) for box in found.events}
    assert kinds["gap"] == (3.0, 0.3) and kinds["overlap_between"] == (5.5, 0.5)
    assert [box.start_s for box in found.table] == sorted(box.start_s for box in found.table)
    assert "2 floor transfers" in found.summary and "0.2 s" in found.summary


def test_the_other_view_exchanges_the_lanes() -> None:
    main, other = timeline(dialogue(100, 1).members["turns.json"]).lanes
    assert (main.speaker, other.speaker) == ("ben", "anna")
    assert [box.start_s for box in other.activity] == [0.5, 5.5]


def test_events_that_do_not_follow_are_refused() -> None:
    record = json.loads(dialogue(100, 0).members["turns.json"])
    record["events"] = record["events"][1:]
    with pytest.raises(RecordError):
        timeline(json.dumps(record).encode())
