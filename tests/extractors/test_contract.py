"""What every registered extractor must keep to, and the example of docs/extending.md with them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.extractor import EXTRACTORS, FaceFrame, extractor_class
from manifests.reasons import ItemError

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def example() -> Iterator[str]:
    """The page's own code, registered as the page says."""
    code, line = re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[:2]
    module = ModuleType("mouth_colour_of_the_docs")
    exec(compile(code, str(DOCS), "exec"), module.__dict__)
    sys.modules[module.__name__] = module
    name, path = re.fullmatch(r'\s*"(\w+)": "extractors\.mouth_colour:(\w+)",\s*', line).groups()  # type: ignore[union-attr]
    EXTRACTORS[name] = f"{module.__name__}:{path}"
    yield name
    del EXTRACTORS[name], sys.modules[module.__name__]


@pytest.fixture(params=["mouth_colour", *EXTRACTORS])
def extractor(
    request: pytest.FixtureRequest, example: str, monkeypatch: pytest.MonkeyPatch, brought_weights: Path
) -> Any:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(brought_weights))
    small = {} if request.param == "mouth_colour" else {"batch": 3}  # the same code, a quarter of the time
    return extractor_class(request.param)(**small)


def frame(rng: np.random.Generator, *, shift_px: float = 0.0) -> FaceFrame:
    """A face-like mesh on noise; numbers, not a picture of a face: contracts do not depend on looks."""
    image = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
    angle = np.linspace(0, 40 * np.pi, 478)
    radius = 35 * np.sqrt(np.linspace(0.01, 1, 478))
    landmarks = np.stack([80 + radius * np.cos(angle), 60 + radius * np.sin(angle), 0 * angle], axis=1)
    landmarks[33], landmarks[263] = (62, 50, 0), (98, 50, 0)
    landmarks += np.array([shift_px, 0, 0]) + rng.normal(0, 0.2, (478, 3))
    box = np.concatenate([landmarks[:, :2].min(axis=0), landmarks[:, :2].max(axis=0)])
    return FaceFrame(image, landmarks, box, rng.random(52), np.eye(4))


def clip(seed: int, n: int, **options: Any) -> list[FaceFrame]:
    rng = np.random.default_rng(seed)
    return [frame(rng, **options) for _ in range(n)]


def run(extractor: Any, frames: list[FaceFrame]) -> Arrays:
    extractor.begin(len(frames))
    for one in frames:
        extractor.add(one)
    found: Arrays = extractor.finish()
    return found


def same(one: Arrays, other: Arrays) -> bool:
    return one.keys() == other.keys() and all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_arrays_are_those_that_were_declared(extractor: Any) -> None:
    shapes: dict[str, set[Any]] = {}
    for n in (1, 7):
        found = run(extractor, clip(n, n))
        assert set(found) == set(extractor.outputs)
        for name, values in found.items():
            about = extractor.outputs[name]
            assert about.per_clip or len(values) == n, name
            assert not about.channels or values.shape[-1] == len(about.channels), name
            assert values.dtype in (np.float32, np.bool_), name
            assert np.isfinite(values).all(), name
            shapes.setdefault(name, set()).add(
                (values.dtype, values.shape if about.per_clip else values.shape[1:])
            )
    assert all(len(kinds) == 1 for kinds in shapes.values()), shapes


def test_a_clip_leaves_nothing_to_the_next(extractor: Any) -> None:
    alone = run(extractor, clip(5, 6))
    other = run(extractor, clip(6, 9))
    again = run(extractor, clip(5, 6))
    assert same(alone, again) and not same(alone, other)


def test_a_clip_given_up_half_way_leaves_nothing_either(extractor: Any) -> None:
    alone = run(extractor, clip(5, 6))
    extractor.begin(100)
    for one in clip(7, 4):
        extractor.add(one)
    assert same(alone, run(extractor, clip(5, 6)))


@pytest.mark.parametrize("shift_px", [-90.0, 70.0, 5000.0])
def test_faces_outside_the_picture_end_in_numbers_or_a_reason(extractor: Any, shift_px: float) -> None:
    try:
        found = run(extractor, clip(9, 2, shift_px=shift_px))
    except ItemError as error:
        assert error.reason and error.detail
    else:
        assert all(np.isfinite(values).all() for values in found.values())


def test_black_frames_end_in_numbers_or_a_reason(extractor: Any) -> None:
    black = [
        FaceFrame(np.zeros_like(one.image), one.landmarks, one.box, one.blendshapes, one.pose)
        for one in clip(10, 2)
    ]
    try:
        found = run(extractor, black)
    except ItemError as error:
        assert error.reason and error.detail
    else:
        assert all(np.isfinite(values).all() for values in found.values())


def test_weights_and_libraries_are_known(extractor: Any) -> None:
    from importlib import metadata

    from extractors.weights_registry import REGISTRY

    assert set(extractor.weights) <= set(REGISTRY)
    assert all(metadata.version(name) for name in extractor.libraries) and extractor.version >= 1
