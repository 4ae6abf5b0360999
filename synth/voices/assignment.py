"""Who speaks with which voice: of the person's gender, never heard in two splits, the same in every run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from manifests.ids import digest
from manifests.splits import SPLITS
from synth.voices.voice import Fault, Gender, Traits, VoiceError

_GENDERS: Mapping[str, Gender] = {
    **dict.fromkeys(("f", "female", "woman", "w"), "female"),
    **dict.fromkeys(("m", "male", "man"), "male"),
}


@dataclass(frozen=True)
class Speaker:
    """Somebody who is to be heard. `gender` as the corpus gives it; what is neither female nor male, or
    None, may have any voice. `voice`: the one that is asked for, whatever its gender.
    """

    name: str
    split: str
    gender: str | None = None
    voice: str | None = None


@dataclass(frozen=True)
class Assignment:
    """`voices`: speaker to the name of a voice. `faults`: speakers who get none, and why."""

    voices: dict[str, str]
    faults: dict[str, VoiceError]


def gender_of(told: str | None) -> Gender | None:
    """A corpus's word for a gender as the voices have it; None where it is neither of the two."""
    return _GENDERS.get((told or "").strip().casefold())


def voices_of_splits(
    voices: Sequence[Traits],
    shares: Mapping[str, float],
    *,
    seed: int = 0,
    settled: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Name of each voice to the one split that may hear it.

    Voices of one identity go together. `settled`: identities whose split is fixed, since somebody asked for
    them. The others of each gender are dealt out: ordered by digest, every split without one gets one, in
    the order train, valid, test, and the rest go where most is missing of `shares` (positive weights). With
    fewer identities than splits the last splits get none. Nobody else's wishes play a part. A voice added to
    the pool may move others: a pool is fixed for a corpus. Raises ValueError for shares that are not
    positive, a name given twice and an identity of two genders.
    """
    if not shares or min(shares.values()) <= 0:
        raise ValueError(f"shares must be positive, not {dict(shares)}")
    identities: dict[str, list[Traits]] = {}
    for voice in voices:
        identities.setdefault(voice.identity, []).append(voice)
    if len({voice.name for voice in voices}) < len(voices):
        raise ValueError("a voice is given twice")
    splits = sorted(shares, key=lambda one: (SPLITS.index(one) if one in SPLITS else len(SPLITS), one))
    where = dict(settled or {})
    for gender in ("female", "male", None):
        mine = [name for name, group in identities.items() if _gender(group) == gender]
        mine.sort(key=lambda name: digest("voice of split", seed, name, length=32))
        there = [where[name] for name in mine if name in where and where[name] in shares]
        free = [name for name in mine if name not in where]
        where |= dict(zip(free, _dealt(len(free), splits, shares, there), strict=True))
    return {voice.name: where[name] for name, group in identities.items() for voice in group}


def assign_voices(
    speakers: Iterable[Speaker],
    voices: Sequence[Traits],
    shares: Mapping[str, float],
    *,
    apart: Iterable[Collection[str]] = (),
    seed: int = 0,
) -> Assignment:
    """A voice for each speaker, from those of the speaker's split (`voices_of_splits`).

    Each speaker ranks the voices by a digest of both names (rendezvous hashing: Thaler and Ravishankar, 1998)
    and takes the first one that nobody has from whom they are kept apart. `apart`: groups of names, such as
    the people of one dialogue, who must be heard as different people; one group of all speakers gives
    everybody a voice of their own. Who chooses first is decided by a digest too; who asks for a voice of
    their own choice has it before that, and the voice is then of their split.

    What holds: without groups, another speaker who asks for no voice moves nobody. With them, it can move
    only those who choose after it and are tied to it by a chain of groups. A speaker for whom no voice is
    left has a fault (NO_VOICE) that counts what there is, and so have people of several splits who ask for
    one voice, and who asks for the voice of somebody they are kept apart from. Raises ValueError for a
    speaker given twice with different facts, and for one who asks for a voice that is not there.
    """
    people: dict[str, Speaker] = {}
    for speaker in speakers:
        if people.setdefault(speaker.name, speaker) != speaker:
            raise ValueError(f"speaker {speaker.name} is given twice, and differently")
    asked = _asked(people.values(), voices)
    wanted_in = _splits_asked(asked)
    settled = {identity: min(splits) for identity, splits in wanted_in.items() if len(splits) == 1}
    split_of_voice = voices_of_splits(voices, shares, seed=seed, settled=settled)
    others: dict[str, set[str]] = {}
    for group in apart:
        for name in group:
            others.setdefault(name, set()).update(group)
    taken: dict[str, Traits] = {}
    faults: dict[str, VoiceError] = {}
    for name in sorted(
        people, key=lambda one: (one not in asked, digest("turn to choose", seed, one, length=32), one)
    ):
        heard = {taken[one].identity for one in others.get(name, ()) if one in taken}
        if name in asked:
            pool = [asked[name][1]] if asked[name][1].identity in settled else []
        else:
            pool = _fitting(people[name], voices, split_of_voice)
        free = [voice for voice in pool if voice.identity not in heard]
        if free:
            taken[name] = max(
                free, key=lambda voice: digest("voice", seed, name, voice.identity, voice.name, length=32)
            )
        else:
            faults[name] = _nothing_left(people[name], pool, len(heard))
    return Assignment({name: taken[name].name for name in sorted(taken)}, dict(sorted(faults.items())))


def _asked(people: Iterable[Speaker], voices: Sequence[Traits]) -> dict[str, tuple[str, Traits]]:
    """Split and voice of each speaker who asks for one."""
    by_name = {voice.name: voice for voice in voices}
    asked = [one for one in people if one.voice is not None]
    if strange := [one for one in asked if one.voice not in by_name]:
        raise ValueError(f"{strange[0].name} asks for {strange[0].voice}, and there are {', '.join(by_name)}")
    return {one.name: (one.split, by_name[str(one.voice)]) for one in asked}


def _splits_asked(asked: Mapping[str, tuple[str, Traits]]) -> dict[str, set[str]]:
    """In which splits somebody asks for each identity."""
    found: dict[str, set[str]] = {}
    for split, voice in asked.values():
        found.setdefault(voice.identity, set()).add(split)
    return found


def _fitting(speaker: Speaker, voices: Sequence[Traits], split_of_voice: Mapping[str, str]) -> list[Traits]:
    gender = gender_of(speaker.gender)
    return [
        voice
        for voice in voices
        if split_of_voice[voice.name] == speaker.split and (gender is None or voice.gender == gender)
    ]


def _nothing_left(speaker: Speaker, pool: Sequence[Traits], n_heard: int) -> VoiceError:
    if speaker.voice is not None:
        why = "somebody who is to be told apart has it" if pool else "people of another split ask for it too"
        return VoiceError(Fault.NO_VOICE, f"{speaker.name} ({speaker.split}) asks for {speaker.voice}: {why}")
    kind = f"{gender_of(speaker.gender) or ''} voices".strip()
    people = len({voice.identity for voice in pool})
    detail = f"{speaker.name} ({speaker.split}): the split has {people} {kind}"
    if people:
        detail += f" and {n_heard} are those of people who are to be told from {speaker.name}"
    return VoiceError(Fault.NO_VOICE, f"{detail}; offer more voices, or give {speaker.split} a larger share")


def _gender(group: Sequence[Traits]) -> Gender | None:
    genders = {voice.gender for voice in group}
    if len(genders) > 1:
        names = ", ".join(voice.name for voice in group)
        raise ValueError(f"{names} are one person and have different genders")
    return genders.pop()


def _dealt(count: int, splits: Sequence[str], shares: Mapping[str, float], there: Sequence[str]) -> list[str]:
    """The split of each of `count` identities in order: one each first, then to whoever lacks most. `there`:
    splits of those that are dealt already."""
    total = sum(Fraction(share) for share in shares.values())
    dealt = [*there, *(one for one in splits if one not in there)][: len(there) + count]
    while len(dealt) < len(there) + count:
        wanted = {one: Fraction(shares[one]) / total * (len(dealt) + 1) for one in splits}
        dealt.append(max(splits, key=lambda one: wanted[one] - dealt.count(one)))
    return dealt[len(there) :]
