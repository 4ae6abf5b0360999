"""Whose a clip is: nobody is mixed into their own speech because one recording has no label."""

from __future__ import annotations

import json
from typing import Any

from pipelines.testsets.choosing import people_of


def row(key: str, **header: Any) -> dict[str, Any]:
    return {"key": key, "header": json.dumps(header)}


def test_a_label_and_a_face_are_one_person_wherever_either_is_known():
    rows = [
        row("both", speaker="Ann", person="p1"),
        row("face", person="p1"),
        row("label", speaker="Ann", person=None),
        row("other", speaker="Bob", person="p2"),
        row("nobody"),
    ]
    for order in (rows, rows[::-1]):
        people = people_of(order)
        assert people["both"] == people["face"] == people["label"]
        assert people["other"] not in (people["both"], None)
        assert "nobody" not in people
    assert people_of(rows) == people_of(rows[::-1])


def test_a_label_that_is_called_like_a_face_is_another_person():
    people = people_of([row("label", speaker="p1"), row("face", person="p1")])
    assert people["label"] != people["face"]


def test_one_face_under_two_labels_is_one_person():
    people = people_of([row("a", speaker="Ann", person="p1"), row("b", speaker="Anna", person="p1")])
    assert people["a"] == people["b"]
