from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from extractors.active_speaker import ActiveSpeaker, smooth
from extractors.asd_network import TRAINING_ONLY, load_network
from extractors.audio import AudioReader, to_mono16k
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.mfcc import cepstra
from extractors.probe import probe
from extractors.track_crop import TrackCropper

WEIGHTS = "lrasd_pretrain_AVA.model"
Crops = NDArray[np.uint8]
Sound = NDArray[np.float32]


@pytest.fixture(scope="module")
def speaker(models: Path) -> ActiveSpeaker:
    return ActiveSpeaker(str(models / WEIGHTS))


def drawn(n_frames: int = 60) -> tuple[Crops, Sound]:
    """A dark bar that opens and shuts on a noisy ground, and noise that is loud while the bar is wide."""
    rng = np.random.default_rng(0)
    opening = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_frames) / 9)
    opening[: n_frames // 3] = 0
    crops = rng.integers(90, 160, (n_frames, 112, 112), dtype=np.uint8)
    for crop, wide in zip(crops, opening, strict=True):
        crop[60 : 62 + round(20 * wide), 36:76] = 20
    loudness = np.repeat(0.001 + 0.1 * opening, 640)
    pcm = np.append(loudness, np.zeros(240)) * rng.standard_normal(n_frames * 640 + 240)
    return crops, pcm.astype(np.float32)


@pytest.fixture(scope="module")
def grid_clip(media: Path, models: Path) -> tuple[Crops, Sound]:
    """Crops and sound of a clip whose words last from 0.45 to 2.12 s."""
    path = str(media / "video" / "grid_brbk7n.mpg")
    found = probe(path)
    assert found.video is not None and found.audio is not None
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"), max_faces=1)
    cropper = TrackCropper()
    with VideoReader(path, stream_index=found.video.index) as video:
        frames = list(video.frames())
    crops = [cropper(frame.image, landmarker(frame.image, 40 * t)[0].box) for t, frame in enumerate(frames)]
    with AudioReader(path, stream_index=found.audio.index) as audio:
        pcm = audio.read_span(frames[0].pts, frames[0].pts + Fraction(len(frames), 25))
    return np.array(crops), to_mono16k(pcm, found.audio.rate_hz)


# Printed by python_speech_features 0.6 (`mfcc(int16 samples, 16000)`) for the sound of `drawn`
CEPSTRA = {
    0: [
        12.868031,
        -37.687617,
        -12.024176,
        -13.872253,
        -7.349147,
        -7.644263,
        1.023104,
        0.482661,
        0.186634,
        0.335575,
        5.219639,
        -4.691382,
        -4.162731,
    ],
    100: [
        20.469332,
        -35.443233,
        -9.750321,
        -9.413192,
        -2.101334,
        -1.405826,
        3.480294,
        0.314556,
        -7.438334,
        -6.404525,
        -2.370716,
        0.45968,
        2.325501,
    ],
    239: [
        21.44656,
        -37.262588,
        -7.672714,
        -7.049244,
        0.820687,
        -7.324835,
        -8.715698,
        -7.168414,
        -4.44039,
        13.370138,
        12.887701,
        3.90755,
        -0.762595,
    ],
}


def test_cepstra_equal_those_of_python_speech_features() -> None:
    _, pcm = drawn()
    rows = cepstra(pcm, 0, 240)
    for number, expected in CEPSTRA.items():
        assert np.abs(rows[number] - expected).max() < 1e-5


def test_cepstra_do_not_depend_on_the_cut() -> None:
    _, pcm = drawn()
    parts = [cepstra(pcm, start, min(start + 37, 240)) for start in range(0, 240, 37)]
    assert np.abs(np.concatenate(parts) - cepstra(pcm, 0, 240)).max() < 1e-9


# Printed by the model code of Junhua-Liao/LR-ASD@1b6dcd2d, run in eval mode with the published weights on the
# crops of `drawn` and the cepstra that python_speech_features makes of its sound
SCORES = {0: -2.9058, 12: -5.02024, 22: -3.31594, 30: -3.90526, 45: -3.83588, 59: -2.78441}


def test_scores_equal_those_of_the_published_code(speaker: ActiveSpeaker) -> None:
    scores = speaker(*drawn())
    assert scores.shape == (60,) and scores.dtype == np.float32
    for frame, expected in SCORES.items():
        assert abs(scores[frame] - expected) < 1e-4, (frame, scores[frame])


def test_finds_when_the_face_speaks(speaker: ActiveSpeaker, grid_clip: tuple[Crops, Sound]) -> None:
    crops, pcm = grid_clip
    middle_s = (np.arange(len(crops)) + 0.5) / 25
    spoken = (middle_s >= 0.45) & (middle_s < 2.12)
    assert ((smooth(speaker(crops, pcm)) > 0) == spoken).mean() >= 0.95


def test_a_moving_face_in_silence_does_not_speak(
    speaker: ActiveSpeaker, grid_clip: tuple[Crops, Sound]
) -> None:
    crops, pcm = grid_clip
    assert speaker(crops, np.zeros_like(pcm)).max() < -1
    late = pcm.copy()
    late[16000:] = 0
    padded, short = speaker(crops, late), speaker(crops, late[:16000])
    assert np.abs(padded - short).max() < 0.3, "sound that has ended is silence"
    assert padded[:25].max() > 0 > padded[35:].max()


def test_windows_change_nothing(speaker: ActiveSpeaker) -> None:
    crops, pcm = drawn(30)
    whole = speaker(crops, pcm, window_frames=1000)
    for window_frames in (7, 13):
        assert np.abs(speaker(crops, pcm, window_frames=window_frames) - whole).max() < 1e-4


def test_the_same_input_gives_the_same_bytes(speaker: ActiveSpeaker, models: Path) -> None:
    crops, pcm = drawn(20)
    again = ActiveSpeaker(str(models / WEIGHTS))
    assert speaker(crops, pcm).tobytes() == speaker(crops, pcm).tobytes() == again(crops, pcm).tobytes()


def test_short_and_empty_tracks(speaker: ActiveSpeaker) -> None:
    crops, pcm = drawn(60)
    assert speaker(crops[:0], pcm).shape == (0,)
    assert np.isfinite(speaker(crops[:1], pcm[:0])).all()


def test_other_shapes_are_refused(speaker: ActiveSpeaker) -> None:
    crops, pcm = drawn(10)
    for wrong in (crops[:, :100], crops.astype(np.float32)):
        with pytest.raises(ValueError, match="crops must be"):
            speaker(wrong, pcm)
    with pytest.raises(ValueError, match="mono"):
        speaker(crops, pcm[None])


def test_every_tensor_of_the_file_is_used(models: Path, tmp_path: Path) -> None:
    published = torch.load(models / WEIGHTS, map_location="cpu", weights_only=True)
    assert set(published) >= TRAINING_ONLY
    name = "model.detector.gru_backward.weight_hh_l0"
    for broken in (
        {key: value for key, value in published.items() if key != name},
        published | {"model.other.weight": torch.zeros(1)},
        published | {name: torch.zeros(3, 3)},
    ):
        torch.save(broken, tmp_path / "broken.model")
        with pytest.raises(RuntimeError, match="model"):
            load_network(str(tmp_path / "broken.model"))
    with pytest.raises(RuntimeError, match="Missing key"):
        load_network(str(models / "lightasd_pretrain_AVA_CVPR.model"))


def test_smoothing_is_the_mean_over_five_frames() -> None:
    scores = np.array([5, 0, 0, 10, 0, 0, 0], np.float32)
    assert np.allclose(smooth(scores), [5 / 3, 15 / 4, 3, 2, 2, 2.5, 0])
    assert np.allclose(smooth(scores[:2]), [2.5, 2.5]) and len(smooth(scores[:0])) == 0


@pytest.mark.gpu
def test_the_gpu_gives_the_same_scores(cuda: str, speaker: ActiveSpeaker, models: Path) -> None:
    crops, pcm = drawn()
    on_gpu = ActiveSpeaker(str(models / WEIGHTS), device="cuda")
    assert np.abs(on_gpu(crops, pcm) - speaker(crops, pcm)).max() < 0.05
