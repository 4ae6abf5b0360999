"""The small English voices of `hibari-tts`, run here: one is inside the package."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata
from typing import Any

import numpy as np

from manifests.ids import digest
from synth.voices.voice import Reference, Spoken, Traits, VoiceSetupError, refuse_reference, speakable

RATE_HZ = 24_000
LIBRARIES = ("hibari-tts", "onnxruntime")


class HibariVoice:
    """A voice of hibari-tts (Apache-2.0, distilled from one of Kokoro's), 24 kHz, one thread.

    The seed changes the breath noise and nothing else, so a second try varies the pace. Voices other than
    `heart` are files that the user puts where hibari looks for them: nothing is downloaded behind one's back.
    Raises VoiceSetupError for a name that is not known or not there, ImportError without the package.
    """

    def __init__(self, name: str = "heart") -> None:
        self._engine = hibari_engine(name)
        about = _registry()[name]
        self.traits = Traits(
            name=f"hibari:{name}",
            fingerprint=digest("hibari", metadata.version("hibari-tts"), about["sha256"]),
            licence="Apache-2.0",
            gender=about["gender"],
            language=about["language"],
            identity=f"kokoro:{about['kokoro']}",
            seeded=True,
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
        """See `synth.voices.voice.Voice`."""
        refuse_reference(self.traits, reference)
        pcm = self._engine(speakable(text), speed=speed, seed=seed)
        return Spoken(np.asarray(pcm, np.float32), RATE_HZ)


@lru_cache(maxsize=8)
def hibari_engine(name: str = "heart", *, british: bool | None = None) -> Any:
    """The engine, which also turns English into the phonemes of Kokoro (`phonemize`).

    `british` None: as the voice speaks. Raises VoiceSetupError.
    """
    registry = _registry()
    from hibari import Hibari
    from hibari.g2p import G2P
    from hibari.voices import voice_path

    if name not in registry:
        raise VoiceSetupError(f"hibari has no voice {name!r}; it has {', '.join(registry)}")
    try:
        path = voice_path(name, download_missing=False)
    except FileNotFoundError as error:
        raise VoiceSetupError(
            f"the voice hibari:{name} is not on this machine: run `hibari --voice {name} hello -o /dev/null` "
            f"once where there is a network, or put its file to {error}"
        ) from error
    wanted = registry[name]["british"] if british is None else british
    return Hibari(voice=name, model=path, threads=1, g2p=G2P(british=wanted))


def _registry() -> dict[str, Any]:
    try:
        from hibari.voices import VOICES
    except ImportError as error:
        raise ImportError(
            "this voice needs hibari-tts (Kokoro too, for its phonemes): pip install 'duologue[demo]'"
        ) from error
    return dict(VOICES)
