from __future__ import annotations

import numpy as np
import pytest

from synth.voices.consent import check_consent
from synth.voices.voice import Fault, Reference, VoiceError


def clip(consent: str | None, licence: str | None = "CC-BY-4.0") -> Reference:
    return Reference("spk7", np.zeros(16_000, np.float32), 16_000, "hello", consent, licence)


@pytest.mark.parametrize(
    "consent", ["voice cloning", "research; Voice-Cloning", "all uses", "a|speech_synthesis"]
)
def test_who_agreed_may_be_imitated(consent: str) -> None:
    check_consent(clip(consent))


@pytest.mark.parametrize(
    "consent",
    [None, "", " ", "research", "yes", "no voice cloning", "voice cloning not granted", "voice", "none"],
)
def test_everything_else_is_refused(consent: str | None) -> None:
    with pytest.raises(VoiceError, match="spk7") as caught:
        check_consent(clip(consent))
    assert caught.value.fault == Fault.CONSENT_MISSING
    assert "voice cloning" in caught.value.detail  # says what to write


@pytest.mark.parametrize("licence", [None, "", "  "])
def test_a_licence_is_needed_too(licence: str | None) -> None:
    with pytest.raises(VoiceError) as caught:
        check_consent(clip("voice cloning", licence))
    assert caught.value.fault == Fault.LICENCE_MISSING


def test_a_corpus_with_words_of_its_own() -> None:
    check_consent(clip("TTS-ok"), allowing=frozenset({"tts ok"}))
    with pytest.raises(VoiceError):
        check_consent(clip("voice cloning"), allowing=frozenset({"tts ok"}))
