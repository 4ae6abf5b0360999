"""The clips reported on are those of four people whom neither the map nor the confidence has seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from extractors.audio import AudioReader, to_mono16k
from extractors.av_offset import AvOffset, measure_offset
from extractors.landmarks import make_landmarker
from extractors.lip_motion import LIP_FEATURES, lip_features
from extractors.media import VideoReader
from extractors.probe import probe

HELD_OUT = ("grid_lbax4n", "grid_lbbc2a", "grid_lrwp9a", "grid_sbwe5n")
# Of clips the map was fitted to: when b or p bursts, read off the waveform, seconds
BURSTS = {"grid_bbaf2n": 1.0, "grid_brbk7n": 0.54, "grid_pwij3p": 0.51}
RATE_HZ = 16_000
FRAME_S = 0.04


@dataclass(frozen=True)
class Clip:
    times_s: np.ndarray
    lips: np.ndarray
    pcm: np.ndarray

    def measure(
        self,
        shift_frames: int = 0,
        *,
        start_s: float = 0.0,
        stop_s: float = 9.0,
        pcm: np.ndarray | None = None,
    ) -> AvOffset:
        """Of the file that would result if the sound came later by so much, and were cut to these times."""
        pcm = self.pcm if pcm is None else pcm
        shift = shift_frames * round(FRAME_S * RATE_HZ)
        low, high = (round(time_s * RATE_HZ) - shift for time_s in (start_s, stop_s))
        kept = (self.times_s >= start_s) & (self.times_s < stop_s)
        first = max(low, 0)
        sound = pcm[first : max(high, 0)]
        return measure_offset(self.times_s[kept], self.lips[kept], sound, start_s=(first + shift) / RATE_HZ)


def read(path: Path, models: Path, *, n_frames: int = 1000) -> Clip:
    streams = probe(str(path))
    assert streams.video is not None and streams.audio is not None
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"), max_faces=1)
    times, landmarks = [], []
    with VideoReader(str(path), stream_index=streams.video.index) as video:
        for frame, _ in zip(video.frames(), range(n_frames), strict=False):
            times.append(float(frame.pts))
            landmarks.append(landmarker(frame.image, round(1000 * frame.pts))[0].landmarks)
    with AudioReader(str(path), stream_index=streams.audio.index) as audio:
        assert audio.start == 0
        pcm = to_mono16k(np.concatenate(list(audio.blocks()), axis=1), audio.rate_hz)
    return Clip(np.array(times), lip_features(np.array(landmarks)), pcm)


@pytest.fixture(scope="module")
def clips(media: Path, models: Path) -> dict[str, Clip]:
    return {name: read(media / "video" / f"{name}.mpg", models) for name in HELD_OUT}


@pytest.fixture(scope="module")
def clip(clips: dict[str, Clip]) -> Clip:
    return clips["grid_sbwe5n"]


def test_offsets_of_shifted_clips(clips: dict[str, Clip]) -> None:
    """Positive: the sound is early. The clips as they are count as in sync; see `BURSTS`."""
    errors, signs = [], []
    for clip in clips.values():
        for late in range(-8, 9):
            found = clip.measure(late).offset_frames
            errors.append(abs(found + late))
            if late:
                signs.append(found * -late > 0)
    within = np.mean(np.array(errors) <= 1)
    assert within >= 0.8, within
    assert np.mean(signs) >= 0.8


@pytest.mark.parametrize("name", BURSTS)
def test_grid_is_in_sync(media: Path, models: Path, name: str) -> None:
    """The lips of b and p part at the burst, within a frame: what the map takes for no offset is none."""
    clip = read(media / "video" / f"{name}.mpg", models, n_frames=30)
    gap = clip.lips[:, LIP_FEATURES.index("gap")]
    burst_s = BURSTS[name]
    closed = gap < 0.2 * gap.max()
    last_closed_s = clip.times_s[closed & (clip.times_s < burst_s)].max()
    first_open_s = clip.times_s[~closed & (clip.times_s > last_closed_s)].min()
    assert last_closed_s <= burst_s <= first_open_s + 0.01
    assert first_open_s - last_closed_s == pytest.approx(FRAME_S)


def test_sound_200_ms_early(media: Path, models: Path) -> None:
    found = read(media / "video" / "avoffset_early200ms_grid_sbwe5n.mp4", models).measure()
    assert found.offset_frames == pytest.approx(5, abs=1)
    assert found.offset_s == pytest.approx(0.04 * found.offset_frames)
    assert found.confidence > 0.9


def test_a_dubbed_voice_is_not_believed(media: Path, models: Path) -> None:
    assert read(media / "video" / "dubbed_mismatch_grid_lrwp9a.mp4", models).measure().confidence < 0.5


def test_confidence_is_the_share_that_is_right(clips: dict[str, Clip]) -> None:
    """Half of the trials are a person's own voice, half another's; windows of 1.6 s to the whole."""
    rng = np.random.default_rng(1)
    confidence, right = [], []
    for name, clip in clips.items():
        others = [clips[other].pcm for other in HELD_OUT if other != name]
        for length_s in (1.6, 2.0, 2.5, 3.0):
            for voice in (clip.pcm, clip.pcm, clip.pcm, *others):
                start_s, late = rng.uniform(0, 3.0 - length_s), int(rng.integers(-8, 9))
                found = clip.measure(late, start_s=start_s, stop_s=start_s + length_s, pcm=voice)
                confidence.append(found.confidence)
                right.append(voice is clip.pcm and abs(found.offset_frames + late) <= 1)
    p, y = np.array(confidence), np.array(right)
    brier, ignorant = np.mean((p - y) ** 2), y.mean() * (1 - y.mean())
    assert brier < 0.7 * ignorant, (brier, ignorant)
    for low, high in ((0.0, 0.3), (0.3, 0.7), (0.7, 1.01)):
        inside = (p >= low) & (p < high)
        assert inside.sum() >= 15
        assert abs(p[inside].mean() - y[inside].mean()) < 0.2, (low, p[inside].mean(), y[inside].mean())


def test_music_is_not_believed(clips: dict[str, Clip], media: Path) -> None:
    path = str(media / "music" / "Kevin_MacLeod_-_Vibe_Ace.ogg")
    with AudioReader(path, stream_index=0) as reader:
        music = to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)
    found = [clip.measure(pcm=music[start:]) for clip in clips.values() for start in (0, 16_000, 32_000)]
    assert np.mean([one.confidence for one in found]) < 0.3
    assert max(one.confidence for one in found) < 0.7


def nothing(found: AvOffset) -> bool:
    return found.confidence == 0 and math.isnan(found.offset_frames) and math.isnan(found.offset_s)


def test_nothing_to_measure(clip: Clip) -> None:
    assert nothing(clip.measure(pcm=np.zeros(48_000, np.float32))), "digital silence"
    assert nothing(clip.measure(pcm=clip.pcm[:100])), "no sound"
    assert nothing(clip.measure(start_s=1.0, stop_s=2.5)), "under 1.5 s"
    assert nothing(Clip(clip.times_s, np.full_like(clip.lips, np.nan), clip.pcm).measure()), "no face"
    assert nothing(Clip(clip.times_s[:0], clip.lips[:0], clip.pcm).measure()), "no frames"
    assert nothing(Clip(clip.times_s, np.ones_like(clip.lips), clip.pcm).measure()), "a picture"
    assert nothing(Clip(clip.times_s + 100, clip.lips, clip.pcm).measure(stop_s=200)), "another time"


def test_lips_that_only_tremble_are_not_believed(clip: Clip) -> None:
    found = []
    for seed in range(6):
        noise = np.random.default_rng(seed).normal(scale=0.002, size=clip.lips.shape)
        found.append(Clip(clip.times_s, clip.lips.mean(axis=0) + noise, clip.pcm).measure().confidence)
    assert np.mean(found) < 0.3 and max(found) < 0.7, found


def test_an_offset_out_of_reach_is_not_believed(clips: dict[str, Clip]) -> None:
    found = [clip.measure(late).confidence for clip in clips.values() for late in (-22, -17, 17, 22)]
    assert np.mean(found) < 0.3, found


def test_what_does_not_matter(clip: Clip) -> None:
    """The clock's zero, loudness, the size of the face; and that a second run gives the same bits."""
    reference = clip.measure(3)
    assert reference == clip.measure(3)
    later = measure_offset(clip.times_s + 1000, clip.lips, clip.pcm, start_s=1000 + 3 * FRAME_S)
    quiet = clip.measure(3, pcm=clip.pcm * np.float32(0.05))
    for other in (later, quiet):
        assert other.offset_frames == pytest.approx(reference.offset_frames, abs=0.02)
        assert other.confidence == pytest.approx(reference.confidence, abs=0.01)


def test_missing_frames_and_other_rates(clip: Clip) -> None:
    lost = clip.lips.copy()
    lost[::10] = np.nan
    lost[50:58] = np.nan
    times_s = np.sort(np.r_[clip.times_s, clip.times_s[:-1] + FRAME_S / 2])
    columns = [np.interp(times_s, clip.times_s, column) for column in clip.lips.T]
    variants = {
        "missing": Clip(clip.times_s, lost, clip.pcm),
        "left out": Clip(clip.times_s[~np.isnan(lost[:, 0])], lost[~np.isnan(lost[:, 0])], clip.pcm),
        "12.5 fps": Clip(clip.times_s[::2], clip.lips[::2], clip.pcm),
        "50 fps": Clip(times_s, np.stack(columns, axis=1), clip.pcm),
    }
    for name, variant in variants.items():
        for late in (-6, 6):
            found = variant.measure(late)
            assert abs(found.offset_frames + late) <= 1 and found.confidence > 0.7, (name, found)
    assert variants["missing"].measure() == variants["left out"].measure()


def test_arguments_that_do_not_fit(clip: Clip) -> None:
    for lips, pcm in ((clip.lips[:-1], clip.pcm), (clip.lips[:, :3], clip.pcm), (clip.lips, clip.pcm[None])):
        with pytest.raises(ValueError, match="do not fit"):
            measure_offset(clip.times_s, lips, pcm, start_s=0)


def test_lip_features_do_not_know_size_place_or_turn() -> None:
    rng = np.random.default_rng(4)
    face = rng.normal(size=(5, 478, 3)) * 100
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = 2.5 * face @ turn + [300, -20, 7]
    assert np.allclose(lip_features(moved), lip_features(face))


def test_lip_features_by_hand() -> None:
    face = np.zeros((3, 478, 3), np.float32)
    face[:, 33], face[:, 263] = (0, 0, 0), (60, 80, 0)  # 100 apart
    face[:, 152] = (0, 0, 150)  # chin; the bridge of the nose is at zero
    face[0, 17], face[0, 84], face[0, 314] = (30, 0, 0), (0, 30, 0), (0, 0, 60)
    face[0, 14], face[0, 87], face[0, 317] = (0, 6, 0), (0, 0, 9), (0, 0, 0)
    face[0, 291] = (0, 50, 0)
    face[1] = np.nan
    face[2] = 0
    features = lip_features(face)
    assert LIP_FEATURES == ("jaw", "height", "width", "gap")
    assert np.allclose(features[0], [1.5, 0.4, 0.5, 0.05])
    assert np.isnan(features[1:]).all()
    with pytest.raises(ValueError, match="478"):
        lip_features(face[:, :468])
