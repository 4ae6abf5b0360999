"""Which clip lends a voice, and which voice a script may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.dialogues.casting import asked_voices, cast
from pipelines.dialogues.cloning import Lent, ReferenceClip, _Candidate, chosen
from pipelines.dialogues.sections import CloneConfig, SynthConfig
from pipelines.step import UnusableError
from synth.rewriting.scripts import Dialogue
from synth.voices.voice import VoiceError

CONFIG = CloneConfig(corpus="lending", voice="server:x")


def clip(key: str = "a", **changes: Any) -> _Candidate:
    share = changes.pop("other_voice_share", None)
    fields = {
        **{"key": key, "shard": "s", "member": "flac", "sha256": "0", "split": "train", "speaker": "ann"},
        **{"text": "words", "duration_s": 5.0, "dnsmos": 3.0, "source": {}},
        **{"licence": "CC0-1.0", "consent": "voice cloning"},
    }
    return _Candidate(ReferenceClip(**(fields | changes)), share)


CANDIDATES = st.lists(
    st.builds(
        clip,
        key=st.text("abc", min_size=1, max_size=3),
        duration_s=st.sampled_from([2.9, 3.0, 5.0, 15.0, 15.1]),
        dnsmos=st.sampled_from([None, 2.04, 2.0, 3.0, 3.3]),
        text=st.sampled_from(["", "words"]),
        consent=st.sampled_from([None, "voice cloning"]),
        licence=st.sampled_from([None, "CC0-1.0"]),
        other_voice_share=st.sampled_from([None, 0.0, 0.05, 0.5]),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda one: one.clip.key,
)


@given(CANDIDATES, st.randoms(), st.booleans())
def test_the_cleanest_then_the_longest_that_may_and_can_be_one(
    candidates: list[_Candidate], random: Any, with_text: bool
) -> None:
    """Against the rule written out as a ladder: each rung leaves out what is worse."""
    left = [one for one in candidates if one.clip.consent and one.clip.licence]
    may = list(left)
    left = [one for one in left if 3 <= one.clip.duration_s <= 15 and (one.other_voice_share or 0) <= 0.05]
    left = [one for one in left if one.clip.text or not with_text]
    tenths = max((round(10 * (one.clip.dnsmos or 0)) for one in left), default=0)
    left = [one for one in left if round(10 * (one.clip.dnsmos or 0)) == tenths]
    longest = max((one.clip.duration_s for one in left), default=0)
    left = sorted(one.clip.key for one in left if one.clip.duration_s == longest)
    shuffled = list(candidates)
    random.shuffle(shuffled)
    if left:
        assert chosen(shuffled, CONFIG, with_text=with_text).key == left[0]
        return
    with pytest.raises(VoiceError) as caught:
        chosen(shuffled, CONFIG, with_text=with_text)
    agreed = any(one.clip.consent for one in candidates)
    expected = "no_reference" if may else "licence_missing" if agreed else "consent_missing"
    assert caught.value.fault == expected


def test_why_no_clip_can_be_one_is_counted() -> None:
    clips = [clip("a", duration_s=1.0), clip("b", duration_s=2.0), clip("c", other_voice_share=0.4)]
    with pytest.raises(VoiceError, match=r"no clip .*: 2 shorter than 3 s, 1 with other voices"):
        chosen(clips, CONFIG, with_text=True)
    with pytest.raises(VoiceError, match="lending has ann in test and train"):
        chosen([clip("a"), clip("b", split="test")], CONFIG, with_text=True)


def talk(key: str, first: dict[str, Any], second: dict[str, Any]) -> Dialogue:
    turns = [{"speaker": "A", "text": "hello"}]
    return Dialogue.model_validate({"id": key, "speakers": {"A": first, "B": second}, "turns": turns})


def voices(dialogues: Sequence[Dialogue], **speak: Any) -> dict[str, str]:
    pool = ["hibari:heart", "flite:rms", "flite:slt"]
    config = SynthConfig.model_validate(
        {"speak": {"voices": pool} | speak, "pack": {"split_shares": {"train": 1.0}}}
    )
    found = cast(dialogues, {one.id: "train" for one in dialogues}, Lent(), config)
    return found.voices | {person: error.detail for person, error in found.faults.items()}


@pytest.mark.usefixtures("voices")
def test_a_script_may_ask_for_a_voice_of_the_pool() -> None:
    ann = {"person": "ann", "gender": "female"}
    for wanted in ("flite:rms", "flite:slt"):  # whatever her gender
        got = voices([talk("one", ann | {"voice": wanted}, {"gender": "male"}), talk("two", ann, {})])
        assert got["ann"] == wanted and len(set(got.values())) >= 2 and got["one/B"] != wanted
    same = talk("one", ann | {"voice": "flite:rms"}, {"voice": "flite:rms"})
    assert sorted(voices([same]).values())[1].endswith("somebody who is to be told apart has it")
    assert set(voices([same], one_voice=True).values()) == {"flite:rms"}


def test_what_cannot_be_asked_for_stops_the_run() -> None:
    with pytest.raises(UnusableError, match="dialogue one, speaker B: the voice 'x:y' is none of"):
        asked_voices([talk("one", {}, {"voice": "x:y"})], ["hibari:heart"])
    two = [
        talk(key, {"person": "ann", "voice": voice}, {}) for key, voice in (("one", "a:b"), ("two", "a:c"))
    ]
    with pytest.raises(UnusableError, match="dialogue two, speaker A: ann has the voice a:c here and a:b"):
        asked_voices(two, ["a:b", "a:c"])
