"""Voices by name: `hibari:heart`, `kokoro:af_heart`, `server:NAME`, `flite:slt`, `espeak-ng:en-us+f2`."""

from __future__ import annotations

from pathlib import Path

from synth.voices.hibari_voice import HibariVoice
from synth.voices.kokoro_voice import KokoroVoice
from synth.voices.program_voices import espeak_voice, flite_voice
from synth.voices.server_voice import Server, ServerVoice
from synth.voices.voice import Gender, Voice, VoiceSetupError

ENGINES = ("hibari", "kokoro", "server", "flite", "espeak-ng")


def open_voice(
    name: str,
    *,
    server: Server | None = None,
    kokoro_folder: Path | None = None,
    gender: Gender | None = None,
    identity: str = "",
) -> Voice:
    """The voice called ENGINE:NAME, loaded. Only what that engine needs is imported.

    `gender` and `identity` describe a server's voice; the others know theirs. Raises VoiceSetupError.
    """
    engine, _, own = name.partition(":")
    if engine not in ENGINES or not own:
        raise VoiceSetupError(f"{name!r} is no voice: write ENGINE:NAME, with one of {', '.join(ENGINES)}")
    if engine == "hibari":
        return HibariVoice(own)
    if engine == "flite":
        return flite_voice(own)
    if engine == "espeak-ng":
        return espeak_voice(own)
    if engine == "kokoro":
        if kokoro_folder is None:
            raise VoiceSetupError(f"{name} needs the folder that holds {own}.bin")
        return KokoroVoice(own, kokoro_folder)
    if server is None:
        raise VoiceSetupError(f"{name} needs a server: its base URL and model")
    return ServerVoice(server, own, gender=gender, identity=identity)
