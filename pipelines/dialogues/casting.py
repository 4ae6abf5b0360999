"""Casting: a voice for every person of the scripts, stable, of their gender, and heard in one split only.

Who is imitated speaks with the voice that imitates; the others share the pool.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.dialogues.cloning import Lent, ReferenceClip
from pipelines.dialogues.sections import SynthConfig
from pipelines.step import UnusableError
from synth.rewriting.scripts import Dialogue
from synth.voices.assignment import Speaker, assign_voices
from synth.voices.voice import Traits, VoiceError, VoiceSetupError


@dataclass(frozen=True)
class Cast:
    """`voices`: person to voice. `clips`: whom a voice imitates from which clip. `faults`: people without a
    voice, and why. The others: of each voice."""

    voices: dict[str, str]
    fingerprints: dict[str, str]
    languages: dict[str, str]
    clips: dict[str, ReferenceClip] = field(default_factory=dict)
    faults: dict[str, VoiceError] = field(default_factory=dict)


def cast(dialogues: Sequence[Dialogue], splits: Mapping[str, str], lent: Lent, config: SynthConfig) -> Cast:
    """Everybody in a dialogue that has a split. With `speak.one_voice` whoever gets no voice of the pool has
    the one they ask for, or else the first."""
    pool, clone = traits(config), config.speak.clone
    known = [*pool, *([_traits_of(clone.voice, config)] if clone else [])]
    placed = [dialogue for dialogue in dialogues if dialogue.id in splits]
    asked = asked_voices(placed, [one.name for one in pool])
    people = {
        dialogue.person(name): Speaker(
            dialogue.person(name), splits[dialogue.id], speaker.gender, asked.get(dialogue.person(name))
        )
        for dialogue in placed
        for name, speaker in dialogue.speakers.items()
        if dialogue.person(name) not in lent.clips and dialogue.person(name) not in lent.faults
    }
    together = [[dialogue.person(name) for name in dialogue.speakers] for dialogue in placed]
    found = assign_voices(
        people.values(), pool, config.pack.split_shares, apart=together, seed=config.speak.seed
    )
    voices, faults = dict(found.voices), dict(found.faults)
    if config.speak.one_voice:
        voices |= {person: asked.get(person, pool[0].name) for person in faults}
        faults = {}
    return Cast(
        voices=voices | (dict.fromkeys(lent.clips, clone.voice) if clone else {}),
        fingerprints={one.name: one.fingerprint for one in known},
        languages={one.name: one.language for one in known},
        clips=lent.clips,
        faults=faults | lent.faults,
    )


def asked_voices(dialogues: Sequence[Dialogue], pool: Sequence[str]) -> dict[str, str]:
    """The voice of the pool that the scripts ask for, by person. Raises UnusableError for one that is not in
    the pool and for a person with two."""
    asked: dict[str, str] = {}
    for dialogue in dialogues:
        for name, speaker in dialogue.speakers.items():
            if speaker.voice is None:
                continue
            person, where = dialogue.person(name), f"dialogue {dialogue.id}, speaker {name}"
            if speaker.voice not in pool:
                raise UnusableError(
                    f"{where}: the voice {speaker.voice!r} is none of `speak.voices` ({', '.join(pool)})"
                )
            if asked.setdefault(person, speaker.voice) != speaker.voice:
                raise UnusableError(
                    f"{where}: {person} has the voice {speaker.voice} here and {asked[person]} elsewhere"
                )
    return asked


def traits(config: SynthConfig) -> list[Traits]:
    """What is known of each voice of the pool. Raises UnusableError for one that cannot speak."""
    return [_traits_of(name, config) for name in config.speak.voices]


def _traits_of(name: str, config: SynthConfig) -> Traits:
    from pipelines.dialogues.speak import open_configured

    try:
        return open_configured(name, config.speak).traits
    except VoiceSetupError as error:
        raise UnusableError(str(error)) from error
