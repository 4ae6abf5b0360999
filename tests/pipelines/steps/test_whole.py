"""Recordings that are taken whole: equal pieces, speech or not; silence is still no sample."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from select_bench import Bench

from manifests.receipts import Row

SOUND_ALONE = {"need_video": False, "need_audio": False}


def market(folder: Path, *, whole: bool = True, length_s: float = 40.0, **sound: Any) -> Bench:
    """A recording of something that is no speech."""
    bench = Bench(folder)
    bench.speech([], length_s=length_s, **{"floor": -30.0, **sound})
    bench.inputs["whole"] = whole
    return bench


def limits(rows: list[Row]) -> list[list[str]]:
    return [[one["reason"] for one in row.measures["failed_limits"]] for row in rows]


def test_a_recording_without_speech_becomes_equal_pieces(tmp_path: Path) -> None:
    """500 frames of 80 ms in three pieces of at most 187: 166, 167 and 167."""
    rows = market(tmp_path).select(**SOUND_ALONE)
    assert [str(row.status) for row in rows] == ["ok"] * 3
    spans = [(Fraction(row.measures["start"]), Fraction(row.measures["stop"])) for row in rows]
    edges = [Fraction(0), Fraction(332, 25), Fraction(666, 25), Fraction(40)]
    assert spans == list(pairwise(edges))
    assert [row.key for row in rows] == [f"0123456789abcdef-na-{tick:07d}" for tick in (0, 332, 666)]


def test_by_default_it_is_told_that_nobody_speaks(tmp_path: Path) -> None:
    (row,) = market(tmp_path, whole=False).select(**SOUND_ALONE)
    assert (str(row.status), str(row.reason)) == ("skipped", "no_speech")


def test_limits_on_speech_are_not_asked_and_those_on_the_recording_are(tmp_path: Path) -> None:
    bench = market(
        tmp_path,
        length_s=10.0,
        opinions=[(0.0, 1.0, 1.0, 1.0), (5.0, 1.0, 1.0, 1.0)],
        music_s=(0, 10),
        bandwidth_hz=3400.0,
        clipped_share=0.2,
    )
    strict = {"min_dnsmos": 3.0, "max_music_share": 0.1, "max_singing_share": 0.0, "min_snr_db": 5.0}
    (row,) = bench.select(**SOUND_ALONE, **strict)
    assert str(row.status) == "ok" and row.measures["music_share"] == 1.0
    assert row.measures["dnsmos_ovrl"] is None, "an opinion on speech where there is none"
    strict |= {"min_bandwidth_hz": 7000.0, "max_clipped_share": 0.1}
    assert limits(bench.select(**SOUND_ALONE, **strict)) == [["narrow_band", "clipped"]]


def test_speech_in_a_whole_recording_has_its_measures(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)], length_s=10.0, floor=-50.0, opinions=[(0.0, 3.0, 3.5, 4.0)])
    bench.inputs["whole"] = True
    (row,) = bench.select(**SOUND_ALONE)
    assert row.measures["stop"] == "10/1" and row.measures["snr_db"] == pytest.approx(30.0, abs=0.5)
    assert row.measures["dnsmos_ovrl"] is not None


def test_silence_is_rejected_whole_and_in_pieces(tmp_path: Path) -> None:
    (row,) = market(tmp_path, floor=-80.0, loud=-80.0).select(**SOUND_ALONE)
    assert (str(row.status), str(row.reason), row.measures.get("start")) == ("skipped", "silent_audio", None)
    bench = Bench(tmp_path)
    bench.speech([(0.0, 13.0)], length_s=40.0)  # and nothing after that
    bench.inputs["whole"] = True
    ends = [row.reason and str(row.reason) for row in bench.select(**SOUND_ALONE)]
    assert ends == [None, "silent_audio", "silent_audio"]


def test_a_recording_shorter_than_a_clip_says_so(tmp_path: Path) -> None:
    assert limits(market(tmp_path, length_s=0.5).select(**SOUND_ALONE)) == [["chunk_short"]]
    assert limits(market(tmp_path, length_s=0.07).select(**SOUND_ALONE)) == [["chunk_short"]]


def test_words_are_still_asked_for(tmp_path: Path) -> None:
    rows = market(tmp_path, length_s=10.0).select(**SOUND_ALONE, need_text=True)
    assert limits(rows) == [["no_text"]]


def test_a_face_is_kept_where_it_is_good_and_left_out_where_it_is_not(tmp_path: Path) -> None:
    bench = market(tmp_path, length_s=20.0)
    bench.video([{"frames": range(250)}])  # seen in the first half
    bench.told({0: []})  # and silent
    first, second = bench.select(**SOUND_ALONE, max_chunk_s=10.0)
    assert [first.measures["track"], second.measures["track"]] == [0, None]
    assert "speaking_share" not in first.measures, "nobody was asked whose sound it is"
    assert limits([second]) == [["no_face"]] and str(second.status) == "ok"
    assert limits(bench.select(need_audio=False, max_chunk_s=10.0)) == [[], ["no_face"]]
