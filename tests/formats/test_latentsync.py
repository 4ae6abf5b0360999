"""What LatentSync's data sets ask (bytedance/LatentSync:latentsync/data/unet_dataset.py), read with its own
decord."""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from made_corpus import MadeCorpus, talk, write_corpus

from manifests.exports.run import run_export


def listed(out: Path) -> list[str]:
    return [line for split in ("train", "valid") for line in (out / f"{split}.txt").read_text().splitlines()]


def test_lists_name_each_video_once_by_a_name_of_its_own(talks: MadeCorpus, out: Path) -> None:
    """`line.rstrip()` is opened; the cache of spectrograms knows `os.path.basename` only."""
    run_export(talks.path, "latentsync", str(out))
    paths = listed(out)
    assert len({Path(path).name for path in paths}) == len(paths) == len(talks.samples)
    assert all((out / path).is_file() and not Path(path).is_absolute() for path in paths)


def test_256_px_at_25_fps_and_every_frame_and_sample(talks: MadeCorpus, out: Path) -> None:
    run_export(talks.path, "latentsync", str(out))
    for path in listed(out):
        made = talks.samples[Path(path).stem]
        with av.open(str(out / path)) as found, av.open(str(out / path)) as again:
            assert found.streams.video[0].average_rate == 25
            pictures = [frame.to_ndarray(format="gray") for frame in found.decode(video=0)]
            assert again.streams.audio[0].rate == 16_000
            sound = np.concatenate([frame.to_ndarray()[0] for frame in again.decode(audio=0)])
        (out / "face.mp4").write_bytes(made.members["face.mp4"])
        with av.open(str(out / "face.mp4")) as source:
            truth = [frame.to_ndarray(format="gray") for frame in source.decode(video=0)]
        assert len(pictures) == len(truth) == round(made.header["duration_s"] * 25)
        assert all(np.array_equal(one, other) for one, other in zip(pictures, truth, strict=True))
        assert np.array_equal(sound, made.pcm["flac"])


def test_decord_gives_the_same_frames_and_samples(talks: MadeCorpus, out: Path) -> None:
    decord = pytest.importorskip("decord", reason="decord, LatentSync's reader, is not installed")
    run_export(talks.path, "latentsync", str(out))
    for path in listed(out)[:3]:
        made = talks.samples[Path(path).stem]
        video = decord.VideoReader(str(out / path), ctx=decord.cpu(0))
        assert video[:3].shape == (3, 256, 256, 3)
        assert len(video) == round(made.header["duration_s"] * 25) >= 3 * 16  # else it draws again
        sound = decord.AudioReader(str(out / path), ctx=decord.cpu(0), sample_rate=16_000)
        assert np.array_equal(np.rint(sound[:].asnumpy()[0] * 32768), made.pcm["flac"])


def test_a_smaller_face_is_scaled_and_looks_the_same(tmp_path: Path) -> None:
    made = talk(3, "train", n_frames=25, face_px=224)
    report = run_export(str(write_corpus(tmp_path / "corpus", [made])), "latentsync", str(tmp_path / "out"))
    assert any("[224] px were scaled" in note for note in report.notes)
    (tmp_path / "face.mp4").write_bytes(made.members["face.mp4"])
    small = cv2.VideoCapture(str(tmp_path / "face.mp4"))
    large = cv2.VideoCapture(str(next((tmp_path / "out" / "video").glob("*.mp4"))))
    for _ in range(50):
        one, other = small.read()[1], large.read()[1]
        assert other.shape == (256, 256, 3)
        expected = cv2.resize(one, (256, 256), interpolation=cv2.INTER_CUBIC).astype(int)
        assert np.abs(other.astype(int) - expected).mean() < 2.0
    assert not large.read()[0]


def test_clips_below_three_windows_of_16_frames_are_skipped(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", [talk(1, "train", n_frames=23), talk(2, "train", n_frames=24)])
    assert run_export(str(corpus), "latentsync", str(tmp_path / "out")).reasons == {"too_short": 1}
