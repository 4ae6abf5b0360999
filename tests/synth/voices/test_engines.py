"""The engines that run here, with what each of them says measured by somebody else."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soxr

from synth.voices.catalogue import open_voice
from synth.voices.hibari_voice import HibariVoice
from synth.voices.kokoro_voice import ENGLISH_VOICES, KokoroVoice
from synth.voices.program_voices import ProgramVoice, espeak_voice, flite_voice
from synth.voices.round_trip import Judges, Request, speak_checked
from synth.voices.trimming import trim
from synth.voices.voice import Fault, Reference, Traits, Voice, VoiceError, VoiceSetupError

TEXT = "I forgot my keys, so I waited on the stairs."


@pytest.fixture(scope="module")
def hibari() -> HibariVoice:
    pytest.importorskip("hibari")
    return HibariVoice()


def program(name: str) -> ProgramVoice:
    engine = name.split(":", maxsplit=1)[0]
    if shutil.which(engine) is None:
        pytest.skip(f"{engine} is not installed (Debian: apt-get install {engine})")
    voice = open_voice(name)
    assert isinstance(voice, ProgramVoice)
    return voice


@pytest.fixture(scope="module")
def kokoro_folder() -> Iterator[Path]:
    """`DUOLOGUE_MODELS/kokoro`, with the voices of the npm package kokoro-js."""
    folder = Path(os.environ.get("DUOLOGUE_MODELS", "")) / "kokoro"
    if not (folder / "voices").is_dir():
        pytest.skip("DUOLOGUE_MODELS has no kokoro/voices (they are in the npm package kokoro-js)")
    try:
        KokoroVoice("af_heart", folder)
    except VoiceSetupError as error:
        pytest.skip(str(error))
    return folder


def test_the_same_seed_in_another_process_gives_the_same_bytes(hibari: HibariVoice) -> None:
    script = (
        "import hashlib; from synth.voices.hibari_voice import HibariVoice;"
        f"print(hashlib.sha256(HibariVoice().speak({TEXT!r}, seed=5).pcm.tobytes()).hexdigest())"
    )
    hibari.speak("Something else first.", seed=9)
    mine = hashlib.sha256(hibari.speak(TEXT, seed=5).pcm.tobytes()).hexdigest()
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment, check=True)
    assert done.stdout.decode().strip() == mine


def test_what_the_seed_and_the_pace_change(hibari: HibariVoice) -> None:
    one, other = hibari.speak(TEXT, seed=1).pcm, hibari.speak(TEXT, seed=2).pcm
    assert hibari.traits.seeded
    assert not np.array_equal(one, other)
    assert len(one) == len(other)  # breath only: why a second try takes another pace
    lengths = [len(hibari.speak(TEXT, seed=1, speed=speed).pcm) for speed in (0.9, 0.95, 1.0, 1.05, 1.1)]
    assert lengths == sorted(set(lengths), reverse=True)


def test_a_text_does_not_steer_its_engine(hibari: HibariVoice) -> None:
    """hibari reads what stands in `[word](/…/)` as phonemes."""
    steered = hibari.speak("Say [hello](/wˈʌn tˈuː θɹˈiː fˈɔːɹ fˈaɪv sˈɪks/) now.", seed=0)
    plain = hibari.speak("Say hello now.", seed=0)
    round_brackets = hibari.speak("Say (hello)(/wˈʌn tˈuː θɹˈiː fˈɔːɹ fˈaɪv sˈɪks/) now.", seed=0)
    assert np.array_equal(steered.pcm, round_brackets.pcm)
    assert not np.array_equal(steered.pcm, plain.pcm)


@pytest.mark.parametrize("text", ["", "  ", "...", "\x00", "—"])
def test_nothing_to_say(hibari: HibariVoice, text: str) -> None:
    with pytest.raises(VoiceError) as caught:
        hibari.speak(text, seed=0)
    assert caught.value.fault == Fault.TEXT_EMPTY


def test_nobody_is_imitated_by_a_voice_that_cannot(hibari: HibariVoice) -> None:
    who = Reference("spk1", np.zeros(16_000, np.float32), 16_000, "hello", "voice cloning", "CC0-1.0")
    found = speak_checked(hibari, Request(key="k", text=TEXT, reference=who), Judges())
    assert found.fault == Fault.CANNOT_CLONE
    assert found.row["cloned_speaker"] == "spk1"


def test_voices_that_are_not_there_say_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("hibari")
    monkeypatch.setenv("HIBARI_HOME", str(tmp_path))
    with pytest.raises(VoiceSetupError, match="fenrir"):
        HibariVoice("fenrir")
    assert not list(tmp_path.iterdir())  # nothing was downloaded
    with pytest.raises(VoiceSetupError, match="it has heart"):
        HibariVoice("nobody")
    with pytest.raises(VoiceSetupError, match=r"af_sky\.bin"):
        KokoroVoice("af_sky", tmp_path)
    (tmp_path / "af_sky.bin").write_bytes(b"short")
    with pytest.raises(VoiceSetupError, match="5 bytes"):
        KokoroVoice("af_sky", tmp_path)
    for name in ("nobody:x", "hibari", "kokoro:af_sky", "server:x"):
        with pytest.raises(VoiceSetupError):
            open_voice(name)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VoiceSetupError, match="apt-get install flite"):
        flite_voice("slt")
    for name in ("xx-klingon", "en-gb+f2", "en-us+f9"):  # espeak-ng itself accepts them, and says it its way
        with pytest.raises(VoiceSetupError, match="none of en-us"):
            espeak_voice(name)


def pitch_hz(voice: Voice) -> float:
    """Median pitch: adults are usually said to speak at 85-155 Hz (men) and 165-255 Hz (women)."""
    detector = pytest.importorskip("swift_f0").SwiftF0(threads=1)
    spoken = voice.speak("I forgot my keys.", seed=0)
    found = detector.detect(soxr.resample(spoken.pcm, spoken.rate_hz, 16_000), 16_000, 60, 400)
    return float(np.median(np.asarray(found.pitch_hz)[found.confidence > 0.9]))


@pytest.mark.parametrize("name", ["flite:slt", "flite:rms", "espeak-ng:en-us", "espeak-ng:en+f2"])
def test_programs(name: str) -> None:
    voice = program(name)
    spoken = voice.speak(TEXT, seed=1)
    assert spoken.pcm.tobytes() == voice.speak(TEXT, seed=2).pcm.tobytes()
    assert not voice.traits.seeded
    usual, fast = (trim(voice.speak(TEXT, seed=0, speed=speed)).duration_s for speed in (1.0, 1.2))
    assert 2 < usual < 5
    assert fast == pytest.approx(usual / 1.2, rel=0.1)
    assert (pitch_hz(voice) > 160) == (voice.traits.gender == "female")


@pytest.mark.parametrize("name", ["flite:slt", "espeak-ng:en-us"])
def test_a_text_is_no_option_and_no_command(name: str, tmp_path: Path) -> None:
    voice = program(name)
    bait = tmp_path / "bait"
    plain = len(voice.speak("o", seed=0).pcm)
    for text in (f"-o {bait}", f"; touch {bait}", f"$(touch {bait})", f"`touch {bait}`", f"-w {bait}"):
        assert len(voice.speak(text, seed=0).pcm) > plain
    assert not bait.exists()


def test_a_program_that_fails_is_told() -> None:
    traits = Traits(name="false", fingerprint="", licence="")
    with pytest.raises(VoiceError, match="exit code 1") as caught:
        ProgramVoice(traits, "false", lambda speed, said, sound: []).speak(TEXT, seed=0)
    assert caught.value.fault == Fault.PROGRAM_FAILED


def test_a_word_of_kokoro(kokoro_folder: Path) -> None:
    """The fast one: loading the network is most of it."""
    voice = KokoroVoice("af_heart", kokoro_folder)
    spoken = voice.speak("Yes.", seed=1)
    assert spoken.rate_hz == 24_000 and 0.2 < trim(spoken).duration_s < 1
    assert 0.05 < np.abs(spoken.pcm).max() <= 1.2


@pytest.mark.slow  # 0.8 to 1.5 of real time, after five seconds of loading
@pytest.mark.parametrize("name", ["af_heart", "am_michael", "bf_emma", "bm_george"])
def test_kokoro(name: str, kokoro_folder: Path) -> None:
    voice = KokoroVoice(name, kokoro_folder)
    spoken = voice.speak("I forgot my keys.", seed=1)
    assert spoken.pcm.tobytes() == voice.speak("I forgot my keys.", seed=2).pcm.tobytes()
    assert 0.8 < trim(spoken).duration_s < 2
    assert (pitch_hz(voice) > 160) == (voice.traits.gender == "female")
    assert voice.traits.language == ("en-GB" if name.startswith("b") else "en-US")


def test_kokoro_names() -> None:
    assert len(ENGLISH_VOICES) == len(set(ENGLISH_VOICES)) == 28
