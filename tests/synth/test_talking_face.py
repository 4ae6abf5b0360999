"""MediaPipe's own landmarker, which has no part in the rendering, must see the motion that was asked for."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from manifests.sidecar import read_sidecar
from synth.demo_speech import SENTENCES, speak, speak_track
from synth.portrait_head import rotation
from synth.talking_face import DEMO_CLIPS, Motion, demo_corpus, mouth_of_speech, render_frames, write_clip

Curve = NDArray[np.float64]


def _motion(yaw_deg: Any = 0.0, pitch_deg: Any = 0.0, mouth: Any = 0.0, blink: Any = 0.0) -> Motion:
    curves = np.atleast_1d(yaw_deg, pitch_deg, mouth, blink)
    return Motion(*(np.array(part) for part in np.broadcast_arrays(*curves)))


def _seen(models: Path, motion: Motion) -> dict[str, Curve]:
    """Yaw and pitch in degrees, jawOpen, the blinks and the gap between the inner lips, of every frame."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(models / "face_landmarker.task")),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    rows = []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for frame in render_frames(motion):
            found = landmarker.detect(mp.Image(image_format=mp.ImageFormat.SRGB, data=frame))
            assert found.face_landmarks, "every rendered frame must have a face that is found"
            r = np.array(found.facial_transformation_matrixes[0])[:3, :3]
            points = found.face_landmarks[0]
            shapes = {shape.category_name: shape.score for shape in found.face_blendshapes[0]}
            blink = (shapes["eyeBlinkLeft"] + shapes["eyeBlinkRight"]) / 2
            gap = (points[14].y - points[13].y) / (points[152].y - points[10].y)
            yaw_deg, pitch_deg = np.degrees([np.arctan2(-r[2, 0], r[2, 2]), np.arcsin(r[2, 1])])
            rows.append((yaw_deg, pitch_deg, shapes["jawOpen"], blink, gap))
    return dict(zip(("yaw", "pitch", "jaw", "blink", "gap"), np.array(rows).T, strict=True))


def _slope_and_correlation(truth: Curve, seen: Curve) -> tuple[float, float]:
    return float(np.polyfit(truth, seen, 1)[0]), float(np.corrcoef(truth, seen)[0, 1])


# The head's shape was judged on yaw -45 to 45 in steps of 3, pitch -24 to 24 in steps of 2, one at a time;
# the values here are others, and mixed


def test_yaw_is_seen(models: Path) -> None:
    yaw = np.random.default_rng(1).uniform(-30.0, 40.0, 24)
    pitch = np.random.default_rng(2).uniform(-6.0, 6.0, 24)
    slope, correlation = _slope_and_correlation(yaw, _seen(models, _motion(yaw, pitch))["yaw"])
    assert 0.75 < slope < 1.25
    assert correlation > 0.98


def test_pitch_is_seen(models: Path) -> None:
    pitch = np.random.default_rng(3).uniform(-15.0, 15.0, 16)
    yaw = np.random.default_rng(4).uniform(-10.0, 10.0, 16)
    slope, correlation = _slope_and_correlation(pitch, _seen(models, _motion(yaw, pitch))["pitch"])
    assert 0.75 < slope < 1.25
    assert correlation > 0.95


def test_mouth_is_seen_and_does_not_turn_the_head(models: Path) -> None:
    mouth = np.random.default_rng(5).uniform(0.0, 1.0, 16)
    seen = _seen(models, _motion(yaw_deg=4.0, mouth=mouth))
    assert _slope_and_correlation(mouth, seen["jaw"])[1] > 0.9
    assert _slope_and_correlation(mouth, seen["gap"])[1] > 0.95
    assert np.ptp(seen["yaw"]) < 2.0


def test_blink_is_seen_and_does_not_turn_the_head(models: Path) -> None:
    blink = np.random.default_rng(6).uniform(0.0, 1.0, 16)
    seen = _seen(models, _motion(yaw_deg=-4.0, blink=blink))
    assert np.all(seen["blink"][blink > 0.9].min() > seen["blink"][blink < 0.5].max() + 0.2)
    assert np.ptp(seen["yaw"]) < 2.0


def test_at_rest_the_head_is_the_portrait() -> None:
    from skimage.data import astronaut

    (frame,) = render_frames(_motion(), size_px=(270, 360))  # one pixel a portrait pixel
    y, x = 135 - 132, 180 - 226  # from portrait to frame coordinates
    face = (slice(85, 170), slice(190, 260))
    shown = frame[85 + y : 170 + y, 190 + x : 260 + x].astype(int)
    assert np.abs(shown - astronaut()[face].astype(int)).mean() < 4.0


def test_rotation_is_what_the_yaw_formula_reads() -> None:
    r = rotation(33.0, -12.0)
    assert np.allclose(r @ r.T, np.eye(3))
    assert np.degrees(np.arctan2(-r[2, 0], r[2, 2])) == pytest.approx(33.0)
    assert np.degrees(np.arcsin(r[2, 1])) == pytest.approx(-12.0)
    nose = r @ [0.0, 0.0, 1.0]
    assert nose[0] > 0 and nose[1] > 0, "to the picture's right, and (pitch < 0) up"


def test_curves_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="one length"):
        Motion(np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(2))


def test_clip_has_its_frames_and_samples_and_the_same_bytes_twice(tmp_path: Path) -> None:
    tone = (0.3 * np.sin(np.arange(12_000) * 0.1)).astype(np.float32)
    motion = _motion(np.linspace(-5.0, 5.0, 12))
    for name in ("one.mp4", "two.mp4"):
        write_clip(
            tmp_path / name, motion, tone, 24_000, fps=Fraction(24), size_px=(120, 160), audio_codec="flac"
        )
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    with av.open(str(tmp_path / "one.mp4"), "r") as container:
        times = [frame.time for frame in container.decode(video=0)]
    assert times == pytest.approx([n / 24 for n in range(12)])
    with av.open(str(tmp_path / "one.mp4"), "r") as container:
        pcm = np.concatenate([frame.to_ndarray()[0] for frame in container.decode(audio=0)])
    assert np.array_equal(pcm, np.round(tone * 32767).astype(np.int16))


def test_mouth_follows_loudness_without_delay() -> None:
    rate_hz, fps = 16_000, Fraction(30_000, 1001)
    time_s = np.arange(2 * rate_hz) / rate_hz
    bursts = np.sin(2 * np.pi * 200 * time_s) * np.exp(-0.5 * ((time_s - 1.2) / 0.08) ** 2)
    mouth = mouth_of_speech(bursts.astype(np.float32), rate_hz, fps=fps, frames=59)
    assert abs(np.average(np.arange(59) / float(fps), weights=mouth) - 1.2) < 0.02
    assert mouth.max() == 1.0
    assert not mouth_of_speech(np.zeros(rate_hz, np.float32), rate_hz, fps=fps, frames=29).any()


def test_speech_is_reproducible_and_lies_in_its_spans() -> None:
    assert np.array_equal(speak(SENTENCES[0])[0], speak(SENTENCES[0])[0])
    speech = speak_track(SENTENCES, 5.2)
    assert len(speech.texts) == len(speech.spans_s) == 2
    inside = np.zeros(len(speech.pcm), bool)
    for start_s, stop_s in speech.spans_s:
        inside[round(start_s * speech.rate_hz) : round(stop_s * speech.rate_hz)] = True
    assert not speech.pcm[~inside].any()
    assert np.abs(speech.pcm[inside]).max() == pytest.approx(0.5)
    with pytest.raises(ValueError, match="longer clips"):
        speak_track(SENTENCES, 1.0)


def test_demo_corpus_is_a_corpus_with_its_truth(tmp_path: Path) -> None:
    demo_corpus(tmp_path, seconds_per_clip=4.2, fps=Fraction(8))
    names = [f"{clip.name}.mp4" for clip in DEMO_CLIPS]
    sidecar = read_sidecar(tmp_path / "sidecar.csv", names)
    assert sorted(sidecar.labels) == sorted(names)
    assert not sidecar.complaints
    mean_yaw = {}
    for clip in DEMO_CLIPS:
        truth = json.loads((tmp_path / f"{clip.name}.truth.json").read_text())
        with av.open(str(tmp_path / f"{clip.name}.mp4"), "r") as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert frames == len(truth["yaw_deg"]) == len(truth["pitch_deg"]) == len(truth["mouth"])
        assert bool(truth["speech_spans_s"]) != clip.silent
        mean_yaw[clip.name] = np.abs(truth["yaw_deg"]).mean()
    assert mean_yaw["turned-away"] > 30
    assert max(value for name, value in mean_yaw.items() if name != "turned-away") < 20
