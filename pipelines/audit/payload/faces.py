"""Faces against voices of a dialogue: is a side's face the one that speaks while the side is heard."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.payload.sample import SIDES, Sample
from pipelines.audit.payload.sounds import HOP_S

RATE_HZ = 25.0
_MIN_ALONE_S = 0.4
"""Less speech of one side alone does not tell which face speaks it."""


def face_lead(sample: Sample, *spoken: NDArray[np.bool_]) -> dict[str, float]:
    """How much higher a face's score of speaking is while its side speaks alone than while the other does.

    `spoken`: (hops,) of each side. The mean of both faces, in units of the active speaker network: exchanged
    faces are as far below 0 as the right ones are above. Nothing without scores of both faces.
    """
    leads = []
    for mine, others in ((0, 1), (1, 0)):
        score = _speaking(sample, SIDES[mine])
        if score is None:
            return {}
        own, foreign = (_median(score, spoken[one] & ~spoken[1 - one]) for one in (mine, others))
        if own is not None and foreign is not None:
            leads.append(own - foreign)
    return {"face_lead": float(np.mean(leads))} if len(leads) == len(SIDES) else {}


def _speaking(sample: Sample, side: str) -> NDArray[np.float64] | None:
    """(frames,) score of the active speaker network, above 0 where the face speaks; NaN: not seen."""
    name = f"{side}.trust.npy"
    names = (sample.header.get("channels") or {}).get(name) or ()
    trust = sample.array(name)
    if trust is None or "speaking" not in names or trust.shape[1:] != (len(names),):
        return None
    column: NDArray[np.float64] = trust[:, list(names).index("speaking")].astype(np.float64)
    return column


def _median(score: NDArray[np.float64], hops: NDArray[np.bool_]) -> float | None:
    """Of the frames whose middle lies in one of the hops; None where they are too few."""
    middles = ((np.arange(len(score)) + 0.5) / RATE_HZ / HOP_S).astype(int)
    inside = np.zeros(len(score), bool)
    inside[middles < len(hops)] = hops[middles[middles < len(hops)]]
    known = score[inside & np.isfinite(score)]
    return float(np.median(known)) if len(known) >= _MIN_ALONE_S * RATE_HZ else None
