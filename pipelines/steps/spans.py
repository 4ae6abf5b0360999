"""Spans: where on a source's time line clips may lie, and what was proposed, put on the grid."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from pipelines.select_section import SelectConfig
from pipelines.steps.chunks import Span, even_spans, snap
from pipelines.steps.proposals import Proposal

OUTSIDE_S = 0.5
"""Speech this far outside the picture is told in a row of its own."""


def bounds(inputs: dict[str, Any], *, need_video: bool) -> tuple[Fraction, Fraction, Fraction]:
    """Where a clip may lie, and the anchor of the grid (the first frame, else the first sample).

    Inside both streams; where the picture may be missing, inside the audio.
    """
    spans = []
    if "watch" in inputs:
        first, last = Fraction(inputs["watch"]["first_frame"]), Fraction(inputs["watch"]["last_frame"])
        n_frames = inputs["watch"]["n_frames"]
        interval = (last - first) / (n_frames - 1) if n_frames > 1 else Fraction(1, 25)
        spans.append((first, last + interval))
    if "listen" in inputs:
        start = Fraction(inputs["listen"]["start"])
        spans.append((start, start + Fraction(inputs["listen"]["duration_s"]).limit_denominator(16_000)))
    anchor = spans[0][0]
    if not need_video and "listen" in inputs:
        spans = spans[-1:]
    return max(low for low, _ in spans), min(high for _, high in spans), anchor


Placed = tuple[list[tuple[Span, Proposal]], list[tuple[float, float]]]
"""Spans with what was proposed there, and the speech without a picture, in seconds."""


def placed(inputs: dict[str, Any], proposals: Sequence[Proposal], config: SelectConfig) -> Placed:
    """Proposals on the grid, none overlapping the last of its track; and speech without a picture."""
    low, high, anchor = bounds(inputs, need_video=config.need_video)
    spans: list[tuple[Span, Proposal]] = []
    outside: list[tuple[float, float]] = []
    ends: dict[int | None, Fraction] = {}
    for one in proposals:
        after = max(low, ends.get(one.track, low))
        span = snap(one.start_s, one.stop_s, anchor=anchor, low=after, high=high, max_s=config.max_chunk_s)
        if span is not None:
            spans.append((span, one))
            ends[one.track] = span.stop
        if one.track is None:
            for begin, end in (
                (one.start_s, min(one.stop_s, float(low))),
                (max(one.start_s, float(high)), one.stop_s),
            ):
                if end - begin > OUTSIDE_S:
                    outside.append((begin, end))
    return spans, outside


def whole(inputs: dict[str, Any], config: SelectConfig, *, silent: bool) -> Placed:
    """All of a recording, in equal pieces, whatever is in it and whoever is seen; of a silent one nothing."""
    low, high, anchor = bounds(inputs, need_video=config.need_video)
    spans = [] if silent else even_spans(low, high, anchor=anchor, max_s=config.max_chunk_s)
    return [(span, Proposal(float(span.start), float(span.stop), whole=True)) for span in spans], []
