"""Turns of a dialogue sample: offsets, overlap, backchannels, talk ratio, exchanged channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.payload.faces import face_lead
from pipelines.audit.payload.sample import SIDES, Sample
from pipelines.audit.payload.sounds import HOP_S, hop_levels_dbfs

_MIN_ALONE_S = 0.4
"""Less speech of one side alone does not tell whose channel it is."""


def measure_turns(sample: Sample) -> None:
    """A row of `dialogues`, and one of `transfers` for each time the floor passes."""
    from synth.turns.model import TurnKind

    told = sample.turns
    main, other = (sample.spoken(side, HOP_S) for side in SIDES)
    if told is None or main is None or other is None:
        return
    off_s = abs(float(told.duration) - sample.duration_s)
    if off_s > HOP_S:
        sample.fault(
            "turns_valid", f"turns of {float(told.duration):.3f} s, KEY.json has {sample.duration_s:.3f} s"
        )
    total = int(main.sum() + other.sum())
    minutes = max(float(told.duration) / 60, 1e-6)
    backchannels = sum(turn.kind is TurnKind.BACKCHANNEL for turn in told.turns)
    row: dict[str, Any] = {
        "overlap_share": float((main & other).sum() / max(1, (main | other).sum())),
        "backchannels_per_min": backchannels / minutes,
        "main_talk_share": float(main.sum() / total) if total else None,
        **_channel_lead(sample, main, other),
        **face_lead(sample, main, other),
    }
    sample.found.add_rows("dialogues", [sample.row(**row)])
    transfers = [sample.row(fto_s=float(one.fto)) for one in told.transfers]
    sample.found.add_rows("transfers", transfers)


def _channel_lead(sample: Sample, *spoken: NDArray[np.bool_]) -> dict[str, float]:
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
