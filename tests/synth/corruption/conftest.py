"""A real talking face: frames of a GRID clip and the landmarks that the product finds in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from extractors.detectors import make_detector
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.weights import locate


@dataclass(frozen=True)
class Talking:
    """`frames` (H, W, 3) RGB, `meshes` (T, 478, 2) px."""

    frames: list[NDArray[np.uint8]]
    meshes: NDArray[np.float64]


@pytest.fixture(scope="session")
def talking(media: Path, models: Path) -> Talking:
    with VideoReader(str(media / "video" / "grid_bbaf2n.mpg"), stream_index=0) as reader:
        frames = [frame.image for frame in reader.frames()][:32]
    task = str(locate("face_landmarker").path)
    find = make_landmarker("direct", task_path=task, detector=make_detector("yunet"))
    meshes = [find(image, 40 * t)[0].landmarks[:, :2] for t, image in enumerate(frames)]
    return Talking(frames, np.array(meshes, np.float64))
