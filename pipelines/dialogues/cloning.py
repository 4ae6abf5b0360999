"""Whom of the scripts a corpus lends its voice: a reference clip of each, and the split that they keep.

A script's `person` who is a labelled `speaker` of `speak.clone.corpus` is imitated, unless a script asks for
a voice of the pool for them. Nobody is without consent and licence, and nobody is heard in another split
than there.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.dialogues.sections import CloneConfig
from pipelines.step import UnusableError
from synth.rewriting.scripts import Dialogue
from synth.voices.consent import check_consent
from synth.voices.voice import Fault, Reference, VoiceError

if TYPE_CHECKING:
    from manifests.corpus_reader import CorpusReader, Sample

SOUNDS = ("native.flac", "flac")
"""What a reference is taken from, the first that is there. Samples of two people have neither."""


@dataclass(frozen=True)
class ReferenceClip:
    """A clip of a person by themselves, on which terms, and how good it was measured to be."""

    key: str
    shard: str
    member: str
    sha256: str
    split: str
    speaker: str
    text: str
    duration_s: float
    dnsmos: float | None
    source: dict[str, Any]
    licence: str | None
    consent: str | None

    def identity(self) -> dict[str, Any]:
        """What decides the sound: not the shard that the clip lies in."""
        return {name: value for name, value in asdict(self).items() if name != "shard"}

    def provenance(self) -> dict[str, Any]:
        """For KEY.json."""
        told = {name: getattr(self, name) for name in ("key", "member", "sha256", "duration_s", "source")}
        return {"person": self.speaker, **told}


@dataclass(frozen=True)
class Lent:
    """By person: the clip that their voice is imitated from, or why it may not be; and their split."""

    clips: dict[str, ReferenceClip] = field(default_factory=dict)
    faults: dict[str, VoiceError] = field(default_factory=dict)

    @property
    def splits(self) -> dict[str, str]:
        """Of everybody who is imitated."""
        return {person: clip.split for person, clip in self.clips.items()}


def lent_voices(dialogues: Iterable[Dialogue], config: CloneConfig | None, *, with_text: bool) -> Lent:
    """Everybody of the dialogues whom the corpus has. `with_text`: the server wants to know what is said.

    Raises UnusableError for a corpus that is not finished or not there.
    """
    if config is None:
        return Lent()
    speakers = [one for dialogue in dialogues for one in dialogue.speakers.values() if one.person is not None]
    others = {one.person for one in speakers if one.voice is not None}
    people = {one.person for one in speakers if one.person is not None} - others
    clips: dict[str, list[_Candidate]] = {}
    for one in _candidates(_reader(config), people):
        clips.setdefault(one.clip.speaker, []).append(one)
    lent = Lent()
    for person in sorted(clips):
        try:
            lent.clips[person] = chosen(clips[person], config, with_text=with_text)
        except VoiceError as error:
            lent.faults[person] = error
    return lent


@dataclass(frozen=True)
class _Candidate:
    clip: ReferenceClip
    other_voice_share: float | None


def _candidates(reader: CorpusReader, people: set[str]) -> Iterator[_Candidate]:
    """Clips in which a single one of the people is labelled; those of a test set are not as they were."""
    for shard in reader.shards:
        for sample in reader.samples(shard):
            header = sample.header
            member = next((name for name in SOUNDS if name in sample), None)
            if header.get("speaker") in people and member is not None and "base" not in header:
                yield _Candidate(_clip(sample, shard, member), _measured(header, "other_voice_share"))


def _clip(sample: Sample, shard: str, member: str) -> ReferenceClip:
    header = sample.header
    return ReferenceClip(
        key=sample.key,
        shard=shard,
        member=member,
        sha256=hashlib.sha256(sample.read(member)).hexdigest(),
        split=sample.split,
        speaker=header["speaker"],
        text=(header.get("text") or "").strip(),
        duration_s=sample.row.duration_s,
        dnsmos=_measured(header, "dnsmos_ovrl"),
        source={name: header["source"].get(name) for name in ("id", "path", "start", "stop")},
        licence=header.get("licence"),
        consent=header.get("consent"),
    )


def _measured(header: dict[str, Any], name: str) -> float | None:
    value = (header.get("measures") or {}).get(name)
    return None if value is None else float(value)


def chosen(candidates: Sequence[_Candidate], config: CloneConfig, *, with_text: bool) -> ReferenceClip:
    """Of a person's clips that may and can be a reference the one with the highest DNSMOS (in tenths; those
    that were not measured last), of equals the longest, of those the first by key.

    Raises VoiceError: SPLIT_CONFLICT for a person who is in several splits, CONSENT_MISSING or
    LICENCE_MISSING where no clip comes with both, NO_REFERENCE where none of those that do can be used.
    """
    candidates = sorted(candidates, key=lambda one: one.clip.key)
    person = candidates[0].clip.speaker
    splits = sorted({one.clip.split for one in candidates})
    if len(splits) > 1:
        raise VoiceError(Fault.SPLIT_CONFLICT, f"{config.corpus} has {person} in {' and '.join(splits)}")
    allowed, refused = [], []
    for one in candidates:
        try:
            check_consent(one.clip)
            allowed.append(one)
        except VoiceError as error:
            refused.append(error)
    if not allowed:
        raise min(refused, key=lambda error: error.fault != Fault.LICENCE_MISSING)
    lacking = [_lacks(one, config, with_text=with_text) for one in allowed]
    usable = [one.clip for one, why in zip(allowed, lacking, strict=True) if why is None]
    if not usable:
        told = ", ".join(f"{lacking.count(why)} {why}" for why in sorted({str(one) for one in lacking}))
        raise VoiceError(Fault.NO_REFERENCE, f"no clip of {person} can be a reference: {told}")
    return min(usable, key=lambda one: (-round(10 * (one.dnsmos or 0.0)), -one.duration_s, one.key))


def _lacks(one: _Candidate, config: CloneConfig, *, with_text: bool) -> str | None:
    """Why a clip cannot be a reference."""
    if one.clip.duration_s < config.min_s:
        return f"shorter than {config.min_s:g} s"
    if one.clip.duration_s > config.max_s:
        return f"longer than {config.max_s:g} s"
    if (one.other_voice_share or 0.0) > config.max_other_voice_share:
        return "with other voices"
    if with_text and not one.clip.text:
        return "without a text"
    return None


def read_reference(clip: ReferenceClip, config: CloneConfig) -> Reference:
    """The clip's sound, mono. Raises UnusableError where the corpus has changed since it was chosen."""
    import soundfile

    from manifests.corpus_reader import CorpusError

    try:
        data = _bytes(_reader(config), clip)
    except (CorpusError, FileNotFoundError, KeyError) as error:
        raise UnusableError(f"speak.clone.corpus: {error}") from error
    if hashlib.sha256(data).hexdigest() != clip.sha256:
        raise UnusableError(f"speak.clone.corpus: {clip.key} is no longer what it was; run again")
    pcm, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    mono = np.asarray(pcm.mean(axis=1, dtype=np.float32))
    return Reference(clip.speaker, mono, int(rate_hz), clip.text, clip.consent, clip.licence)


def _bytes(reader: CorpusReader, clip: ReferenceClip) -> bytes:
    for sample in reader.samples(clip.shard):
        if sample.key == clip.key:
            return sample.read(clip.member)
    return b""


def _reader(config: CloneConfig) -> CorpusReader:
    from manifests.corpus_reader import CorpusError, CorpusReader

    try:
        return CorpusReader(config.corpus)
    except CorpusError as error:
        raise UnusableError(f"speak.clone.corpus: {error}") from error
