"""What a sample of a test set holds: the members that changed, where the others lie, and its KEY.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from manifests.reasons import Reason
from manifests.shards import Member, PlannedSample
from pipelines.dialogues.labels import RATES_HZ as TURN_LABELS
from pipelines.steps.clips import extension_of
from pipelines.testsets.clips import STREAMS
from pipelines.testsets.corpus import grid_of
from pipelines.testsets.opinion import OPINIONS
from pipelines.testsets.pause import moved_header
from pipelines.testsets.reliability import audio_reliability, video_reliability
from pipelines.testsets.samples import Cell, SetSample, set_samples
from synth.token_masks import token_mask

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

PICTURE_HZ = (25.0, 12.5)
"""Members at these rates that are not made of sound are made of the picture."""
PER_COLUMN = ("rates_hz", "channels", "groups", "tokens")
"""Parts of KEY.json that have an entry a member."""


def planned_set(corpus: Corpus) -> Iterator[PlannedSample]:
    """The samples that are whole, by condition: the condition takes the place of the split."""
    grid = grid_of(corpus)
    for sample in set_samples(corpus):
        if sample.ended is None:
            yield _planned(sample, corpus, materialize=grid.materialize)


def _planned(sample: SetSample, corpus: Corpus, *, materialize: bool) -> PlannedSample:
    changed: dict[str, Member] = {}
    for cell in sample.cells:
        stream = cell.inputs.get("stream", "")
        for row in cell.rows.values():
            for one in row["artifacts"]:
                extension = stream + extension_of(one["name"])
                changed[extension] = Member(extension, one["bytes"], one["sha256"], name=one["name"])
    clean = {name: part for name, part in json.loads(sample.clip["members"]).items() if name != "json"}
    lost = _lost(sample, set(changed))
    kept = {
        name: Member(name, n_bytes, sha256, name=f"clean:{sample.clip['shard']}:{offset}:{n_bytes}")
        for name, (offset, n_bytes, sha256) in clean.items()
        if materialize and name not in changed and name not in lost
    }
    members = sorted((changed | kept).values(), key=lambda member: member.extension)
    text = json.dumps(
        _header(sample, corpus, [member.extension for member in members], lost),
        ensure_ascii=False,
        sort_keys=True,
        indent=1,
    )
    header = Member("json", len(text.encode()), hashlib.sha256(text.encode()).hexdigest(), inline=text)
    return PlannedSample(sample.key, sample.condition.name, (header, *members))


def _lost(sample: SetSample, changed: set[str]) -> dict[str, str]:
    """Members of the clean clip that the condition has not, and why.

    What was made of a sound or a picture that is another one now must not pass for the condition's own.
    """
    of_sound, of_picture = _derived(json.loads(sample.clip["header"]))
    lost: dict[str, str] = {}
    if sample.pause is not None:  # nothing with a time may stay as it was
        return dict.fromkeys((of_sound | of_picture) - changed, str(Reason.OF_THE_CLEAN_CLIP))
    if sample.audio is not None:
        lost |= dict.fromkeys(of_sound - changed, str(Reason.OF_THE_CLEAN_CLIP))
    if sample.video is not None:
        row = sample.video.rows["corrupt"]
        if json.loads(row["seen"])["at"] == "crop":  # there the coefficients stay those of the clean clip
            of_picture &= {"hyps_vsr.json"}
        why = next(iter(json.loads(row["missing"]).values()), str(Reason.OF_THE_CLEAN_CLIP))
        lost |= dict.fromkeys(of_picture - changed, why)
    return lost


def _derived(clean: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Members of a clean clip that are its user's sound or made of it, and those of its picture."""
    there = set(clean["members"])
    stream = next(one for one in reversed(STREAMS) if f"{one}flac" in there or not one)
    names = ("flac", "native.flac", "fbank104.npy", "units.npy", "units.txt", "hyps_asr.json")
    sounds = {stream + name for name in names}
    sounds |= {name for name in clean.get("tokens", {}) if name.startswith(stream)}
    frames = {name for name, rate_hz in clean.get("rates_hz", {}).items() if rate_hz in PICTURE_HZ}
    pictures = (
        {name for name in frames if not name.startswith("main.")} - sounds - set(clean.get("tokens", {}))
    )
    pictures -= {name for name in pictures if name in TURN_LABELS or name.endswith(".text.npy")}
    return sounds & there, (pictures | {"hyps_vsr.json"}) & there


def _header(sample: SetSample, corpus: Corpus, members: list[str], lost: dict[str, str]) -> dict[str, Any]:
    grid = grid_of(corpus)
    clean = json.loads(sample.clip["header"])
    parts = json.loads(sample.clip["members"])
    elsewhere = {name: part[2] for name, part in parts.items() if name not in (*members, "json", *lost)}
    named = {*members, *elsewhere}
    header: dict[str, Any] = clean | {
        "key": sample.key,
        "members": members,
        "set": {"name": grid.name, "condition": sample.condition.name, "seed": grid.seed},
        "base": {"key": clean["key"], "shard": sample.clip["shard"], "members": elsewhere},
        "mix": _mix(sample.audio),
        "corruption": _corruption(sample.video),
        "token_mask": _token_mask(sample, grid.seed),
        "missing": {name: why for name, why in clean.get("missing", {}).items() if name not in members}
        | lost,
        "provenance": clean.get("provenance", {}) | {"set": _provenance(corpus)},
    }
    for part in PER_COLUMN:
        header[part] = {name: about for name, about in clean.get(part, {}).items() if name in named}
    header["measures"] = clean.get("measures", {}) | _measures(sample)
    made = _tokens(sample)
    header["tokens"] |= made
    header["rates_hz"] |= {name: about["rate_hz"] for name, about in made.items()}
    if sample.pause is not None:
        header |= moved_header(clean, sample.pause.rows["pause"])
    length = Fraction(header["duration_s"]).limit_denominator(100_000)
    header["reliability"] = {
        "audio": audio_reliability(header["mix"], length),
        "video": video_reliability(header["corruption"], length),
    }
    return header


def _mix(cell: Cell | None) -> dict[str, Any]:
    """What was mixed in: the plan and the proof of each recording; clean is a kind of its own."""
    if cell is None:
        return {"kind": "clean"}
    row = cell.rows["mix"]
    plans = json.loads(row["plans"])
    sources = [
        {name: source[name] for name in ("name", "speaker", "source", "sha256") if source.get(name)}
        for one in cell.inputs["interferers"]
        for source in one["sources"]
    ]
    family = cell.inputs["family"]
    return {
        "kind": "noise_only" if cell.inputs["snr_db"] is None else "noisy",
        "family": family["name"] or family["kind"],
        "snr_db": cell.inputs["snr_db"],
        "stream": cell.inputs["stream"].removesuffix("."),
        "sources": sources,
        "rooms": [{name: one[name] for name in one if name != "path"} for one in cell.inputs["rooms"]],
        "plans": plans,
        "proofs": json.loads(row["proofs"]),
    }


def _corruption(cell: Cell | None) -> dict[str, Any]:
    if cell is None:
        return {"kind": "clean"}
    row = cell.rows["corrupt"]
    return {
        "kind": "corrupted",
        "family": cell.inputs["title"],
        "severity": cell.inputs["severity"],
        "plan": json.loads(row["plan"]),
        **json.loads(row["seen"]),
    }


def _token_mask(sample: SetSample, seed: int) -> dict[str, Any] | None:
    """Which tokens are hidden: numbers of frames of the member's last axis."""
    cell = sample.condition.mask
    if cell is None:
        return None
    n_tokens = json.loads(sample.clip["arrays"])[cell.family.member][-1]
    hidden = token_mask(n_tokens, cell.share, seed, sample.clip["key"], cell.family.member)
    about = {"member": cell.family.member, "share": cell.share, "n_tokens": n_tokens}
    return about | {"hidden": np.flatnonzero(hidden).tolist()}


def _measures(sample: SetSample) -> dict[str, Any]:
    """DNSMOS of the sound as it is now; what was measured of the clean clip's sound no longer holds."""
    if sample.audio is None:
        return {}
    row = sample.audio.rows.get("opinion", {})
    return {"snr_db": None, **{name: row.get(name) for name in OPINIONS}}


def _tokens(sample: SetSample) -> dict[str, Any]:
    return {
        cell.inputs.get("stream", "") + name: about
        for cell in sample.cells
        for row in cell.rows.values()
        if row.get("tokens")
        for name, about in json.loads(row["tokens"]).items()
    }


def _provenance(corpus: Corpus) -> dict[str, str]:
    return {name: corpus.key(name) for name in corpus.steps if name != "pack" and corpus.items(name)}
