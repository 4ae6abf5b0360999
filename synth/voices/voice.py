"""Voice: what a text-to-speech engine is to the rest of the code, and why speaking can fail."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.float32]
"""(n,) mono, full scale ±1."""
Gender = Literal["female", "male"]


class Fault(StrEnum):
    """Why a text was not spoken, or not well enough to keep."""

    TEXT_EMPTY = "text_empty"
    CONSENT_MISSING = "consent_missing"
    LICENCE_MISSING = "licence_missing"
    CANNOT_CLONE = "cannot_clone"
    NO_REFERENCE = "no_reference"
    SPLIT_CONFLICT = "split_conflict"
    NO_VOICE = "no_voice"
    SERVER_FAILED = "server_failed"
    ANSWER_NOT_AUDIO = "answer_not_audio"
    ANSWER_TRUNCATED = "answer_truncated"
    ANSWER_TOO_LARGE = "answer_too_large"
    WRONG_RATE = "wrong_rate"
    PROGRAM_FAILED = "program_failed"
    SPEECH_SILENT = "speech_silent"
    NOT_FINITE = "not_finite"
    SPEECH_CLIPPED = "speech_clipped"
    PACE_ODD = "pace_odd"
    WER_HIGH = "wer_high"
    DNSMOS_LOW = "dnsmos_low"
    VOICE_DIFFERS = "voice_differs"
    EMOTION_DIFFERS = "emotion_differs"
    NOT_ALIGNED = "not_aligned"


class VoiceError(Exception):
    """An expected fault of one text: `fault` and a sentence for the user in `detail`."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault}: {detail}")
        self.fault = fault
        self.detail = detail


class VoiceSetupError(Exception):
    """No text can be spoken so: a missing program, file or key, a server that refuses. Says what to do."""


@dataclass(frozen=True)
class SpokenWord:
    """A word as written, heard in the half-open [start, stop) samples."""

    text: str
    start: int
    stop: int


@dataclass(frozen=True)
class Spoken:
    """What an engine gave: `pcm` at `rate_hz` Hz, and its words where the engine tells when they are said."""

    pcm: Pcm
    rate_hz: int
    words: tuple[SpokenWord, ...] | None = None


@dataclass(frozen=True)
class Reference:
    """A clip of the person who is to be imitated, what is said in it, and what that person allowed.

    `consent` and `licence` are the corpus's own words, as its sidecar has them; see `synth.voices.consent`.
    """

    speaker: str
    pcm: Pcm
    rate_hz: int
    text: str
    consent: str | None
    licence: str | None


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is known of a voice before it speaks; all of it decides bytes or rows.

    `identity` is the person who is heard: two voices with one identity (a model and its distilled copy) are
    never told to be two people. `seeded`: another seed gives other bytes. `retry_by`: what makes a second try
    differ enough to be worth it. `reads_numbers`: digits and signs may stand in the text. `fingerprint`:
    digest of weights, program or server model, for step keys.
    """

    name: str
    fingerprint: str
    licence: str
    gender: Gender | None = None
    language: str = "en"
    identity: str = ""
    seeded: bool = False
    retry_by: Literal["seed", "speed"] = "speed"
    reads_numbers: bool = True
    takes_emotion: bool = False
    clones: bool = False

    def __post_init__(self) -> None:
        if self.retry_by == "seed" and not self.seeded:
            raise ValueError(f"{self.name} takes no seed: a second try with another one would be the same")
        if not self.identity:
            object.__setattr__(self, "identity", self.name)


class Voice(Protocol):
    """A voice that speaks. The same text, seed, speed, emotion and reference give the same bytes, where the
    engine runs here; a server answers for itself.
    """

    traits: Traits

    def speak(
        self,
        text: str,
        *,
        seed: int,
        speed: float = 1.0,
        emotion: str | None = None,
        reference: Reference | None = None,
    ) -> Spoken:
        """The sound of `text`; `speed` 1 is the voice's own pace, 1.1 is a tenth faster.

        An emotion is passed on where `traits.takes_emotion`, else without effect. Raises VoiceError for what
        is wrong with this text and VoiceSetupError where nothing can be spoken.
        """


_ASCII_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


def speakable(text: str) -> str:
    """`text` on one line, composed (NFC), without control characters; what every engine is given.

    Square brackets become round ones: hibari and espeak-ng read what stands in `[…](…)` and `[[…]]` as
    phonemes, and a text must not steer its engine. Raises VoiceError(TEXT_EMPTY) where nothing can be said.
    """
    plain = unicodedata.normalize("NFC", _ASCII_CONTROL.sub(" ", text))
    plain = " ".join(plain.translate(str.maketrans("[]", "()")).split())
    if not any(one.isalnum() for one in plain):
        raise VoiceError(Fault.TEXT_EMPTY, f"{text[:40]!r} has neither a letter nor a digit")
    return plain


def refuse_reference(traits: Traits, reference: Reference | None) -> None:
    """VoiceError(CANNOT_CLONE) for a reference to a voice that would not listen to it."""
    if reference is not None and not traits.clones:
        raise VoiceError(
            Fault.CANNOT_CLONE,
            f"{traits.name} cannot imitate {reference.speaker}: use a server that takes a reference clip",
        )
