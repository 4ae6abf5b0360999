"""A plan carried out on a real talking face."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synth.corruption.apply import apply, spans_of, stream
from synth.corruption.draw import plan_corruption, plan_preset
from synth.corruption.kinds import KINDS
from synth.corruption.occluders import load_occluders, names_of
from synth.corruption.plan import CorruptError, CorruptionPlan, Fault
from synth.reliability import Label, frame_clean, window_labels

ON_A_FACE = sorted(kind for kind, spec in KINDS.items() if spec.on_face)


def psnr_db(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    squared = np.mean([((a.astype(np.float32) - b) ** 2).mean() for a, b in zip(some, others, strict=True)])
    return float(10 * np.log10(255**2 / squared))


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_damage_grows_with_severity_on_real_frames(talking: Any, media: Path, kind: Any) -> None:
    """Mean PSNR against the clean frames falls from each severity to the next. Shared occluders."""
    n_frames = 30 if KINDS[kind].retimes else 4
    occluders = load_occluders(media / "occluders")
    category = KINDS[kind].occluder
    names = names_of(occluders, category) if category else ()
    frames, meshes = talking.frames[:n_frames], talking.meshes[:n_frames]
    found = []
    for severity in range(1, 6):
        plan = plan_corruption("a", kind, severity, n_frames=n_frames, occluders=names)
        found.append(psnr_db(apply(plan, frames, meshes, occluders).frames, frames))
    assert all(later < earlier for earlier, later in pairwise(found)), found


@pytest.mark.parametrize("kind", sorted(KINDS))
@pytest.mark.parametrize("grey", [False, True])
def test_only_the_spans_are_touched_and_the_masks_tell_where(talking: Any, kind: Any, grey: bool) -> None:
    frames = [image[..., 0] if grey else image for image in talking.frames[:12]]
    before = [image.copy() for image in frames]
    plan = plan_corruption("a", kind, 5, n_frames=12, spans=((3, 6), (8, 9)))
    done = apply(plan, frames, talking.meshes[:12], masks=True)
    assert all(np.array_equal(a, b) for a, b in zip(frames, before, strict=True))  # what came in is as it was
    assert done.masks is not None
    for image, clean, mask in zip(done.frames, before, done.masks, strict=True):
        assert image.shape == clean.shape and image.dtype == np.uint8
        assert np.array_equal(image[~mask], clean[~mask])
    touched = [at for at in range(12) if not np.array_equal(done.frames[at], before[at])]
    assert set(touched) <= {3, 4, 5, 8} and len(touched) >= 2
    assert np.flatnonzero(done.corrupted).tolist() == touched
    again = apply(CorruptionPlan.from_json(plan.to_json()), frames, talking.meshes[:12], masks=True)
    assert all(np.array_equal(a, b) for a, b in zip(done.frames, again.frames, strict=True))


def test_a_stream_gives_what_apply_gives(talking: Any) -> None:
    plan = plan_preset("clip4", "cav2vec", "patch", n_frames=30)
    drop = plan_corruption("clip4", "frame_drop", 3, n_frames=30, spans="cav2vec").corruptions
    plan = replace(plan, corruptions=(*plan.corruptions, *drop))
    assert len(plan.corruptions) >= 2
    whole = apply(plan, talking.frames[:30], talking.meshes[:30], masks=True)
    streamed = list(stream(plan, iter(talking.frames[:30]), talking.meshes[:30], masks=True))
    assert whole.masks is not None
    for at, picture in enumerate(streamed):
        assert np.array_equal(picture.image, whole.frames[at])
        assert picture.touched is not None and np.array_equal(picture.touched, whole.masks[at])
        assert (picture.corrupted, picture.shown) == (whole.corrupted[at], whole.shown[at])


def test_a_clean_plan_gives_back_the_frames(talking: Any) -> None:
    done = apply(CorruptionPlan("a", 5), talking.frames[:5])
    assert all(a is b for a, b in zip(done.frames, talking.frames[:5], strict=True))
    assert done.spans == () and not done.landmarks_missing.any()


def test_other_landmarks_of_the_same_face_serve_as_well(talking: Any) -> None:
    from synth.corruption.face_frame import points68

    plan = plan_corruption("a", "mask", 4, n_frames=3)
    meshes = talking.meshes[:3]
    deep = np.concatenate([meshes, np.zeros((3, 478, 1))], axis=2).astype(np.float32)
    by_mesh, by_68, by_deep = (
        apply(plan, talking.frames[:3], one).frames for one in (meshes, points68(meshes), deep)
    )
    assert np.array_equal(by_mesh, by_68) and np.array_equal(by_mesh, by_deep)


@pytest.mark.parametrize("kind", ON_A_FACE)
def test_frames_without_landmarks_are_flagged_never_silently_clean(talking: Any, kind: Any) -> None:
    meshes = talking.meshes[:30].copy()
    meshes[4:6] = np.nan  # short: interpolated
    meshes[10:24] = np.nan  # long: nobody knows
    plan = plan_corruption("a", kind, 5, n_frames=30, spans=((2, 20),))
    done = apply(plan, talking.frames[:30], meshes)
    assert np.flatnonzero(done.interpolated).tolist() == [4, 5]
    assert np.flatnonzero(done.landmarks_missing).tolist() == list(range(10, 20))
    assert done.spans == ((2, 10),)
    assert np.array_equal(done.frames[15], talking.frames[15])


def test_a_span_without_any_landmarks_is_an_error_with_its_reason(talking: Any) -> None:
    meshes = talking.meshes[:30].copy()
    meshes[8:22] = np.nan
    plan = plan_corruption("a", "hand", 3, n_frames=30, spans=((0, 3), (10, 20)))
    with pytest.raises(CorruptError, match="frames 10 to 20: no landmarks") as caught:
        apply(plan, talking.frames[:30], meshes)
    assert caught.value.reason == Fault.LANDMARKS_MISSING
    with pytest.raises(CorruptError, match="none are given"):
        apply(plan, talking.frames[:30])
    regional = plan_corruption("a", "blur", 3, n_frames=30, region="mouth")
    with pytest.raises(CorruptError, match="none are given"):
        apply(regional, talking.frames[:30])


def test_what_needs_no_face_needs_no_landmarks(talking: Any) -> None:
    for kind in sorted(set(KINDS) - set(ON_A_FACE)):
        plan = plan_corruption("a", kind, 5, n_frames=4)  # type: ignore[arg-type]
        assert apply(plan, talking.frames[:4]).corrupted.any() or kind == "frame_drop"


def test_lengths_in_canvas_pixels_grow_with_the_face(talking: Any) -> None:
    """The same clip at twice the size, corrupted and shrunk again, looks as the corrupted clip does."""
    import cv2

    image, mesh = talking.frames[0], talking.meshes[:1]
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    for kind in ("patch", "mask", "blur", "cutout"):
        plan = plan_corruption("a", kind, 4, n_frames=1)  # type: ignore[arg-type]
        (small,) = apply(plan, [image], mesh).frames
        (other,) = apply(plan, [large], 2 * mesh + 0.5).frames
        shrunk = cv2.resize(other, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        assert psnr_db([shrunk], [small]) > 30 and psnr_db([shrunk], [small]) > psnr_db([image], [small]) + 3


def test_labels_of_what_was_done(talking: Any) -> None:
    """Ten frames a window: frames 4-9 corrupted leave 4 of 10 clean; then all clean; then 4 of 10, cut."""
    frames = [image[:40, :40] for image in (*talking.frames, *talking.frames)][:28]
    plan = plan_corruption("a", "gaussian_noise", 3, n_frames=28, spans=((4, 10), (27, 28)))
    spans = apply(plan, frames).spans
    assert spans == ((4, 10), (27, 28))
    assert window_labels(spans, 28, rate_hz=25) == (Label.NOISY, Label.CLEAN, Label.MIXED)
    slow = frame_clean(spans, 28, rate_hz=25, frame_hz=Fraction(25, 2))
    assert np.flatnonzero(~slow).tolist() == [2, 3, 4, 13]
    assert spans_of(np.array([True, False, True, True])) == ((0, 1), (2, 4))


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([np.zeros((4, 4), np.uint8)] * 3, Fault.LENGTH_DIFFERS),
        ([np.zeros((4, 4), np.float32)] * 4, Fault.FRAME_UNSUITABLE),
        ([np.zeros((4, 4, 4), np.uint8)] * 4, Fault.FRAME_UNSUITABLE),
        ([np.zeros((4, 4), np.uint8), np.zeros((4, 5), np.uint8)], Fault.FRAME_UNSUITABLE),
    ],
)
def test_frames_that_are_not_as_planned(frames: list[np.ndarray], reason: Fault) -> None:
    with pytest.raises(CorruptError) as caught:
        apply(plan_corruption("a", "blur", 1, n_frames=4), frames)
    assert caught.value.reason == reason


def test_fewer_landmarks_than_frames(talking: Any) -> None:
    with pytest.raises(CorruptError, match="frame 3 has no landmarks"):
        apply(plan_corruption("a", "mask", 1, n_frames=5), talking.frames[:5], talking.meshes[:3])


def test_an_occluder_that_is_not_given(talking: Any) -> None:
    plan = plan_corruption("a", "hand", 1, n_frames=2, occluders=("left",))
    with pytest.raises(CorruptError, match="'left'; there are: none was given"):
        apply(plan, talking.frames[:2], talking.meshes[:2])
