"""A bound on look-ahead: replace the frames after it with rubbish, and nothing before them moves a bit.

Each function is also shown to look further without a bound, so that the test can fail.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from extractors.coefficients import coefficients
from extractors.crops import plan_crops
from extractors.lips import PRESETS, fill_gaps, plan_lips
from extractors.resampling import interpolate, nearest_indices, to_mimi_rate

N = 40
BOUNDS = [0, 1, 2, 5, 30]
Curves = dict[str, np.ndarray]


def head(seed: int) -> np.ndarray:
    """(N, 68, 2) landmarks of a trembling, drifting face; some frames are missing."""
    rng = np.random.default_rng(seed)
    shape = rng.uniform(60, 200, size=(68, 2))
    shape[48:68] = rng.normal((130, 150), 8, size=(20, 2))
    for point, place in {36: (92, 94), 39: (113, 95), 42: (146, 94), 45: (167, 94), 33: (129, 137)}.items():
        shape[point] = place
    drift = np.cumsum(rng.normal(scale=0.5, size=(N, 1, 2)), axis=0)
    landmarks = shape + drift + rng.normal(scale=0.5, size=(N, 68, 2))
    landmarks[rng.random(N) < 0.3] = np.nan
    landmarks[int(rng.integers(N // 2))] = shape
    return landmarks


def rubbish(values: np.ndarray, after: int, seed: int) -> np.ndarray:
    """A copy whose rows after `after` hold noise and gaps."""
    rng = np.random.default_rng(seed)
    changed = values.copy()
    later = changed[after + 1 :]
    later += rng.normal(scale=2.0, size=later.shape)
    later[rng.random(len(later)) < 0.3] = np.nan
    return changed


def lips(name: str) -> Callable[[np.ndarray, int | None], np.ndarray]:
    return lambda values, bound: plan_lips(
        values, preset=PRESETS[name], lookahead_frames=bound
    ).transforms.reshape(N, -1)


def crops(values: np.ndarray, bound: int | None) -> np.ndarray:
    boxes = np.concatenate([values.min(axis=1), values.max(axis=1)], axis=1)
    plan = plan_crops(boxes, lookahead_frames=bound)
    return np.column_stack([plan.centres, plan.sides])


def gaps(values: np.ndarray, bound: int | None) -> np.ndarray:
    return fill_gaps(values, np.isnan(values).any(axis=(1, 2)), lookahead_frames=bound).reshape(N, -1)


BY_FRAME = {"avhubert": lips("avhubert"), "auto_avsr": lips("auto_avsr"), "crops": crops, "fill_gaps": gaps}


@pytest.mark.parametrize("name", list(BY_FRAME))
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), bound=st.sampled_from(BOUNDS), frame=st.integers(0, N - 1))
def test_frames_after_the_bound_change_no_byte(name: str, seed: int, bound: int, frame: int) -> None:
    values = head(seed)
    before = BY_FRAME[name](values, bound)
    after = BY_FRAME[name](rubbish(values, frame + bound, seed + 1), bound)
    assert before[: frame + 1].tobytes() == after[: frame + 1].tobytes()


@pytest.mark.parametrize("name", list(BY_FRAME))
def test_without_a_bound_they_do_and_a_bound_is_used_to_its_end(name: str) -> None:
    values = head(3)
    values[:] = np.where(np.isnan(values), np.nanmean(values, axis=0), values)
    values[20:22] = np.nan  # frame 21 looks for frame 22
    if name != "fill_gaps":
        assert differ(BY_FRAME[name], values, frame=17, bound=None, after=22)
    for bound in (1, 2, 5):
        assert differ(BY_FRAME[name], values, frame=21, bound=bound, after=21), bound
    assert not differ(BY_FRAME[name], values, frame=21, bound=0, after=21)


def differ(
    function: Callable[[np.ndarray, int | None], np.ndarray],
    values: np.ndarray,
    *,
    frame: int,
    bound: int | None,
    after: int,
) -> bool:
    """Whether what follows frame `after` changes anything up to `frame`."""
    changed = values.copy()
    changed[after + 1 :] += 3.0 * np.sin(np.arange(values[after + 1 :].size)).reshape(
        changed[after + 1 :].shape
    )
    first, second = function(values, bound), function(changed, bound)
    return first[: frame + 1].tobytes() != second[: frame + 1].tobytes()


def measured(seed: int, rate_hz: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (s), blendshapes and poses of a face that was not seen all the time."""
    rng = np.random.default_rng(seed)
    times_s = np.arange(int(2 * rate_hz)) / rate_hz + rng.uniform(0, 0.3 / rate_hz, int(2 * rate_hz))
    times_s = times_s[rng.random(len(times_s)) < 0.85]
    return times_s, *faces(rng, len(times_s))


def faces(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    poses = np.tile(np.eye(4), (n, 1, 1))
    angle = rng.normal(scale=0.3, size=n)
    poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angle)
    poses[:, 0, 2], poses[:, 2, 0] = np.sin(angle), -np.sin(angle)
    poses[:, :3, 3] = rng.normal(size=(n, 3))
    return rng.random((n, 52)), poses


def curves(times_s: np.ndarray, shapes: np.ndarray, poses: np.ndarray, bound: int | None) -> Curves:
    grid_s = np.arange(40) / 25
    found = coefficients(times_s, shapes, poses, grid_s, max_gap_s=0.1, lookahead_frames=bound)
    return dict(vars(found))


def reach_s(name: str, frame: int) -> float:
    """The instant that a bound of 0 lets a frame see up to."""
    return (2 * frame + 1) / 25 if name in {"face61", "face61_valid"} else frame / 25


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    rate_hz=st.sampled_from([12.0, 25.0, 30.0, 60.0]),
    bound=st.sampled_from(BOUNDS),
    frame=st.integers(0, 19),
)
def test_coefficients_see_no_measurement_after_the_bound(
    seed: int, rate_hz: float, bound: int, frame: int
) -> None:
    """Later measurements change, vanish and come at other times."""
    times_s, shapes, poses = measured(seed, rate_hz)
    before = curves(times_s, shapes, poses, bound)
    rng = np.random.default_rng(seed + 1)
    for name, curve in before.items():
        keep = times_s <= reach_s(name, frame) + bound / 25
        late_s = np.sort(rng.uniform(reach_s(name, frame) + bound / 25 + 1e-6, 3, size=30))
        late = faces(rng, 30)
        after = curves(
            np.concatenate([times_s[keep], late_s]),
            np.concatenate([shapes[keep], late[0]]),
            np.concatenate([poses[keep], late[1]]),
            bound,
        )
        assert curve[: frame + 1].tobytes() == after[name][: frame + 1].tobytes(), name


@pytest.mark.parametrize(
    ("name", "frame", "bound"),
    [("arkit52", 12, 2), ("livelink61", 12, 2), ("face61_25hz", 12, 2), ("face61", 9, 0)],
)
def test_without_a_bound_coefficients_see_further(name: str, frame: int, bound: int) -> None:
    """Frames of 25 Hz look over a gap, those of 12.5 Hz one frame beyond their own."""
    times_s = np.delete(np.arange(50) / 25, range(11, 17))
    shapes, poses = faces(np.random.default_rng(0), len(times_s))
    late = times_s > reach_s(name, frame) + bound / 25 + 1e-6
    changed = np.where(late[:, None], 0.5 * shapes, shapes)
    for limit, expected in ((None, True), (bound, False)):
        first, second = (curves(times_s, one, poses, limit)[name][frame] for one in (shapes, changed))
        assert (first.tobytes() != second.tobytes()) == expected, limit


@pytest.mark.parametrize("rate_hz", [12.0, 25.0, 30.0, 60.0])
def test_a_wide_bound_is_no_bound(rate_hz: float) -> None:
    times_s = np.arange(int(4 * rate_hz)) / rate_hz
    shapes, poses = faces(np.random.default_rng(1), len(times_s))
    free, bounded = (curves(times_s, shapes, poses, bound) for bound in (None, 1000))
    for name in free:
        np.testing.assert_allclose(free[name], bounded[name], atol=1e-6)


def test_before_the_first_measurement_nothing_is_made_up() -> None:
    times_s = np.arange(10, 50) / 25
    shapes, poses = faces(np.random.default_rng(1), 40)
    found = curves(times_s, shapes, poses, 2)
    assert not found["arkit52"][:8].any() and not found["arkit52_valid"][:10].any()
    assert found["arkit52_valid"][10:].all()
    assert np.allclose(found["face61"][:4, 52:58], [1, 0, 0, 0, 1, 0]) and not found["face61_valid"][:4].any()


def test_after_the_latest_measurement_a_value_is_held_as_long_as_a_gap_may_be() -> None:
    times_s, grid_s = np.array([0.0, 0.04, 0.08]), np.arange(8) / 25
    values, valid = interpolate(
        times_s, np.array([[1.0], [2.0], [4.0]]), grid_s, max_gap_s=0.1, lookahead_s=0.0
    )
    assert values[:, 0].tolist() == [1, 2, 4, 4, 4, 4, 4, 4]
    assert valid.tolist() == [True] * 5 + [False] * 3  # 40 and 80 ms old, then 120


@settings(max_examples=50, deadline=None)
@given(
    times=st.lists(st.fractions(0, 4, max_denominator=1000), min_size=1, max_size=40, unique=True).map(
        sorted
    ),
    bound=st.integers(0, 3),
)
def test_pictures_never_come_from_after_the_bound(times: list[Fraction], bound: int) -> None:
    grid = [times[0] + Fraction(frame, 25) for frame in range(60)]
    lookahead = Fraction(bound, 25)
    free = nearest_indices(times, grid)
    for instant, index, unbounded in zip(
        grid, nearest_indices(times, grid, lookahead=lookahead), free, strict=True
    ):
        assert times[index] <= instant + lookahead
        assert index == unbounded or times[unbounded] > instant + lookahead
    with pytest.raises(ValueError, match="no frame may be shown"):
        nearest_indices(times, [times[0] - lookahead - Fraction(1, 1000)], lookahead=lookahead)


@pytest.mark.parametrize(("bound", "seen"), [(0, 0), (1, 1), (2, 1), (None, 1)])
def test_the_filter_of_mimi_frames_sees_one_frame_beyond_them(bound: int | None, seen: int) -> None:
    values, valid = np.random.default_rng(0).normal(size=(40, 3)), np.ones(40, bool)
    before, _ = to_mimi_rate(values, valid, lookahead_frames=bound)
    for k in range(18):
        for ahead, expected in ((seen, True), (seen + 1, False)):
            changed, still_valid = values.copy(), valid.copy()
            changed[2 * k + 1 + ahead :] = np.nan
            still_valid[2 * k + 1 + ahead + 1 :] = False
            after, _ = to_mimi_rate(changed, still_valid, lookahead_frames=bound)
            assert (before[k].tobytes() != after[k].tobytes()) == expected, (k, ahead)
    with pytest.raises(ValueError, match="negative"):
        to_mimi_rate(values, valid, lookahead_frames=-1)
