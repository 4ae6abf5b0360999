from __future__ import annotations

import json
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.turns.annotate import annotate
from synth.turns.model import Annotation, NotADyadError, Word
from synth.turns.parameters import PRESETS
from synth.turns.record import FORMAT, RecordError, read_turns, swapped, write_turns
from synth.turns.times import exact


@pytest.fixture
def talk() -> Annotation:
    activity = {"ann": [(0, 2), (2.5, 4), (7.3, 9)], "bob": [(1, 1.4), (4.3, 8)]}
    return annotate(
        {name: [(exact(a), exact(b)) for a, b in spans] for name, spans in activity.items()},
        Fraction(10),
        words={
            "ann": [Word("well", Fraction(0), Fraction(1, 3)), Word("stray", Fraction(6), Fraction(13, 2))]
        },
    )


def test_every_field(talk: Annotation) -> None:
    plain = json.loads(write_turns(talk, origin="audio"))
    assert plain["format"] == FORMAT and plain["origin"] == "audio" and plain["duration"] == "10/1"
    assert plain["streams"]["main"] == {
        "speaker": "ann",
        "ipus": [["0/1", "2/1"], ["5/2", "4/1"], ["73/10", "9/1"]],
        "words": [["well", "0/1", "1/3", 0], ["stray", "6/1", "13/2", None]],
    }
    assert plain["streams"]["other"]["words"] is None
    assert plain["turns"][1] == {
        "side": "other",
        "kind": "backchannel",
        "start": "1/1",
        "stop": "7/5",
        "ipus": [["1/1", "7/5"]],
    }
    assert {"kind": "gap", "start": "4/1", "stop": "43/10", "side": "main", "by": "other"} in plain["events"]
    assert plain["transfers"] == [
        {"before": 0, "after": 2, "fto": "3/10"},
        {"before": 2, "after": 3, "fto": "-7/10"},
    ]
    assert plain["parameters"]["name"] == "duologue" and plain["fto"]["ipu_merge_s"] == "1/5"
    assert plain["fto"]["n"] == 2 and plain["fto"]["overlap_share"] == 0.5


def test_it_reads_back(talk: Annotation) -> None:
    assert read_turns(write_turns(talk, origin="plan")) == (talk, "plan")


def test_a_file_without_a_threshold_that_came_later_reads_with_its_default(talk: Annotation) -> None:
    older = json.loads(write_turns(talk, origin="plan"))
    assert older["parameters"].pop("word_reach_s") == "1/2"
    assert read_turns(json.dumps(older).encode()) == (talk, "plan")


def test_the_other_view(talk: Annotation) -> None:
    view, _ = read_turns(write_turns(talk, main=1, origin="plan"))
    assert view.speakers == ("bob", "ann") and view.turns[0].speaker == 1
    assert swapped(view) == talk


@settings(max_examples=30, deadline=None)
@given(
    *(st.lists(st.tuples(st.integers(0, 150), st.integers(1, 40)), max_size=8) for _ in range(2)),
    st.sampled_from(sorted(PRESETS)),
)
def test_any_annotation_reads_back(first: list, second: list, name: str) -> None:
    activity = {
        n: [(Fraction(a, 7), Fraction(a + b, 7)) for a, b in one]
        for n, one in zip("AB", (first, second), strict=True)
    }
    found = annotate(activity, Fraction(40), parameters=PRESETS[name])
    assert read_turns(write_turns(found, origin="audio"))[0] == found


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda plain: plain.update(format="2.0"), "format 2.0"),
        (lambda plain: plain.update(extra=1), "extra"),
        (lambda plain: plain.update(duration=10.0), "n/d"),
        (lambda plain: plain.update(duration="1/0"), "turns.json"),
        (lambda plain: plain["streams"].pop("other"), "other"),
        (lambda plain: plain["events"].pop(), "events do not follow"),
        (lambda plain: plain["transfers"][0].update(fto="1/10"), "transfers do not follow"),
        (lambda plain: plain["turns"][0].update(stop="5/1"), "IPUs"),
        (lambda plain: plain["fto"].update(mean_s=1.0), "statistics"),
        (lambda plain: plain["turns"][0].update(kind="monologue"), "kind"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(talk: Annotation, change, match: str) -> None:
    plain = json.loads(write_turns(talk, origin="plan"))
    change(plain)
    with pytest.raises(RecordError, match=match):
        read_turns(json.dumps(plain).encode())


def test_no_json_and_no_dyad() -> None:
    with pytest.raises(RecordError):
        read_turns(b"turns")
    with pytest.raises(NotADyadError):
        write_turns(annotate({"A": []}, Fraction(1)), origin="audio")
