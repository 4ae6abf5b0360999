"""Reliability labels of a sample: how far each stretch of sound and picture can be relied on."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from synth.levels import Spans, merge
from synth.reliability import WINDOW, frame_clean, window_labels

VIDEO_HZ = 25


def audio_reliability(mix: dict[str, Any], length: Fraction) -> dict[str, Any]:
    """Of the sound: what an interferer is heard in is corrupted; so is all of it behind a room."""
    for plan in mix.get("plans", {}).values():
        n_samples, rate_hz = plan["n_samples"], plan["rate_hz"]
        spans = [(start, stop) for one in plan.get("interferers", ()) for start, stop in one["spans"]]
        if plan.get("room"):
            spans = [(0, n_samples)]
        return labels(merge(spans, n_samples), n_samples, rate_hz)
    n_samples = round(length * VIDEO_HZ)
    return labels((), n_samples, VIDEO_HZ)


def video_reliability(corruption: dict[str, Any], length: Fraction) -> dict[str, Any]:
    """Of the picture, in frames of 25 Hz."""
    n_frames = round(length * VIDEO_HZ)
    spans = [(start, min(stop, n_frames)) for start, stop in corruption.get("spans", ()) if start < n_frames]
    return labels(merge(spans, n_frames), n_frames, VIDEO_HZ)


def labels(corrupted: Spans, n_samples: int, rate_hz: int) -> dict[str, Any]:
    """A letter a window of 0.4 s (DualHyp's C, M, N), and 1 for each clean frame at 25 and 12.5 Hz."""
    if not n_samples:
        return {"window_s": float(WINDOW), "windows": "", "clean_25hz": "", "clean_12_5hz": ""}
    frames = {
        name: "".join(
            "01"[int(clean)] for clean in frame_clean(corrupted, n_samples, rate_hz=rate_hz, frame_hz=hz)
        )
        for name, hz in (("clean_25hz", Fraction(25)), ("clean_12_5hz", Fraction(25, 2)))
    }
    windows = "".join(window_labels(corrupted, n_samples, rate_hz=rate_hz))
    spans_s = [[start / rate_hz, stop / rate_hz] for start, stop in corrupted]
    return {"window_s": float(WINDOW), "windows": windows, "corrupted_s": spans_s, **frames}
