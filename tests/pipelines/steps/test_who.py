"""The offsets of `who`, by both methods, and what `select` makes of them."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
import pytest
from syncnet_weights import brightness_and_loudness, saved

from extractors.track_crop import StoredCrops
from extractors.weights import MissingWeightsError
from manifests.reasons import Reason
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.driver import Driver
from pipelines.engine import LocalEngine
from pipelines.journal import Journal
from pipelines.reporter import QuietReporter
from pipelines.sections import WhoConfig
from pipelines.select_section import SelectConfig
from pipelines.steps.chunks import Span
from pipelines.steps.heard import HeardTrack
from pipelines.steps.limits import Verdict, judge_face
from pipelines.steps.offsets import stretches
from pipelines.steps.proposals import Proposal
from pipelines.steps.seen import TRUST, Seen
from pipelines.steps.who import Who

CLIPS = (
    "avoffset_early200ms_grid_sbwe5n.mp4",
    "dubbed_mismatch_grid_lrwp9a.mp4",
    "intel_profile_turn_female.mp4",
)
N_FRAMES = 50


def corpus_of(clips: Path, out: Path, *overrides: str) -> Corpus:
    wanted = ("who.model=none", "watch.embedder=none", *overrides)
    steps = build_steps(load_config(preset="talking-face", overrides=wanted))
    steps = {name: steps[name] for name in ("ingest", "watch", "who")}
    return Corpus(Store(out), str(clips), list_folder(clips), steps)


def offsets_of(corpus: Corpus) -> dict[str, list[dict[str, Any]]]:
    """Rows of the table of offsets, by file, after running the steps."""
    config = load_config(preset="talking-face").engine
    driver = Driver(corpus, LocalEngine(), config, QuietReporter(), Journal(corpus.store))
    for name in corpus.steps:
        driver.run_step(name)
    paths = {row["source_id"]: row["path"] for row in corpus.rows("ingest")}
    found = {}
    for row in corpus.rows("who"):
        assert row["status"] == "ok", row
        with corpus.store.open(row["artifacts"][1]["name"]) as handle:
            found[paths[row["source_id"]]] = pq.read_table(handle).to_pylist()
    return found


def test_offsets_of_real_clips(media: Path, models: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in CLIPS:
        (clips / name).symlink_to(media / "video" / name)
    found = offsets_of(corpus_of(clips, tmp_path / "out"))
    assert set(found) == set(CLIPS[:2]), "no sound, no offset"
    (early,), (dubbed,) = found[CLIPS[0]], found[CLIPS[1]]
    assert early["method"] == dubbed["method"] == "lips"
    assert early["offset_frames"] == pytest.approx(5, abs=1) and early["confidence"] > 0.9
    assert dubbed["confidence"] < 0.5


def flickering(path: Path, face: np.ndarray, late_frames: tuple[int, int]) -> None:
    """Two faces that flicker at 25 fps; the loudness does as they do, so many frames later."""
    gains = np.random.default_rng(5).uniform(0.88, 1, size=N_FRAMES).repeat(2)
    heard = 10 * gains[20 : 20 + N_FRAMES].repeat(640) * face[90:, 80:280].mean() / 255
    pcm = 0.0005 * np.exp(heard / 2) * np.random.default_rng(6).normal(size=N_FRAMES * 640) * 32768
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25, options={"crf": "12"})
        video.width, video.height, video.pix_fmt = 2 * face.shape[1], face.shape[0], "yuv420p"
        audio: Any = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for number in range(N_FRAMES):
            shown = [face * gains[20 + number + late] for late in late_frames]
            picture = np.concatenate(shown, axis=1).astype(np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(video.encode())
        sound = av.AudioFrame.from_ndarray(np.rint(pcm).astype(np.int16)[None], "s16", "mono")
        sound.sample_rate = 16_000
        container.mux(audio.encode(sound))
        container.mux(audio.encode())


def test_syncnet_through_the_whole_step(
    media: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights that see brightness and hear loudness; each face has an offset of its own."""
    clips, weights = tmp_path / "clips", tmp_path / "models"
    clips.mkdir()
    weights.mkdir()
    for path in models.iterdir():
        (weights / path.name).symlink_to(path)
    tensors = brightness_and_loudness()
    tensors["netfclip.3.bias"][0], tensors["netfcaud.3.bias"][0] = -6.3, -3.9  # what is seen and heard here
    saved(tensors, weights / "syncnet_v2.model")
    monkeypatch.setenv("DUOLOGUE_MODELS", str(weights))
    with av.open(str(media / "video" / "grid_bbaf2n.mpg")) as container:
        face = next(container.decode(video=0)).to_ndarray(format="rgb24")
    flickering(clips / "two.mkv", face, late_frames=(3, -4))
    corpus = corpus_of(clips, tmp_path / "out", "who.offset=syncnet")
    rows = offsets_of(corpus)["two.mkv"]
    assert [row["method"] for row in rows] == ["syncnet"] * 2
    (watched,) = corpus.rows("watch")
    with corpus.store.open(watched["artifacts"][1]["name"]) as handle:
        faces = pq.read_table(handle, columns=["track", "box"]).to_pylist()
    left_px = {face["track"]: face["box"][0] for face in faces}
    left, right = sorted(rows, key=lambda row: left_px[row["track"]])
    assert (left["offset_frames"], right["offset_frames"]) == (-3, 4)
    assert min(left["confidence"], right["confidence"]) > 0.05


def test_missing_weights_are_told_before_any_work(
    media: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(models))
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "a.mpg").symlink_to(media / "video" / "grid_bbaf2n.mpg")
    corpus = corpus_of(clips, tmp_path / "out", "who.offset=syncnet")
    with pytest.raises(MissingWeightsError, match=r"syncnet_v2\.model"):
        build(corpus, load_config(preset="talking-face"), engine=LocalEngine(), reporter=QuietReporter())
    assert not corpus.store.list("steps")


@pytest.mark.parametrize(
    ("model", "offset", "weights"),
    [
        ("lr_asd", "lips", ("lr_asd",)),
        ("lr_asd", "syncnet", ("lr_asd", "syncnet")),
        ("none", "syncnet", ("syncnet",)),
        ("none", "none", ()),
    ],
)
def test_each_network_is_in_the_key(model: Any, offset: Any, weights: tuple[str, ...]) -> None:
    assert Who(WhoConfig(model=model, offset=offset)).weights() == weights


def judged(rows: list[dict[str, Any]], start_s: float, stop_s: float, **config: Any) -> Verdict:
    """The verdict on a span of a minute in which one face is always there."""
    times_s = np.arange(1500) / 25
    n = len(times_s)
    seen = Seen(
        frame_s=times_s,
        frame_corrupt=np.zeros(n, bool),
        shot_starts_s=np.zeros(1),
        face_s=times_s,
        track=np.zeros(n, np.int32),
        height_px=np.full(n, 100.0),
        abs_yaw_deg=np.zeros(n),
        trust={name: np.full(n, np.nan) for name in TRUST},
        tracks={0: {"shot": 0, "identity": 0}},
        cut_short=False,
        offsets=tuple(rows),
    )
    span = Span(Fraction(start_s), Fraction(stop_s), 0)
    return judge_face(seen, span, SelectConfig(**config), Proposal(start_s, stop_s))


def stretch(start_s: float, offset: float, confidence: float, method: str = "lips") -> dict[str, Any]:
    found = {"method": method, "offset_frames": offset, "confidence": confidence}
    return {"track": 0, "start_s": start_s, "stop_s": start_s + 30} | found


def test_a_clip_has_the_offset_of_its_stretch() -> None:
    rows = [stretch(0, 6.0, 0.95), stretch(30, 0.0, 0.95)]
    assert [limit.reason for limit in judged(rows, 10, 15).failed] == [Reason.OUT_OF_SYNC]
    assert judged(rows, 25, 29).measures["av_offset_frames"] == 6
    assert judged(rows, 28, 36).measures["av_offset_frames"] == 0
    assert judged(rows, 40, 45).failed == []


def test_what_was_not_measured_there_is_not_borrowed() -> None:
    rows = [stretch(0, 6.0, 0.95), stretch(30, np.nan, 0.0)]
    there = judged(rows, 40, 45, av_offset_confidence=0)
    assert there.failed == [] and "av_offset_frames" not in there.measures
    rows = [stretch(30, 6.0, 0.95)]
    before = judged(rows, 10, 15, av_offset_confidence=0)
    assert before.failed == [] and "av_offset_frames" not in before.measures


@pytest.mark.parametrize(
    ("method", "confidence", "config", "rejected"),
    [
        ("lips", 0.89, {}, False),
        ("lips", 0.91, {}, True),
        ("lips", 0.91, {"max_av_offset_frames": 6}, False),
        ("syncnet", 2.9, {}, False),
        ("syncnet", 3.1, {}, True),
        ("syncnet", 3.1, {"syncnet_confidence": 4}, False),
    ],
)
def test_each_method_has_its_own_scale(
    method: str, confidence: float, config: dict[str, float], rejected: bool
) -> None:
    verdict = judged([stretch(0, -6.0, confidence, method)], 10, 15, **config)
    assert [limit.reason for limit in verdict.failed] == [Reason.OUT_OF_SYNC] * rejected
    assert verdict.measures["av_offset_method"] == method


@pytest.mark.parametrize(
    ("last_s", "edges_s"), [(3, [0, 3]), (44, [0, 44]), (46, [0, 23, 46]), (90, [0, 30, 60, 90])]
)
def test_long_tracks_are_measured_in_stretches(last_s: int, edges_s: list[float]) -> None:
    n = last_s * 25 + 1
    ones = np.zeros((n, 4))
    times_s = np.arange(n) / 25
    index = np.arange(n)
    track = HeardTrack(
        0,
        range(n),
        index < n,
        StoredCrops([]),
        index,
        np.zeros(0, np.float32),
        0.0,
        index,
        times_s,
        ones,
        ones,
    )
    found = stretches(track)
    assert [start for start, _ in found] == pytest.approx(edges_s[:-1])
    assert [stop for _, stop in found] == pytest.approx(edges_s[1:])
    counts = [((times_s >= start) & (times_s < stop)).sum() for start, stop in found]
    assert sum(counts) == n, "every frame in exactly one"
