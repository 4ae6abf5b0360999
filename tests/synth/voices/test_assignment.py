from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synth.voices.assignment import Speaker, assign_voices, gender_of, voices_of_splits
from synth.voices.kokoro_voice import ENGLISH_VOICES
from synth.voices.voice import Fault, Traits

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


def voice(name: str, gender: str | None, identity: str = "") -> Traits:
    return Traits(name=name, fingerprint="", licence="", gender=gender, identity=identity)  # type: ignore[arg-type]


KOKORO = [voice(name, "female" if name[1] == "f" else "male") for name in ENGLISH_VOICES]
people = st.lists(
    st.builds(
        Speaker,
        name=st.text("abcdef", min_size=1, max_size=4),
        split=st.sampled_from(list(SHARES)),
        gender=st.sampled_from([None, "f", "Female", "M", "male", "unknown"]),
    ),
    max_size=30,
    unique_by=lambda one: one.name,
)
pools = st.lists(
    st.tuples(st.sampled_from(["female", "male", None]), st.integers(0, 12)), max_size=20, unique_by=str
).map(lambda many: [voice(f"v{n}", one, f"{one}{who}") for n, (one, who) in enumerate(many)])


@given(pools, people, st.integers(0, 5), st.data())
@settings(max_examples=60, deadline=None)
def test_laws(pool: list[Traits], speakers: list[Speaker], seed: int, data: st.DataObject) -> None:
    names = [one.name for one in speakers]
    groups = data.draw(st.lists(st.sets(st.sampled_from(names), min_size=2, max_size=3))) if names[1:] else []
    found = assign_voices(speakers, pool, SHARES, apart=groups, seed=seed)
    by_name = {one.name: one for one in pool}
    heard_in: dict[str, set[str]] = {}
    # nobody is lost and nobody counted twice
    assert sorted([*found.voices, *found.faults]) == sorted(names)
    for one in speakers:
        if one.name in found.faults:
            assert found.faults[one.name].fault == Fault.NO_VOICE
            continue
        mine = by_name[found.voices[one.name]]
        heard_in.setdefault(mine.identity, set()).add(one.split)
        if gender_of(one.gender):
            assert mine.gender == gender_of(one.gender)
    assert all(len(splits) == 1 for splits in heard_in.values())
    for group in groups:
        identities = [by_name[found.voices[name]].identity for name in group if name in found.voices]
        assert len(set(identities)) == len(identities)
    # order plays no part
    again = assign_voices(speakers[::-1], pool[::-1], SHARES, apart=groups[::-1], seed=seed)
    assert again.voices == found.voices


@given(people, st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_without_groups_another_speaker_moves_nobody(speakers: list[Speaker], seed: int) -> None:
    every = assign_voices(speakers, KOKORO, SHARES, seed=seed).voices
    for one in speakers:
        assert assign_voices([one], KOKORO, SHARES, seed=seed).voices == {one.name: every[one.name]}


@given(people, st.data())
@settings(max_examples=40, deadline=None)
def test_with_groups_only_those_tied_to_the_newcomer_can_move(
    speakers: list[Speaker], data: st.DataObject
) -> None:
    names = [one.name for one in speakers]
    pairs = data.draw(st.lists(st.sets(st.sampled_from(names), min_size=2, max_size=2))) if names[1:] else []
    tied_to = data.draw(st.sampled_from(names)) if names else ""
    newcomer = Speaker("zz", "train", "f")
    before = assign_voices(speakers, KOKORO, SHARES, apart=pairs).voices
    after = assign_voices([*speakers, newcomer], KOKORO, SHARES, apart=[*pairs, {"zz", tied_to}]).voices
    reached, size = {tied_to}, 0
    while len(reached) > size:
        size = len(reached)
        reached |= {name for pair in pairs if pair & reached for name in pair}
    assert {name for name in names if before.get(name) != after.get(name)} <= reached


def test_every_split_hears_somebody_and_shares_are_kept() -> None:
    splits = voices_of_splits(KOKORO, SHARES)
    for gender, total in (("female", 15), ("male", 13)):
        counts = Counter(splits[one.name] for one in KOKORO if one.gender == gender)
        assert sum(counts.values()) == total
        assert counts["train"] >= 0.7 * total
        assert counts["valid"] >= 1 and counts["test"] >= 1


def test_speakers_are_spread_over_the_voices() -> None:
    speakers = [Speaker(f"s{n}", "train", "f") for n in range(600)]
    counts = Counter(assign_voices(speakers, KOKORO, {"train": 1.0}).voices.values())
    assert len(counts) == 15
    assert all(15 < count < 80 for count in counts.values())  # 40 on average


def test_a_voice_of_ones_own() -> None:
    speakers = [Speaker(f"s{n}", "train", "f") for n in range(16)]
    everybody = [one.name for one in speakers]
    found = assign_voices(speakers, KOKORO, {"train": 1.0}, apart=[everybody])
    assert len(set(found.voices.values())) == 15
    ((name, fault),) = found.faults.items()
    assert fault.detail.startswith(
        f"{name} (train): the split has 15 female voices and 15 are those of people"
    )


def test_a_distilled_copy_is_not_another_person() -> None:
    heart, copy = voice("kokoro:af_heart", "female"), voice("hibari:heart", "female", "kokoro:af_heart")
    two = [Speaker("a", "train", "f"), Speaker("b", "train", "f")]
    found = assign_voices(two, [heart, copy], {"train": 1.0}, apart=[("a", "b")])
    assert len(found.voices) == len(found.faults) == 1
    splits = voices_of_splits([heart, copy, *KOKORO[4:8]], SHARES)
    assert splits["kokoro:af_heart"] == splits["hibari:heart"]


def test_too_few_voices_for_the_splits_say_so() -> None:
    found = assign_voices(
        [Speaker("a", "train", "m"), Speaker("b", "test", "m")], [voice("one", "male")], SHARES
    )
    assert found.voices == {"a": "one"}
    assert "b (test): the split has 0 male voices; offer more voices" in found.faults["b"].detail


def test_senseless_questions() -> None:
    with pytest.raises(ValueError, match="positive"):
        voices_of_splits(KOKORO, {"train": 1.0, "test": 0.0})
    with pytest.raises(ValueError, match="twice"):
        assign_voices([Speaker("a", "train"), Speaker("a", "test")], KOKORO, SHARES)
    with pytest.raises(ValueError, match="different genders"):
        voices_of_splits([voice("x", "female", "p"), voice("y", "male", "p")], SHARES)


asking = st.lists(
    st.builds(
        Speaker,
        name=st.text("abcdef", min_size=1, max_size=4),
        split=st.sampled_from(list(SHARES)),
        gender=st.sampled_from([None, "female", "male"]),
        voice=st.one_of(st.none(), st.sampled_from(ENGLISH_VOICES[:6])),
    ),
    max_size=25,
    unique_by=lambda one: one.name,
)


@given(asking, st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_who_asks_for_a_voice_has_it_or_a_fault(speakers: list[Speaker], seed: int) -> None:
    found = assign_voices(speakers, KOKORO, SHARES, seed=seed)
    splits: dict[str, set[str]] = {}
    wanted: dict[str, set[str]] = {}
    for one in speakers:
        if one.voice is not None:
            wanted.setdefault(one.voice, set()).add(one.split)
        if one.name in found.voices:
            splits.setdefault(found.voices[one.name], set()).add(one.split)
    assert all(len(where) == 1 for where in splits.values())
    for one in speakers:
        if one.voice is not None and len(wanted[one.voice]) == 1:
            assert found.voices[one.name] == one.voice  # whatever its gender
        elif one.voice is not None:
            assert "people of another split ask for it too" in found.faults[one.name].detail
    assert assign_voices(speakers[::-1], KOKORO[::-1], SHARES, seed=seed).voices == found.voices


def test_two_who_are_to_be_told_apart_do_not_both_get_the_voice_they_ask_for() -> None:
    both = [Speaker(name, "train", "f", "af_sky") for name in ("ann", "eve")]
    assert set(assign_voices(both, KOKORO, SHARES).voices.values()) == {"af_sky"}
    found = assign_voices(both, KOKORO, SHARES, apart=[("ann", "eve")])
    assert list(found.voices.values()) == ["af_sky"]
    ((_, fault),) = found.faults.items()
    assert fault.fault == Fault.NO_VOICE and "somebody who is to be told apart has it" in fault.detail


def test_a_voice_that_nobody_offers_is_told() -> None:
    with pytest.raises(ValueError, match="ann asks for af_none"):
        assign_voices([Speaker("ann", "train", None, "af_none")], KOKORO, SHARES)
