"""Turns of a dialogue sample: offsets, overlap, backchannels, talk ratio, exchanged channels."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.payload.sample import SIDES, Sample
from pipelines.audit.payload.sounds import HOP_S, hop_levels_dbfs

TURNS = "turns.json"
_MIN_ALONE_S = 0.4
"""Less speech of one side alone does not tell whose channel it is."""


def measure_turns(sample: Sample) -> None:
    """A row of `dialogues`, and one of `transfers` for each time the floor passes."""
    if TURNS not in sample.members:
        return
    from synth.turns.model import TurnKind
    from synth.turns.record import RecordError, read_turns

    sample.found.looked("turns_valid")
    try:
        told, _ = read_turns(sample.members[TURNS])
    except (RecordError, ValueError) as error:
        sample.fault("turns_valid", str(error).splitlines()[0])
        return
    off_s = abs(float(told.duration) - sample.duration_s)
    if off_s > HOP_S:
        sample.fault(
            "turns_valid", f"turns of {float(told.duration):.3f} s, KEY.json has {sample.duration_s:.3f} s"
        )
    spoken = [_hops(spans, told.duration) for spans in told.ipus]
    total = sum(int(one.sum()) for one in spoken)
    minutes = max(float(told.duration) / 60, 1e-6)
    backchannels = sum(turn.kind is TurnKind.BACKCHANNEL for turn in told.turns)
    row: dict[str, Any] = {
        "overlap_share": float((spoken[0] & spoken[1]).sum() / max(1, (spoken[0] | spoken[1]).sum())),
        "backchannels_per_min": backchannels / minutes,
        "main_talk_share": float(spoken[0].sum() / total) if total else None,
        **_channel_lead(sample, spoken),
    }
    sample.found.add_rows("dialogues", [sample.row(**row)])
    transfers = [sample.row(fto_s=float(one.fto)) for one in told.transfers]
    sample.found.add_rows("transfers", transfers)


def _hops(spans: Any, duration: Fraction) -> NDArray[np.bool_]:
    """(hops of 20 ms,) whether the middle of each lies in a span."""
    middles_s = (np.arange(int(duration / Fraction(HOP_S).limit_denominator(1000))) + 0.5) * HOP_S
    inside = np.zeros(len(middles_s), bool)
    for start, stop in spans:
        inside |= (middles_s >= float(start)) & (middles_s < float(stop))
    return inside


def _channel_lead(sample: Sample, spoken: list[NDArray[np.bool_]]) -> dict[str, float]:
    """How much louder a side's channel is than the other's while it speaks alone, dB; the lesser of both."""
    sounds = [sample.sound(f"{side}.flac") or sample.sound(f"{side}.native.flac") for side in SIDES]
    if any(sound is None for sound in sounds):
        return {}
    levels = [hop_levels_dbfs(*sound).max(axis=0) for sound in sounds if sound is not None]
    n = min(len(levels[0]), len(levels[1]), len(spoken[0]))
    leads = []
    for mine, others in ((0, 1), (1, 0)):
        alone = spoken[mine][:n] & ~spoken[others][:n]
        if alone.sum() * HOP_S >= _MIN_ALONE_S:
            leads.append(float(np.median(levels[mine][:n][alone] - levels[others][:n][alone])))
    return {"channel_lead_db": min(leads)} if leads else {}


def voices_of(header: dict[str, Any]) -> Iterator[str]:
    """Identities of the TTS voices of a synthetic dialogue's sides: two names may be one voice."""
    for speaker in (header.get("speakers") or {}).values():
        name = speaker.get("voice_identity") or speaker.get("voice")
        if name:
            yield str(name)


def people_of(header: dict[str, Any]) -> Iterator[str]:
    """The people whose speech is in the sample: its speaker, or those of both sides."""
    named = {header.get("speaker"), *(one.get("person") for one in (header.get("speakers") or {}).values())}
    yield from sorted(str(name) for name in named if name)
