"""Histograms: nothing is lost by cutting, bad rows are counted to the row, marks stand where they belong."""

from __future__ import annotations

import json
import re

import pytest
from audit_report_records import column
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audit.report.plots import channel_ranges, code_bars, group_bars, histogram, tally_bars

COUNTS = st.lists(st.integers(0, 10**7), min_size=2, max_size=60).filter(any)


@given(COUNTS, st.integers(0, 9), st.integers(0, 9))
def test_no_row_is_lost(counts: list[int], below: int, above: int) -> None:
    plot = histogram(column(counts, below=below, above=above))
    assert plot is not None
    assert sum(n for _, n, _ in plot.rows) == sum(counts) + below + above
    assert sum(json.loads(plot.data)["c"]) == sum(counts) + below + above


@given(st.lists(st.integers(0, 50), min_size=3, max_size=200).filter(any), st.integers(0, 50), st.data())
def test_bad_rows_are_those_beyond_the_limits(values: list[int], most: int, data: st.DataObject) -> None:
    """The truth is counted from the values; the plot sees ten-wide bins and the number of bad rows."""
    least = data.draw(st.integers(0, most))
    counts = [sum(10 * bin <= value < 10 * bin + 10 for value in values) for bin in range(6)]
    n_bad = sum(not least <= value <= most for value in values)
    plot = histogram(column(counts, step=10.0, thresholds={"min": least, "max": most}, n_bad=n_bad))
    assert plot is not None
    assert sum(bad for *_, bad in plot.rows) == n_bad
    for told, n, bad in plot.rows:
        low, high = (float(edge) for edge in told.split(" to "))
        if low > most or high <= least:
            assert bad == n
        elif low > least and high <= most:
            assert bad == 0


def test_one_bad_row_beside_a_million_is_seen() -> None:
    plot = histogram(column([10**6, 0, 1], thresholds={"max": 1.5}, n_bad=1))
    assert plot is not None
    (top,) = re.findall(r"M2\.06 100V([\d.]+)", plot.bad)
    assert float(top) <= 97.0


def test_values_on_the_limit_are_good() -> None:
    plot = histogram(column([8, 2], thresholds={"max": 0.0}, n_bad=2))
    assert plot is not None
    assert [(n, bad) for _, n, bad in plot.rows] == [(8, 0), (2, 2)]


def test_limits_and_ticks_stand_at_their_values() -> None:
    counts = [0] * 100
    counts[60] = 5
    plot = histogram(column(counts, low=-20.0, step=1.0, thresholds={"min": 30.0}, unit="dB"))
    assert plot is not None
    (mark,) = plot.marks
    assert mark.told == "at least 30 dB"
    first, last = float(plot.ticks[0][1]), plot.n_bins
    assert mark.at == pytest.approx(100 * (30 - first) / last, abs=0.01)
    for at, text in plot.ticks:
        assert at == pytest.approx(100 * (float(text) - first) / last, abs=0.01)


def test_an_older_audit_is_drawn_to_the_same_scale() -> None:
    now, before = column([0, 10, 0]), column([5, 5, 0])
    plot = histogram(now, before)
    assert plot is not None
    assert plot.before == "M0 100V52.0h1V52.0h1V100.0h1V100"  # half of the ten rows in each of two bins
    assert histogram(now, column([5, 5, 0], step=2.0)).before == ""  # type: ignore[union-attr]


def test_nothing_to_draw() -> None:
    assert histogram(column([0, 0])) is None
    assert histogram({"id": "x"}) is None
    assert group_bars([], 0.0) == []


def test_bars_tell_shares() -> None:
    bars = tally_bars({"cut ok": 30, "select skipped no_video": 10})
    assert [(bar.share, bar.kind) for bar in bars] == [(100.0, ""), (33.33, "skipped")]
    groups = [{"name": "anna", "seconds": 7200.0, "splits": "train: 3"}, {"name": "ben", "seconds": 90.0}]
    assert [bar.text for bar in group_bars(groups, 14400.0)] == ["2 h, 50 %", "90 s, 0.625 %"]
    streams = {
        "mimi codebook 0": {"n": 9, "n_used": 1, "codebook_size": 4, "perplexity": 1.0, "most": [[3, 9]]}
    }
    (bar,) = code_bars(streams)
    assert (bar.share, bar.kind, bar.told) == (25.0, "failed", "most used: 3 (9×)")


def test_channels_of_a_family_share_an_axis() -> None:
    def facts(low: float, high: float) -> dict[str, object]:
        middle = {"p05": low, "p50": (low + high) / 2, "p95": high}
        return {"n": 50, "min": low, "max": high, "quantiles": middle}

    channels = {
        "face61.npy jawOpen": facts(0.0, 0.5),
        "face61.npy browDownLeft": facts(0.0, 1.0),
        "face61.npy translation_z_cm": facts(-60.0, -20.0),
        "face61.npy translation_x_cm": facts(0.0, 0.0),
        "face61.npy unseen": {"n": 0, "min": None, "max": None, "quantiles": {}},
    }
    jaw, brow, z, x = channel_ranges(channels)["face61.npy"]
    assert (jaw.low, jaw.p50, jaw.high, brow.high) == (0.0, 25.0, 50.0, 100.0)
    assert (z.low, z.high, x.low) == (0.0, pytest.approx(66.7), 100.0)
    assert (x.still, z.still) == (True, False)
