"""What a mix came to, measured on the 16-bit samples that are written."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synth.levels import FULL_SCALE, Spans, span_energy, to_db
from synth.noise_plan import Fault

Written = NDArray[np.int16]
TOLERANCE_DB = 0.05


@dataclass(frozen=True)
class Achieved:
    """What one interferer came to.

    `requested_snr_db` is None where only noise was asked for. `active_snr_db` (where the target speaks in the
    spans) and `full_snr_db` (all of the spans) are None where a side has no energy. The levels are those over
    the samples that the request is about, None for silence. `scale`: what the interferer's samples were
    multiplied by, full scale to full scale. `reason`: set when the request was missed by more than 0.05 dB.
    """

    requested_snr_db: float | None
    active_snr_db: float | None
    full_snr_db: float | None
    target_dbfs: float | None
    interferer_dbfs: float | None
    scale: float
    reason: Fault | None


@dataclass(frozen=True)
class Power:
    """Energy of some channels where the target speaks, and where it rests, in steps of int16 squared."""

    speaking: float
    resting: float

    @property
    def whole(self) -> float:
        """Of both."""
        return self.speaking + self.resting


def measure(
    target: Power,
    added: Power,
    *,
    n_speaking: int,
    n_resting: int,
    over_active: bool,
    requested_snr_db: float | None,
    scale: float,
) -> Achieved:
    """Compare the written target with what was added to it, on so many samples (of all channels) of either.

    `over_active`: whether the request is about those where the target speaks only.
    """
    active_snr_db = _ratio_db(target.speaking, added.speaking)
    full_snr_db = _ratio_db(target.whole, added.whole)
    n_samples = n_speaking if over_active else n_speaking + n_resting
    reached = active_snr_db if over_active else full_snr_db
    missed = requested_snr_db is not None and (
        reached is None or abs(reached - requested_snr_db) > TOLERANCE_DB
    )
    return Achieved(
        requested_snr_db=requested_snr_db,
        active_snr_db=active_snr_db,
        full_snr_db=full_snr_db,
        target_dbfs=_dbfs(target.speaking if over_active else target.whole, n_samples),
        interferer_dbfs=_dbfs(added.speaking if over_active else added.whole, n_samples),
        scale=scale,
        reason=Fault.SNR_UNREACHABLE_INT16 if missed else None,
    )


def snr_db(target: NDArray[Any], added: NDArray[Any], spans: Spans) -> float | None:
    """Energy of one over that of the other on the spans, dB; None where either has none."""
    return _ratio_db(span_energy(target, spans), span_energy(added, spans))


def _ratio_db(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def _dbfs(power: float, n_samples: int) -> float | None:
    return to_db(math.sqrt(power / n_samples) / FULL_SCALE) if power > 0 else None
