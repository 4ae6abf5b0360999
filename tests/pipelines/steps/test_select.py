"""select on measurements made by hand: every limit, alone and together."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from select_bench import Bench

from manifests.receipts import Row
from pipelines.select_section import SelectConfig
from pipelines.steps.listen import HOP_S
from pipelines.steps.proposals import propose, speech_of
from pipelines.steps.seen import dense_scores

ALL = range(100_000)


def reasons(row: Row) -> list[str]:
    return [limit["reason"] for limit in row.measures["failed_limits"]]


def test_a_frontal_talking_head_is_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 5.0), (5.5, 8.0), (14.0, 16.0)])
    bench.video([{"frames": ALL}])
    first, second = bench.select()
    assert (first.status, first.measures["track"], reasons(first)) == ("ok", 0, [])
    assert first.key == f"0123456789abcdef-t00-{first.measures['tick']:07d}"
    start, stop = (eval(first.measures[name]) for name in ("start", "stop"))
    assert 1.7 <= start <= 2.0 and 8.0 <= stop <= 8.4
    assert second.status == "ok" and first.measures["face_coverage"] == 1.0


@pytest.mark.parametrize(
    ("track", "config", "reason"),
    [
        ({"frames": ALL, "px": 40}, {}, "face_small"),
        ({"frames": ALL, "yaw": lambda _: 40.0}, {}, "yaw_large"),
        ({"frames": ALL, "yaw": lambda n: 45.0 if n % 2 else -45.0}, {}, "yaw_large"),  # signed mean is 0
        ({"frames": ALL, "sharpness": 3.0}, {"min_sharpness": 10}, "face_blurred"),
        ({"frames": [n for n in ALL if not 80 <= n < 95]}, {"min_face_coverage": 0}, "face_lost"),
        ({"frames": [n for n in ALL if n % 4]}, {}, "face_lost"),
        ({"frames": range(0)}, {}, "no_face"),
        ({"frames": ALL, "luma": 0.02}, {"min_face_luma": 0.1}, "face_dark"),
        ({"frames": ALL, "jitter": 0.08}, {}, "face_jittery"),
        ({"frames": ALL, "hidden": lambda n: 0.9 if n % 3 == 0 else 0.1}, {}, "mouth_hidden"),
    ],
)
def test_each_limit_rejects(
    tmp_path: Path, track: dict[str, Any], config: dict[str, Any], reason: str
) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)])
    bench.video([track])
    (row,) = bench.select(**config)
    assert (row.status, row.reason, reasons(row)) == ("skipped", reason, [reason])


def test_a_rejected_clip_names_every_limit(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)])
    small = {"frames": ALL, "px": 30, "yaw": lambda _: -50.0}
    bench.video([small, {"frames": range(60, 100)}], corrupt=(70,))
    (row,) = bench.select(min_chunk_s=10)
    assert set(reasons(row)) == {"chunk_short", "several_faces", "yaw_large", "face_small", "damaged_media"}
    assert row.detail is not None and "yaw_large (50, limit 30)" in row.detail


def test_clips_of_one_long_speech_meet_without_overlapping(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(1.0, 19.0)])
    bench.video([{"frames": ALL}])
    first, second = bench.select(max_chunk_s=10)
    assert first.measures["stop"] == second.measures["start"]
    assert all(row.status == "ok" for row in (first, second))


def test_speech_without_a_picture_is_told(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0), (12.0, 14.0)])
    bench.video([{"frames": ALL}], length_s=4.0)
    kept, cut_off, beyond = bench.select()
    assert (kept.status, cut_off.reason, beyond.reason) == ("ok", "no_video", "no_video")
    assert [row.measures["tick"] for row in (cut_off, beyond)] == [100, 295]
    both = bench.select(need_video=False)
    assert [row.measures["track"] for row in both] == [None, None], "audio only, whole"
    assert [row.status for row in both] == ["ok", "ok"]


def test_audio_with_holes_is_damaged(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)], gap_s=2.0)
    bench.video([{"frames": ALL}])
    (row,) = bench.select()
    assert row.reason == "damaged_media"


def test_a_moved_threshold_does_not_rename_clips(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0), (9.0, 12.0)])
    bench.video([{"frames": ALL, "yaw": lambda n: 40.0 if n > 200 else 0.0}])
    strict, loose = bench.select(), bench.select(max_mean_abs_yaw_deg=60)
    assert [row.status for row in strict] == ["ok", "skipped"]
    assert [row.status for row in loose] == ["ok", "ok"]
    assert [row.key for row in strict] == [row.key for row in loose]


@pytest.mark.parametrize(
    ("setup", "config", "expected"),
    [
        (lambda b: b.speech([]), {}, ["no_video", "no_speech"]),
        (lambda b: b.speech([], loud=-80), {"need_video": False}, ["silent_audio"]),
        (lambda b: b.video([{"frames": ALL}]), {}, ["no_audio"]),
        (lambda b: (b.speech([]), b.video([{"frames": range(0)}])), {}, ["no_face", "no_speech"]),
    ],
)
def test_a_source_without_clips_says_why(
    tmp_path: Path, setup: Any, config: dict[str, Any], expected: list[str]
) -> None:
    bench = Bench(tmp_path)
    setup(bench)
    (row,) = bench.select(**config)
    assert row.status == "skipped" and row.key == "item" and reasons(row) == expected


def test_other_modalities_where_the_preset_allows_them(tmp_path: Path) -> None:
    anything = {"need_video": False, "need_audio": False}
    audio = Bench(tmp_path / "audio")
    audio.speech([(2.0, 6.0)])
    (row,) = audio.select(**anything)
    assert row.status == "ok" and row.measures["track"] is None and "-na-" in row.key
    video = Bench(tmp_path / "video")
    video.video([{"frames": ALL}])
    rows = video.select(**anything)
    assert [row.status for row in rows] == ["ok", "ok"] and not any(row.measures["has_audio"] for row in rows)
    both = Bench(tmp_path / "both")
    both.speech([(2.0, 6.0)])
    both.video([{"frames": ALL, "px": 20}])
    (row,) = both.select(**anything)
    assert row.status == "ok" and row.measures["track"] is None, "kept as audio only"
    assert reasons(row) == ["face_small"], "and says why"


A_TURNS, B_TURNS = [(1.0, 4.0), (8.0, 11.0)], [(4.2, 7.8)]


def two_people(folder: Path, **facts: Any) -> Bench:
    bench = Bench(folder)
    bench.speech([(1.0, 11.0)])
    bench.video([{"frames": ALL}, {"frames": ALL}], **facts)
    return bench


def spans(rows: list[Row]) -> list[tuple[int | None, float, float]]:
    return [
        (row.measures["track"], float(Fraction(row.measures["start"])), float(Fraction(row.measures["stop"])))
        for row in rows
    ]


def test_each_turn_is_a_clip_of_the_face_that_speaks_it(tmp_path: Path) -> None:
    bench = two_people(tmp_path)
    bench.told({0: A_TURNS, 1: B_TURNS})
    rows = bench.select()
    assert [row.status for row in rows] == ["ok"] * 3
    found = spans(rows)
    assert [track for track, _, _ in found] == [0, 1, 0]
    for (_, start, stop), (said, until) in zip(found, [A_TURNS[0], B_TURNS[0], A_TURNS[1]], strict=True):
        assert abs(start - said) <= 0.25 and abs(stop - until) <= 0.25
    assert all(row.measures["speaking_share"] > 0.8 for row in rows)
    assert all(row.measures["speaker_margin"] == pytest.approx(6, abs=0.8) for row in rows)


def test_nobody_is_asked_and_two_faces_are_one_too_many(tmp_path: Path) -> None:
    bench = two_people(tmp_path)
    assert {row.reason for row in bench.select()} == {"several_faces"}


def test_only_face_rejects_a_silent_listener(tmp_path: Path) -> None:
    bench = two_people(tmp_path)
    bench.told({0: A_TURNS, 1: B_TURNS})
    assert {row.reason for row in bench.select(only_face=True)} == {"several_faces"}


def test_speech_of_nobody_in_the_picture_is_told(tmp_path: Path) -> None:
    bench = two_people(tmp_path)
    bench.told({0: A_TURNS, 1: []})
    rows = bench.select()
    ends = [(row.measures["track"], row.status, row.reason) for row in rows]
    assert ends == [(0, "ok", None), (None, "skipped", "not_speaking"), (0, "ok", None)]
    (kept,) = [row for row in bench.select(need_video=False) if row.measures["track"] is None]
    assert kept.status == "ok" and kept.measures["has_audio"], "its sound is still speech"


def test_both_speakers_of_an_overlap_get_a_clip_that_says_so(tmp_path: Path) -> None:
    bench = two_people(tmp_path)
    bench.told({0: [(1.0, 7.0)], 1: [(5.0, 11.0)]})
    rows = bench.select()
    assert [(row.measures["track"], row.status) for row in rows] == [(0, "ok"), (1, "ok")]
    first, second = (row.measures["other_speaking_share"] for row in rows)
    assert first == pytest.approx(2 / 6, abs=0.08) and second == pytest.approx(2 / 6, abs=0.08)
    assert {row.reason for row in bench.select(max_other_speaking_share=0.1)} == {"speech_overlaps"}


def test_no_clip_crosses_a_cut(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 8.0)])
    bench.video([{"frames": range(125)}, {"frames": range(125, 500)}], cuts=(125,))
    rows = bench.select()
    assert [(row.status, row.measures["track"]) for row in rows] == [("ok", 0), ("ok", 1)]
    assert spans(rows)[0][2] <= 5.0 <= spans(rows)[1][1]
    bench.told({0: [(0, 20)], 1: [(0, 20)]})
    asked = bench.select()
    assert [(row.status, row.measures["track"]) for row in asked] == [("ok", 0), ("ok", 1)]
    assert spans(asked)[0][2] <= 5.0 <= spans(asked)[1][1]


@pytest.mark.parametrize(
    ("offset", "config", "reason"),
    [
        ((5.0, 0.95), {}, "out_of_sync"),
        ((-5.0, 0.95), {}, "out_of_sync"),
        ((5.0, 0.4), {}, None),
        ((2.0, 0.95), {}, None),
        ((2.0, 0.95), {"max_av_offset_frames": 1}, "out_of_sync"),
        ((float("nan"), 0.0), {}, None),
    ],
)
def test_only_a_sure_offset_is_held_against_a_clip(
    tmp_path: Path, offset: tuple[float, float], config: dict[str, Any], reason: str | None
) -> None:
    bench = Bench(tmp_path)
    bench.speech([(2.0, 6.0)])
    bench.video([{"frames": ALL}])
    bench.told({0: [(0, 20)]}, offset=offset)
    (row,) = bench.select(**config)
    assert row.reason == reason


@pytest.mark.parametrize(
    ("given", "config", "reason"),
    [
        ({"opinions": [(0.0, 3.4, 3.6, 4.0), (9.01, 1.2, 1.5, 1.4)]}, {"min_dnsmos": 3.0}, None),
        ({"opinions": [(0.0, 1.2, 1.5, 1.4), (9.01, 3.4, 3.6, 4.0)]}, {"min_dnsmos": 3.0}, "low_quality"),
        ({"opinions": [(0.0, np.nan, np.nan, np.nan)]}, {"min_dnsmos": 3.0}, None),
        ({"music_s": (1, 4)}, {"max_music_share": 0.4}, "music"),
        ({"music_s": (10, 20)}, {"max_music_share": 0.4}, None),
        ({"clipped_share": 0.02}, {"max_clipped_share": 0.01}, "clipped"),
        ({"bandwidth_hz": 3900.0}, {"min_bandwidth_hz": 4000.0}, "narrow_band"),
        ({"bandwidth_hz": None}, {"min_bandwidth_hz": 4000.0}, None),
        ({"mix_loss_db": 90.0}, {}, "channels_cancel"),
        ({"mix_loss_db": 3.0}, {}, None),
        ({"loud": -20.0}, {"min_snr_db": 60.0}, None),  # 70 dB over its pauses
        ({"loud": -40.0}, {"min_snr_db": 60.0}, "noisy"),
    ],
)
def test_sound_is_judged_where_the_clip_is(
    tmp_path: Path, given: dict[str, Any], config: dict[str, Any], reason: str | None
) -> None:
    bench = Bench(tmp_path)
    bench.speech([(1.0, 5.0)], **given)
    (row,) = bench.select(need_video=False, **config)
    assert row.reason == reason, row.detail
    assert row.measures["snr_db"] == pytest.approx(given.get("loud", -20.0) + 90, abs=0.5)


def test_the_sound_of_two_faces_that_both_fail_is_kept_once(tmp_path: Path) -> None:
    """Both speak at once and both are too small: the clip without its faces is one, not two of one key."""
    bench = Bench(tmp_path)
    bench.speech([(1.0, 5.0)])
    bench.video([{"frames": range(500), "px": 30}, {"frames": range(500), "px": 30}])
    bench.told({0: [(1.0, 5.0)], 1: [(1.0, 5.0)]})
    rows = bench.select(need_video=False, min_face_px=60)
    assert len({row.key for row in rows}) == len(rows)
    (kept,) = [row for row in rows if row.status == "ok"]
    assert kept.measures["track"] is None
    rejected = bench.select(min_face_px=60)
    assert len({row.key for row in rejected}) == len(rejected) == 2
    assert {row.reason for row in rejected} == {"face_small"}


def probabilities(spans: list[tuple[float, float]], length_s: float) -> np.ndarray:
    times = np.arange(int(length_s / HOP_S)) * HOP_S
    inside = np.any([(times >= start) & (times < stop) for start, stop in spans], axis=0)
    return np.where(inside, 0.95, 0.02).astype(np.float32)


def test_a_word_without_length_and_one_beyond_the_end_harm_nobody() -> None:
    config = SelectConfig()
    words = [(1.0, 1.4), (9.0, 9.0), (19.99, 30.0), (40.0, 41.0)]
    speech = speech_of(probabilities([(1.0, 3.0)], 20.0), 100.0, config, words)
    assert all(start < stop for start, stop in (*speech.segments, *speech.words))
    found = propose(speech, None, config)
    assert all(any(one.start_s <= 100 + at < one.stop_s for one in found) for at in (1.2, 9.0, 19.99))
    assert all(one.stop_s <= 120.3 for one in found)


def test_people_who_never_stop_talking_into_each_other_are_cut_anyway() -> None:
    """Twenty seconds of overlapping words: no pause between them, and still nothing is lost."""
    words = sorted([(float(t), t + 1.2) for t in range(5, 25)] + [(t + 0.5, t + 1.7) for t in range(5, 25)])
    config = SelectConfig(max_chunk_s=15)
    found = propose(speech_of(probabilities([(5.0, 26.0)], 40.0), 0.0, config, words), None, config)
    assert all(one.stop_s - one.start_s <= 15 for one in found)
    assert all(any(one.start_s <= (a + b) / 2 < one.stop_s for one in found) for a, b in words)


def test_gaps_in_the_scores_stay_gaps() -> None:
    """Ticks 10 to 29 were not scored: what follows them must not move up."""
    ticks = np.array([*range(10), *range(30, 40)])
    there, dense = dense_scores(ticks, np.arange(20, dtype=np.float32))
    assert there.tolist() == list(range(40))
    assert np.isnan(dense[10:30]).all() and dense[30:].tolist() == list(range(10, 20))
