"""The last resort: the programs flite and espeak-ng, which sound like machines and need next to nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from manifests.ids import digest
from synth.voices.decoding import decode
from synth.voices.voice import (
    Fault,
    Gender,
    Reference,
    Spoken,
    Traits,
    VoiceError,
    VoiceSetupError,
    refuse_reference,
    speakable,
)

FLITE_VOICES: dict[str, Gender] = {"awb": "male", "kal16": "male", "rms": "male", "slt": "female"}
_FLITE_IDENTITIES = {"awb": "arctic:awb", "rms": "arctic:rms", "slt": "arctic:slt"}  # the CMU ARCTIC speakers
ESPEAK_ACCENTS = {
    **{"en-us": "en-US", "en": "en-GB", "en-gb-x-rp": "en-GB", "en-gb-scotland": "en-GB"},
    "en-029": "en-029",
}
"""To BCP 47. Other names (`en-gb`!) it takes as well, and then speaks as a man whatever the variant says."""
_ESPEAK_NAME = re.compile(r"(?P<accent>[a-z0-9-]+)(?:\+(?P<variant>f[1-5]|m[1-8]))?")
_ESPEAK_WORDS_A_MINUTE = 175  # its default
_TIMEOUT_S = 60.0
Arguments = Callable[[float, str, str], list[str]]
"""(speed, file of the text, file of the sound) to the command's arguments."""


class ProgramVoice:
    """A text-to-speech program, run without a shell, the text in a file: nothing in it can be an option.

    The same text gives the same bytes and there is no seed. Raises VoiceSetupError where the program is not
    installed.
    """

    def __init__(self, traits: Traits, program: str, arguments: Arguments) -> None:
        self.traits = traits
        self._path = _path(program)
        self._arguments = arguments

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
        with tempfile.TemporaryDirectory(prefix="duologue-voice-") as folder:
            said, sound = Path(folder) / "text.txt", Path(folder) / "sound.wav"
            said.write_text(speakable(text) + "\n", encoding="utf-8")
            command = [self._path, *self._arguments(speed, str(said), str(sound))]
            try:
                done = subprocess.run(command, capture_output=True, timeout=_TIMEOUT_S, check=False)
            except subprocess.TimeoutExpired:
                raise self._failed(f"it did not end within {_TIMEOUT_S:g} s") from None
            if done.returncode or not sound.is_file():
                told = done.stderr.decode("utf-8", "replace").strip()[-200:]
                raise self._failed(f"exit code {done.returncode}: {told or 'it says nothing'}")
            data = sound.read_bytes()
        return decode(data, self.traits.name)

    def _failed(self, what: str) -> VoiceError:
        return VoiceError(Fault.PROGRAM_FAILED, f"{self.traits.name}: {what}")


def flite_voice(name: str) -> ProgramVoice:
    """flite (BSD-like), voices `FLITE_VOICES`: 8 or 16 kHz. Raises VoiceSetupError."""
    if name not in FLITE_VOICES:
        raise VoiceSetupError(f"flite has no voice {name!r} that is used here: {', '.join(FLITE_VOICES)}")
    traits = Traits(
        name=f"flite:{name}",
        fingerprint=digest("flite", _version("flite", "--version"), name),
        licence="flite: BSD-like",
        gender=FLITE_VOICES[name],
        language="en-GB" if name == "awb" else "en-US",
        identity=_FLITE_IDENTITIES.get(name, ""),
    )

    def arguments(speed: float, said: str, sound: str) -> list[str]:
        return ["-voice", name, "--setf", f"duration_stretch={1 / speed:.4f}", "-f", said, "-o", sound]

    return ProgramVoice(traits, "flite", arguments)


def espeak_voice(name: str) -> ProgramVoice:
    """espeak-ng (GPL-3, a program of its own: run, not linked), such as `en-us`, `en+f2`; 22.05 kHz.

    `ESPEAK_ACCENTS`, with a variant +f1 to +f5 or +m1 to +m8, whose letter is the gender; without one the
    voices are male. Raises VoiceSetupError.
    """
    match = _ESPEAK_NAME.fullmatch(name)
    if match is None or match["accent"] not in ESPEAK_ACCENTS:
        accents = ", ".join(ESPEAK_ACCENTS)
        raise VoiceSetupError(f"espeak-ng:{name} is none of {accents}, alone or with +f1…+f5, +m1…+m8")
    traits = Traits(
        name=f"espeak-ng:{name}",
        fingerprint=digest("espeak-ng", _version("espeak-ng", "--version"), name),
        licence="espeak-ng: GPL-3.0-or-later (the program; not what it says)",
        gender="female" if (match["variant"] or "m").startswith("f") else "male",
        language=ESPEAK_ACCENTS[match["accent"]],
    )

    def arguments(speed: float, said: str, sound: str) -> list[str]:
        pace = str(round(_ESPEAK_WORDS_A_MINUTE * speed))
        return ["-v", name, "-s", pace, "-b", "1", "-f", said, "-w", sound]

    return ProgramVoice(traits, "espeak-ng", arguments)


def _path(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise VoiceSetupError(
            f"{program} is not installed: apt-get install {program}, or choose another voice"
        )
    return found


@lru_cache(maxsize=4)
def _version(program: str, option: str) -> str:
    done = subprocess.run([_path(program), option], capture_output=True, timeout=_TIMEOUT_S, check=False)
    return (done.stdout + done.stderr).decode("utf-8", "replace").strip()
