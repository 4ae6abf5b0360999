"""Limits on the face of a clip: the stored measurements of one source, judged over one span."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.ids import TICK_HZ
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.select_section import SelectConfig
from pipelines.steps.chunks import Span
from pipelines.steps.proposals import Proposal
from pipelines.steps.seen import Seen

END_OF_CUT_FILE_S = 0.5
"""A clip this close to the end of a file that was cut short has probably lost its end."""


@dataclass(frozen=True)
class Limit:
    """A limit that a clip failed, the value it had, and the limit (both 0 where the reason says it all)."""

    reason: Reason
    value: float = 0.0
    limit: float = 0.0

    def __str__(self) -> str:
        """As a person reads it."""
        if not (self.value or self.limit):
            return str(self.reason)
        return f"{self.reason} ({self.value:.4g}, limit {self.limit:g})"

    def record(self) -> dict[str, Any]:
        """As it stands in the receipt."""
        return {"reason": str(self.reason), "value": self.value, "limit": self.limit}


def skipped(row: Row, limits: list[Limit]) -> Row:
    """A row that ends here, with every limit that it failed."""
    measures = {**row.measures, "failed_limits": [limit.record() for limit in limits]}
    detail = "; ".join(map(str, limits))
    return replace(row, status=Status.SKIPPED, reason=limits[0].reason, detail=detail, measures=measures)


@dataclass(frozen=True)
class Verdict:
    """The face to follow through a span, what was measured of it, and every limit it fails."""

    track: int | None
    measures: dict[str, Any]
    failed: list[Limit]


def judge_face(seen: Seen | None, span: Span, config: SelectConfig, proposal: Proposal) -> Verdict:
    """Follow the face that speaks or, where nobody was asked, the one seen most."""
    if seen is None:
        return Verdict(None, {}, [Limit(Reason.NO_VIDEO)])
    start_s, stop_s = float(span.start), float(span.stop)
    inside = (seen.frame_s >= start_s) & (seen.frame_s < stop_s)
    n_frames = max(1, int(inside.sum()))
    damage = _damage(seen, inside, stop_s)
    here = (seen.face_s >= start_s) & (seen.face_s < stop_s)
    tracks, counts = np.unique(seen.track[here], return_counts=True)
    if counts.max(initial=0) < config.no_face_coverage * n_frames or not here.any():
        coverage = {"face_coverage": counts.max(initial=0) / n_frames}
        return Verdict(None, coverage, [*damage, Limit(Reason.NO_FACE)])
    if proposal.asked and proposal.track is None:
        return Verdict(None, {}, [*damage, Limit(Reason.NOT_SPEAKING)])
    track = int(tracks[np.argmax(counts)]) if proposal.track is None else proposal.track
    mine = here & (seen.track == track)
    if not mine.any():
        return Verdict(None, {"face_coverage": 0.0}, [*damage, Limit(Reason.FACE_LOST)])
    beside = np.intersect1d(seen.face_s[here & (seen.track != track)], seen.face_s[mine])
    others = len(beside) / n_frames  # at the same time: a track that was split is no second face
    measures = {
        "face_coverage": float(mine.sum()) / n_frames,
        "longest_face_gap_s": float(np.diff([start_s, *seen.face_s[mine], stop_s]).max()),
        "face_px": float(np.median(seen.height_px[mine])),
        "mean_abs_yaw_deg": float(seen.abs_yaw_deg[mine].mean()),
        "identity": int(seen.tracks[track]["identity"]),
        "other_face_coverage": others,
        **_trust(seen, mine, config),
        **_speaking(seen, span, track, proposal),
        **_offset(seen, span, track),
    }
    return Verdict(track, measures, damage + _failed(measures, config, asked=proposal.asked))


def _damage(seen: Seen, inside: NDArray[np.bool_], stop_s: float) -> list[Limit]:
    n_corrupt = int(seen.frame_corrupt[inside].sum())
    if seen.cut_short and stop_s > seen.frame_s[-1] - END_OF_CUT_FILE_S:
        n_corrupt += 1  # whatever was being said there, the rest of it is missing
    return [Limit(Reason.DAMAGED_MEDIA, n_corrupt, 0)] if n_corrupt else []


def _trust(seen: Seen, mine: NDArray[np.bool_], config: SelectConfig) -> dict[str, float | None]:
    hidden = np.nan_to_num(seen.trust["mouth_occlusion"][mine]) > config.mouth_hidden_above
    return {
        "hidden_mouth_share": float(hidden.mean()),
        **{name: _median(seen.trust[name][mine]) for name in ("sharpness", "luma", "jitter")},
    }


def _median(values: NDArray[np.float64]) -> float | None:
    known = values[~np.isnan(values)]
    return float(np.median(known)) if len(known) else None


def _speaking(seen: Seen, span: Span, track: int, proposal: Proposal) -> dict[str, float | None]:
    """How surely this face speaks, and for how much of the span another one does."""
    if not proposal.asked or seen.scores is None:
        return {}
    first = round((float(span.start) - float(seen.frame_s[0])) * TICK_HZ)
    n_ticks = round(span.duration_s * TICK_HZ)
    others = np.zeros(n_ticks, bool)
    for other, (ticks, scores) in seen.scores.items():
        inside = (ticks >= first) & (ticks < first + n_ticks) & (scores > 0)
        if other != track:
            others[ticks[inside] - first] = True
    return {
        "speaking_share": proposal.speaking_share,
        "speaker_margin": proposal.margin,
        "other_speaking_share": float(others.mean()),
    }


def _offset(seen: Seen, span: Span, track: int) -> dict[str, Any]:
    """The audio-visual offset of the stretch in which most of the span lies; nothing where none was found."""
    start_s, stop_s = float(span.start), float(span.stop)
    shared = [
        (min(stop_s, row["stop_s"]) - max(start_s, row["start_s"]), row)
        for row in seen.offsets
        if row["track"] == track
    ]
    overlap_s, best = max(shared, key=lambda one: one[0], default=(0.0, {}))
    if overlap_s <= 0 or np.isnan(best["offset_frames"]):
        return {}
    return {
        "av_offset_frames": best["offset_frames"],
        "av_offset_confidence": best["confidence"],
        "av_offset_method": best["method"],
    }


def _sure_offset(measures: dict[str, Any], config: SelectConfig) -> float | None:
    """Frames between picture and sound, where the method that measured them is sure; else None."""
    if "av_offset_frames" not in measures:
        return None
    enough = {"lips": config.av_offset_confidence, "syncnet": config.syncnet_confidence}
    sure = measures["av_offset_confidence"] >= enough[measures["av_offset_method"]]
    return abs(measures["av_offset_frames"]) if sure else None


def _failed(measures: dict[str, Any], config: SelectConfig, *, asked: bool) -> list[Limit]:
    """Every limit that a measure fails, the face's own first; what was not measured fails none."""
    others = measures["other_face_coverage"] if config.only_face or not asked else None
    at_most = [
        (Reason.FACE_LOST, measures["longest_face_gap_s"], config.max_face_gap_s),
        (Reason.YAW_LARGE, measures["mean_abs_yaw_deg"], config.max_mean_abs_yaw_deg),
        (Reason.MOUTH_HIDDEN, measures["hidden_mouth_share"], config.max_hidden_mouth_share),
        (Reason.FACE_JITTERY, measures["jitter"], config.max_jitter),
        (Reason.SEVERAL_FACES, others, config.max_other_face_coverage),
        (Reason.SPEECH_OVERLAPS, measures.get("other_speaking_share"), config.max_other_speaking_share),
        (Reason.OUT_OF_SYNC, _sure_offset(measures, config), config.max_av_offset_frames),
    ]
    at_least = [
        (Reason.NOT_SPEAKING, measures.get("speaking_share"), config.min_speaking_share),
        (Reason.FACE_LOST, measures["face_coverage"], config.min_face_coverage),
        (Reason.FACE_SMALL, measures["face_px"], config.min_face_px),
        (Reason.FACE_BLURRED, measures["sharpness"], config.min_sharpness),
        (Reason.FACE_DARK, measures["luma"], config.min_face_luma),
    ]
    above = [Limit(*one) for one in at_most if one[1] is not None and one[1] > one[2]]
    return above + [Limit(*one) for one in at_least if one[1] is not None and one[1] < one[2]]
