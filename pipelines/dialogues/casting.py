"""Casting: a voice for every person of the scripts, stable, of their gender, and heard in one split only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.dialogues.sections import SynthConfig
from pipelines.step import UnusableError
from synth.rewriting.scripts import Dialogue
from synth.voices.assignment import Speaker, assign_voices
from synth.voices.voice import Traits, VoiceError, VoiceSetupError


@dataclass(frozen=True)
class Cast:
    """`voices`: person to voice. `faults`: people without one, and why. The others: of each voice."""

    voices: dict[str, str]
    fingerprints: dict[str, str]
    languages: dict[str, str]
    faults: dict[str, VoiceError] = field(default_factory=dict)


def cast(dialogues: Sequence[Dialogue], splits: Mapping[str, str], config: SynthConfig) -> Cast:
    """With `speak.one_voice` the first voice speaks for whoever gets none of their own."""
    pool = traits(config)
    fingerprints = {one.name: one.fingerprint for one in pool}
    languages = {one.name: one.language for one in pool}
    people = {
        dialogue.person(name): Speaker(dialogue.person(name), splits[dialogue.id], speaker.gender)
        for dialogue in dialogues
        for name, speaker in dialogue.speakers.items()
    }
    together = [[dialogue.person(name) for name in dialogue.speakers] for dialogue in dialogues]
    found = assign_voices(
        people.values(), pool, config.pack.split_shares, apart=together, seed=config.speak.seed
    )
    voices = dict(found.voices)
    if not config.speak.one_voice:
        return Cast(voices, fingerprints, languages, found.faults)
    return Cast(voices | dict.fromkeys(found.faults, pool[0].name), fingerprints, languages)


def traits(config: SynthConfig) -> list[Traits]:
    """What is known of each voice of the pool. Raises UnusableError for one that cannot speak."""
    from pipelines.dialogues.speak import open_configured

    try:
        return [open_configured(name, config.speak).traits for name in config.speak.voices]
    except VoiceSetupError as error:
        raise UnusableError(str(error)) from error
