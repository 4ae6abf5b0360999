from __future__ import annotations

import json
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.active_speaker import ActiveSpeaker, smooth
from extractors.audio import AudioReader, to_mono16k
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.speaking import Overlap, TrackScores, Turn, active, assign
from extractors.track_crop import TrackCropper

Scores = NDArray[np.float32]


def scores(*runs: tuple[int, float]) -> Scores:
    """(frames, score) after one another."""
    return np.concatenate([np.full(n, score, np.float32) for n, score in runs])


def spans(turns: list[Turn]) -> list[tuple[int | None, float, float]]:
    return [(turn.track, round(turn.start_s, 6), round(turn.stop_s, 6)) for turn in turns]


def test_a_segment_is_split_where_the_speaker_changes() -> None:
    first = TrackScores(7, 0.0, scores((20, 4), (30, -4)))
    second = TrackScores(9, 0.0, scores((20, -4), (30, 4)))
    turns = assign([(0.1, 1.95)], [first, second])
    assert spans(turns) == [(7, 0.1, 0.8), (9, 0.8, 1.95)]
    assert [(turn.segment, turn.share, turn.margin, turn.overlaps) for turn in turns] == [
        (0, 1.0, 8.0, ())
    ] * 2


def test_tracks_on_other_frame_times() -> None:
    first = TrackScores(0, 10.013, scores((25, 4), (25, -4)))
    second = TrackScores(1, 10.03, scores((25, -4), (25, 4)))
    turns = assign([(10.1, 11.5)], [first, second])
    # at 11.013 s the first falls silent, from 11.03 s on the second speaks: the change is at either
    assert turns[0].track == 0 and turns[1].track == 1
    assert round(turns[0].stop_s, 6) in (11.013, 11.03) and turns[0].stop_s == turns[1].start_s
    assert (turns[0].start_s, turns[1].stop_s) == (10.1, 11.5)


def test_nobody_in_sight_speaks() -> None:
    silent = TrackScores(0, 0.0, scores((50, -3)))
    assert spans(assign([(0.2, 1.8)], [silent])) == [(None, 0.2, 1.8)]
    assert spans(assign([(0.2, 1.8)], [])) == [(None, 0.2, 1.8)]
    assert spans(assign([(5.0, 6.0)], [silent])) == [(None, 5.0, 6.0)], "the track is over"


def test_a_track_that_covers_a_part_of_the_segment() -> None:
    late = TrackScores(3, 1.0, scores((50, 4)))
    turns = assign([(0.0, 2.0)], [late])
    assert spans(turns) == [(None, 0.0, 1.0), (3, 1.0, 2.0)]
    assert turns[1].margin is None and turns[1].share == 1


def test_a_face_lost_for_a_moment_keeps_its_turn() -> None:
    gone = TrackScores(0, 0.0, scores((20, 4), (5, np.nan), (20, 4)))
    turns = assign([(0.0, 1.8)], [gone])
    assert spans(turns) == [(0, 0.0, 1.8)]
    assert turns[0].share == pytest.approx(40 / 45)


@pytest.mark.parametrize(("n_frames", "followed"), [(7, False), (8, True)])  # 0.28 and 0.32 s
def test_short_changes_are_not_followed(n_frames: int, followed: bool) -> None:
    first = TrackScores(0, 0.0, scores((25, 4), (n_frames, -4), (25, 4)))
    second = TrackScores(1, 0.0, scores((25, -4), (n_frames, 4), (25, -4)))
    turns = assign([(0.0, (50 + n_frames) / 25)], [first, second])
    assert [turn.track for turn in turns] == ([0, 1, 0] if followed else [0])


def test_overlaps_are_marked_with_their_times() -> None:
    first = TrackScores(0, 0.0, scores((50, 4)))
    second = TrackScores(1, 0.0, scores((10, -4), (15, 3), (10, -4), (4, 3), (11, -4)))
    (turn,) = assign([(0.0, 2.0)], [first, second])
    assert turn.track == 0 and turn.overlaps == (Overlap(1, 0.4, 1.0),), "0.16 s are too short"
    assert turn.margin == pytest.approx((31 * 8 + 19 * 1) / 50)


def test_turns_cover_the_segments_exactly() -> None:
    rng = np.random.default_rng(0)
    walks = [
        TrackScores(n, 0.017 * n, rng.normal(0, 1, 200).cumsum().astype(np.float32) / 3) for n in range(3)
    ]
    segments = [(0.3, 1.234), (1.25, 5.0), (5.5, 9.99)]
    turns = assign(segments, walks)
    assert len(turns) > len(segments)
    for number, (start_s, stop_s) in enumerate(segments):
        own = [turn for turn in turns if turn.segment == number]
        assert own[0].start_s == start_s and own[-1].stop_s == stop_s
        for one, following in pairwise(own):
            assert one.stop_s == following.start_s and one.track != following.track


def value(path: tuple[int, ...], rewards: NDArray[np.float64], change_cost: float) -> float:
    changes = sum(one != following for one, following in pairwise(path))
    return float(rewards[list(path), range(len(path))].sum() / 25 - change_cost * changes)


@pytest.mark.parametrize("seed", range(6))
def test_no_other_division_is_worth_more(seed: int) -> None:
    """All 3^8 divisions of 8 frames among two tracks and nobody, counted by brute force."""
    drawn = np.random.default_rng(seed).normal(0, 2, (2, 8)).astype(np.float32)
    turns = assign(
        [(0.0, 0.32)], [TrackScores(n, 0.0, row) for n, row in enumerate(drawn)], sure=2.0, min_turn_s=0.03
    )
    rewards = np.concatenate([np.clip(drawn, -2, 2), np.zeros((1, 8))])
    chosen: list[int] = []
    for turn in turns:
        chosen += [2 if turn.track is None else turn.track] * round((turn.stop_s - turn.start_s) * 25)
    best = max(value(path, rewards, 0.06) for path in product(range(3), repeat=8))
    assert value(tuple(chosen), rewards, 0.06) == pytest.approx(best)


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(ValueError, match="segment 1 is empty"):
        assign([(0.0, 1.0), (2.0, 2.0)], [])


def test_active_drops_blips_and_fills_gaps() -> None:
    values = scores((6, -1), (2, 1), (6, -1), (8, 1), (2, -1), (8, 1), (4, -1))
    assert list(np.flatnonzero(active(values))) == list(range(14, 32))
    assert list(np.flatnonzero(active(values, median_frames=1))) == [6, 7, *range(14, 22), *range(24, 32)]


def test_active_has_hysteresis() -> None:
    values = scores((5, -0.3), (10, 1), (10, -0.3), (5, -1), (5, -0.3), (5, np.nan))
    assert list(np.flatnonzero(active(values, leave=-0.5))) == list(range(5, 25))
    assert list(np.flatnonzero(active(values))) == list(range(5, 15))
    assert not len(active(values[:0]))


@pytest.fixture(scope="module")
def dialogue(media: Path, models: Path) -> list[TrackScores]:
    """Tracks of the two faces, A left (0) and B right (1); boxes are measured in every fifth frame."""
    path = str(media / "video" / "dialogue_grid_2spk.mp4")
    found = probe(path)
    assert found.video is not None and found.audio is not None
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"), max_faces=2)
    croppers, crops = (TrackCropper(), TrackCropper()), ([], [])
    with VideoReader(path, stream_index=found.video.index) as video:
        for number, frame in enumerate(video.frames()):
            if number % 5 == 0:
                boxes = sorted(
                    (face.box for face in landmarker(frame.image, 40 * number)), key=lambda box: box[0]
                )
            for cropper, kept, box in zip(croppers, crops, boxes, strict=True):
                kept.append(cropper(frame.image, box))
    with AudioReader(path, stream_index=found.audio.index) as audio:
        pcm = to_mono16k(np.concatenate(list(audio.blocks()), axis=1), found.audio.rate_hz)
    speaker = ActiveSpeaker(str(models / "lrasd_pretrain_AVA.model"))
    return [TrackScores(n, 0.0, smooth(speaker(np.array(kept), pcm))) for n, kept in enumerate(crops)]


def truth_of(media: Path) -> NDArray[np.bool_]:
    """(2, 425): A and B speak in the middle of the frame."""
    described = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text())
    middle_s = (np.arange(425) + 0.5) / 25
    truth = np.zeros((2, 425), bool)
    for turn in described["turns"]:
        truth["AB".index(turn["speaker"])] |= (middle_s >= turn["start"]) & (middle_s < turn["end"])
    return truth


def test_dialogue_frames(media: Path, dialogue: list[TrackScores]) -> None:
    truth = truth_of(media)
    for track, spoken in zip(dialogue, truth, strict=True):
        assert (active(track.scores) == spoken).mean() >= 0.95
    alone = truth.sum(axis=0) == 1
    louder = np.argmax([track.scores for track in dialogue], axis=0)
    assert (truth[louder, np.arange(425)])[alone].mean() >= 0.95


def test_dialogue_turns(media: Path, dialogue: list[TrackScores]) -> None:
    """Heard as one long segment it falls into the turns of the json, within the aligner's 0.12 s."""
    described = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text())["turns"]
    turns = assign([(0.0, 17.0)], dialogue)
    spoken = [(turn.track, turn.start_s, turn.stop_s) for turn in turns if turn.track is not None]
    spoken += [(o.track, o.start_s, o.stop_s) for turn in turns for o in turn.overlaps]
    spoken.sort(key=lambda span: (round(span[1]), span[0]))
    assert [track for track, _, _ in spoken] == ["AB".index(turn["speaker"]) for turn in described]
    for (_, start_s, stop_s), turn in zip(spoken, described, strict=True):
        assert abs(start_s - turn["start"]) <= 0.12 and abs(stop_s - turn["end"]) <= 0.2
    overlapped = [turn for turn in turns if turn.overlaps]
    assert len(overlapped) == 1 and overlapped[0].margin is not None and abs(overlapped[0].margin) < 2
    margins = [turn.margin for turn in turns if turn.track is not None and not turn.overlaps]
    assert min(margin or 0 for margin in margins) > 4
