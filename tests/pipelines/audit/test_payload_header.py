"""What KEY.json says of a sample: who is in it, with which rights, what a test set did to it on purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.audit.payload import asked, people, pictures, rights


def test_voices_and_people_of_both_sides():
    sides = {
        "main": {"person": "Ann", "voice": "af_1", "voice_identity": "heart"},
        "other": {"person": "Bob", "voice": "tiny", "voice_identity": None, "cloned_speaker": "Eve"},
    }
    header = {"speaker": "Ann", "speakers": sides, "origin": "synthetic"}
    speakers = [("leak_speaker", name) for name in ("Ann", "Bob", "Eve")]
    assert list(people.people_of(header)) == [*speakers, ("leak_voice", "heart"), ("leak_voice", "tiny")]
    assert list(people.people_of({"speaker": None, "speakers": ["Ann"]})) == [("leak_speaker", "Ann")]


def test_who_disturbs_themselves_is_known_by_label_or_face():
    sources = [{"speaker": "p1", "source": "s"}, {"speaker": "Eve"}, {"name": "rain.wav"}]
    header = {"speaker": "Ann", "person": "p1", "mix": {"kind": "noisy", "sources": sources}}
    assert list(people.themselves(header)) == ["p1"]
    assert list(people.themselves(header | {"person": None, "speaker": None})) == []


def test_names_that_nobody_gave_are_nobody():
    """`dialogue real` calls people a and b; a transcript has names of its own; faces are known by theirs."""
    sides = {
        "main": {"name": "a", "named_by": "nobody", "person": "p1"},
        "other": {"name": "B", "named_by": "transcript", "person": "p2"},
    }
    about = {"origin": "recorded", "speaker": "a", "speakers": sides}
    faces = [("leak_person", "p1"), ("leak_person", "p2")]
    assert list(people.people_of(about)) == faces
    labelled = {"main": {"name": "Ann", "named_by": "labels"}, "other": sides["other"]}
    assert list(people.people_of(about | {"speakers": labelled})) == [faces[1], ("leak_speaker", "Ann")]


def synthetic(**of_main: Any) -> dict[str, Any]:
    """KEY.json of a made dialogue; a clone has `of_main`."""
    voice = {"voice": "hibari:heart", "voice_licence": "Apache-2.0"}
    return {"origin": "synthetic", "speakers": {"main": voice | of_main, "other": voice}}


@pytest.mark.parametrize(
    ("header", "licence", "consent"),
    [
        ({"licence": "CC0", "consent": "all uses"}, "", ""),
        ({"licence": " ", "consent": None}, None, None),
        (synthetic(), "", "nobody"),
        (synthetic(voice_licence=None), "voice of main", "nobody"),
        (synthetic(cloned_speaker="Eve", cloned_licence="CC0", cloned_consent="voice cloning"), "", ""),
        (synthetic(cloned_speaker="Eve", cloned_licence="CC0"), "", "cloned by main"),
        (synthetic() | {"borrowed": {"main.face61.npy": {"licence": "x"}}}, "", "borrowed main.face61.npy"),
        (
            {"origin": "recorded", "speakers": {"main": {"licence": "x", "consent": "y"}, "other": {}}},
            "other",
            "other",
        ),
    ],
)
def test_rights_are_asked_of_people_and_licences_of_voices(
    header: dict[str, Any], licence: str | None, consent: str | None
):
    """None: missing, of the one person there is; `nobody`: there is nobody to ask."""
    told = rights.missing_rights(header)
    assert (told["licence_missing"], told["licence_of"]) == (float(licence != ""), licence or "")
    wanted = None if consent == "nobody" else float(consent != "")
    assert (told["consent_missing"], told["consent_of"]) == (
        wanted,
        "" if consent == "nobody" else consent or "",
    )


def test_darkness_and_stillness_that_were_asked_for_are_no_defect_there_and_nowhere_else():
    """A test set darkens frames 10..44 of 50 and freezes 20..44; one colour was asked for by nobody."""
    draw = np.random.default_rng(0)
    frames = draw.integers(0, 255, (50, 32, 32)).astype(np.uint8)
    frames[10:20] //= 20
    frames[20:45] = frames[19]
    plan = {
        "corruptions": [{"kind": "low_light", "spans": [[10, 45]]}, {"kind": "freeze", "spans": [[20, 45]]}]
    }
    header = {"corruption": {"kind": "corrupted", "plan": plan}}
    dark, still = (asked.frames_of(header, kinds, 50) for kinds in (asked.DARKENS, asked.STILLS))
    assert pictures.picture_facts(frames) == {"frozen_s": 1.0, "black_share": 0.7}
    assert pictures.picture_facts(frames, dark, still) == {"frozen_s": 0.0, "black_share": 0.0}
    frames[5:8] = frames[5] // 20
    frames[30] = 3
    assert pictures.picture_facts(frames, dark, still) == {"frozen_s": 2 / 25, "black_share": 4 / 50}
    blurred = {"corruption": {"plan": {"corruptions": [{"kind": "blur", "spans": [[0, 50]]}]}}}
    assert not asked.frames_of(blurred, asked.DARKENS, 50).any()
