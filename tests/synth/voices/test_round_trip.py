"""What was spoken, judged by real ears: Whisper tiny.en, DNSMOS, resemblyzer, PocketSphinx."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.alignment import AlignmentError, ForcedAligner
from extractors.asr import Recogniser
from extractors.dnsmos import Dnsmos, opinion_over
from extractors.spelling import spoken_tokens
from extractors.voice_embedding import ResemblyzerVoice
from extractors.weights import MissingWeightsError, locate
from extractors.whisper_weights import find_whisper
from extractors.words import Word, word_error_rate
from synth.voices.hibari_voice import HibariVoice
from synth.voices.judging import Judges, Limits, at_hearing_rate
from synth.voices.round_trip import Request, speak_checked
from synth.voices.trimming import trim
from synth.voices.voice import Fault, Pcm, Reference, Spoken, Traits

TEXT = "There is a small garden behind the library."
OTHER = "The second half of the film was far too long."
SAID = Request(key="d1-t3", text=TEXT, run_seed=4)


def spell_out(text: str) -> list[str]:
    return [word for token in spoken_tokens(text) for word in token.spoken]


def as_spoken_wer(wanted: str, heard: str) -> float:
    return word_error_rate(" ".join(spell_out(wanted)), " ".join(spell_out(heard)))


@pytest.fixture(scope="module")
def hibari() -> HibariVoice:
    pytest.importorskip("hibari")
    return HibariVoice()


@pytest.fixture(scope="module")
def judges() -> Judges:
    """All ears there are; a test without one of them would show less than it says."""
    pytest.importorskip("faster_whisper")
    try:
        whisper = Recogniser(str(find_whisper("tiny.en").folder))
        dnsmos = Dnsmos(str(locate("dnsmos").path))
        voices = ResemblyzerVoice(str(locate("resemblyzer").path))
    except MissingWeightsError as error:
        pytest.skip(str(error))
    aligner = ForcedAligner()

    def opinion(pcm: Pcm) -> float | None:
        dnsmos.reset()
        rows = np.concatenate([dnsmos.feed(pcm), dnsmos.flush()])
        found = opinion_over(rows, 0.0, len(pcm) / 16_000)
        return None if found is None else found["ovrl"]

    def embed(pcm: Pcm) -> NDArray[np.float32]:
        return voices(pcm, np.array([[0, len(pcm)]]))[0]

    def align(pcm: Pcm, text: str) -> Sequence[Word] | None:
        try:
            return aligner(pcm, text)
        except AlignmentError:
            return None

    return Judges(
        recognise=lambda pcm: whisper(pcm).text,
        error_rate=as_spoken_wer,
        opinion=opinion,
        embed=embed,
        align=align,
        spell_out=spell_out,
    )


@pytest.fixture(scope="module")
def reader(judges: Judges) -> Judges:
    """Whisper alone."""
    return Judges(recognise=judges.recognise, error_rate=judges.error_rate, spell_out=spell_out)


class Faulty:
    """hibari's real sound, spoilt in the tries that `spoil` names; `seeded` as a voice that samples."""

    def __init__(self, hibari: HibariVoice, spoil: dict[int, object], **traits: object) -> None:
        self._hibari, self._spoil = hibari, spoil
        about = {"seeded": True, "retry_by": "seed", "clones": True, **traits}
        self.traits = Traits(name="faulty", fingerprint="", licence="Apache-2.0", **about)  # type: ignore[arg-type]
        self.asked: list[tuple[str, int, float]] = []

    def speak(
        self,
        text: str,
        *,
        seed: int,
        speed: float = 1.0,
        emotion: str | None = None,
        reference: Reference | None = None,
    ) -> Spoken:
        self.asked.append((text, seed, speed))
        spoil = self._spoil.get(len(self.asked))
        if isinstance(spoil, str):
            return self._hibari.speak(spoil, seed=0)
        spoken = self._hibari.speak(text, seed=0)
        return Spoken(spoil(spoken.pcm), spoken.rate_hz) if callable(spoil) else spoken


def noisy(pcm: Pcm) -> Pcm:
    """As much noise as speech."""
    level = float(np.sqrt(np.mean(np.square(pcm))))
    return pcm + np.random.default_rng(0).normal(0, level, len(pcm)).astype(np.float32)


def clipped(pcm: Pcm) -> Pcm:
    return np.clip(pcm * np.float32(20), -1, 1)


def stretched(pcm: Pcm) -> Pcm:
    return np.repeat(pcm, 4)


def test_a_good_rendering_passes_at_once(hibari: HibariVoice, judges: Judges) -> None:
    found = speak_checked(hibari, SAID, judges)
    assert found.fault is None and found.speech is not None
    row = found.row
    assert (row["tries"], row["wer"], row["words_from"]) == (1, 0.0, "aligner")
    assert row["heard"].rstrip(".") == TEXT.rstrip(".")
    assert 2.5 < row["dnsmos"] < 4
    assert 0.2 < row["lead_silence_s"] < 0.5 and 0.3 < row["tail_silence_s"] < 0.7
    assert -35 < row["level_dbfs"] < -15 and row["peak_dbfs"] < -1
    assert row["duration_s"] == len(found.speech.pcm) / 24_000
    json.dumps(row)  # plain columns
    again = speak_checked(hibari, SAID, judges)
    assert again.speech is not None
    assert again.speech.pcm.tobytes() == found.speech.pcm.tobytes()
    assert again.row == row


def test_another_key_is_another_seed(hibari: HibariVoice) -> None:
    seeds = {
        speak_checked(hibari, Request(key=key, text=TEXT, run_seed=run), Judges()).row["seed"]
        for key in ("a", "b")
        for run in (0, 1)
    }
    assert len(seeds) == 4
    assert max(seeds) < 2**31


@pytest.mark.parametrize(
    ("spoil", "fault", "heard_by"),
    [
        (OTHER, Fault.WER_HIGH, ("recognise", "error_rate")),
        (noisy, Fault.DNSMOS_LOW, ("opinion",)),
        (clipped, Fault.SPEECH_CLIPPED, ()),
        (stretched, Fault.PACE_ODD, ()),
        (np.zeros_like, Fault.SPEECH_SILENT, ()),
    ],
)
def test_what_is_spoilt_is_spoken_again(
    hibari: HibariVoice, judges: Judges, spoil: object, fault: Fault, heard_by: tuple[str, ...]
) -> None:
    voice = Faulty(hibari, {1: spoil})
    found = speak_checked(voice, SAID, Judges(**{name: getattr(judges, name) for name in heard_by}))
    assert found.fault is None and found.speech is not None
    assert found.row["tries"] == 2
    assert str(fault) in found.row["tries_faults"][0]
    assert found.row["tries_faults"][1] == []
    seeds = [seed for _, seed, _ in voice.asked]
    assert len(set(seeds)) == 2 and found.row["seed"] == seeds[1]


def test_what_stays_spoilt_fails_with_its_reason(hibari: HibariVoice, reader: Judges) -> None:
    voice = Faulty(hibari, dict.fromkeys((1, 2, 3), OTHER))
    found = speak_checked(voice, SAID, reader)
    assert found.fault == Fault.WER_HIGH
    assert found.speech is None and found.words is None
    assert found.detail is not None
    assert "film" in found.detail and "try 3 of 3" in found.detail
    assert found.row["wer"] > 0.5
    assert found.row["tries"] == len(voice.asked) == 3


def test_a_voice_without_a_seed_tries_another_pace(hibari: HibariVoice) -> None:
    voice = Faulty(hibari, {1: clipped, 2: clipped}, seeded=False, retry_by="speed")
    found = speak_checked(voice, SAID, Judges())
    assert [speed for *_, speed in voice.asked] == [1.0, 0.95, 1.05]
    assert len({seed for _, seed, _ in voice.asked}) == 1
    assert (found.fault, found.row["speed"], found.row["tries"]) == (None, 1.05, 3)


def test_short_answers_are_heard_and_not_judged_by_their_spelling(
    hibari: HibariVoice, reader: Judges
) -> None:
    found = speak_checked(hibari, Request(key="b", text="Mm-hmm."), reader)
    assert found.fault is None
    assert found.row["wer"] is not None


def test_the_reference_is_recognised(hibari: HibariVoice, judges: Judges, media: Path) -> None:
    """hibari stands for a server that imitates: of itself it reminds, of a man who reads it does not."""
    own = hibari.speak(OTHER, seed=0)
    himself, rate_hz = soundfile.read(media / "audio" / "libri_198-209-0000.ogg", dtype="float32")
    consent = {"consent": "voice cloning", "licence": "CC0-1.0"}
    same = Reference("heart", own.pcm, own.rate_hz, OTHER, **consent)
    other = Reference("198", himself[: 6 * rate_hz], rate_hz, "as printed", **consent)
    for reference, expected in ((same, None), (other, Fault.VOICE_DIFFERS)):
        voice = Faulty(hibari, {})
        request = Request(key="k", text=TEXT, reference=reference)
        found = speak_checked(voice, request, Judges(embed=judges.embed), Limits(tries=1))
        assert found.fault == expected
        assert found.row["cloned_speaker"] == reference.speaker
        assert (found.row["cloned_consent"], found.row["cloned_licence"]) == ("voice cloning", "CC0-1.0")


def test_nobody_is_imitated_without_consent(hibari: HibariVoice) -> None:
    clip = hibari.speak(OTHER, seed=0)
    who = Reference("spk7", clip.pcm, clip.rate_hz, OTHER, consent="research", licence="CC-BY-4.0")
    voice = Faulty(hibari, {})
    found = speak_checked(voice, Request(key="k", text=TEXT, reference=who), Judges())
    assert found.fault == Fault.CONSENT_MISSING
    assert not voice.asked
    assert (found.row["tries"], found.row["cloned_consent"]) == (0, "research")


def test_numbers_are_spelled_out_only_for_voices_that_need_it(hibari: HibariVoice, reader: Judges) -> None:
    text = "It costs $20, and 3 of them come at 9:30!"
    reads, needs_help = Faulty(hibari, {}), Faulty(hibari, {}, reads_numbers=False)
    for voice in (reads, needs_help):
        found = speak_checked(voice, Request(key="k", text=text), reader)
        assert found.fault is None
        assert found.row["text"] == text
    assert reads.asked[0][0] == text
    assert needs_help.asked[0][0] == "It costs twenty dollars, and three of them come at nine thirty!"
    with pytest.raises(ValueError, match="spell_out"):
        speak_checked(needs_help, Request(key="k", text=text), Judges())


def test_the_row_says_whether_the_emotion_was_voiced(hibari: HibariVoice) -> None:
    angry = Request(key="k", text=TEXT, emotion="Angry")
    assert speak_checked(hibari, angry, Judges()).row["emotion_voiced"] is False
    assert (
        speak_checked(Faulty(hibari, {}, takes_emotion=True), angry, Judges()).row["emotion_voiced"] is True
    )


def test_words_are_where_they_were_put(hibari: HibariVoice, judges: Judges) -> None:
    """Words spoken one by one and joined with pauses: where each lies is known beforehand."""
    words = ["garden", "library", "seven", "window", "morning", "cheerful"]
    parts, truth, at = [], [], 0
    noise = np.random.default_rng(1)
    for word in words:
        spoken = trim(hibari.speak(word, seed=0))
        truth.append((at, at + len(spoken.pcm)))
        pause = noise.normal(0, 1e-3, 6_000).astype(np.float32)
        parts += [spoken.pcm, pause]
        at += len(spoken.pcm) + len(pause)
    assert judges.align is not None
    sound = np.concatenate(parts)

    class Joined(Faulty):
        def speak(self, text: str, **_: object) -> Spoken:  # type: ignore[override]
            return Spoken(sound, 24_000)

    found = speak_checked(
        Joined(hibari, {}), Request(key="k", text=" ".join(words)), Judges(align=judges.align)
    )
    assert found.fault is None and found.words is not None
    assert [word.text for word in found.words] == words
    errors = np.abs(np.array([(w.start, w.stop) for w in found.words]) - np.array(truth)) / 24_000
    assert errors.mean() < 0.04
    assert errors.max() < 0.12


def test_text_and_sound_that_do_not_go_together(hibari: HibariVoice, judges: Judges) -> None:
    voice = Faulty(hibari, dict.fromkeys((1, 2, 3), "No."))
    long_text = "Honestly, I would rather stay in and read than go out tonight with all of them."
    found = speak_checked(
        voice, Request(key="k", text=long_text), Judges(align=judges.align), Limits(max_letters_a_second=1e9)
    )
    assert found.fault == Fault.NOT_ALIGNED


def test_hearing_is_at_16_khz() -> None:
    tone = np.sin(2 * np.pi * 440 * np.arange(24_000) / 24_000).astype(np.float32)
    heard = at_hearing_rate(tone, 24_000)
    assert len(heard) == 16_000
    spectrum = np.abs(np.fft.rfft(heard))
    assert int(np.argmax(spectrum)) == 440
