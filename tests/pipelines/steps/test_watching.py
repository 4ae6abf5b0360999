"""`watch` looks at several frames at once; how many changes nothing."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from extractors.media import VideoReader
from extractors.probe import probe
from pipelines.sections import WatchConfig
from pipelines.steps import watching
from pipelines.steps.watching import Watcher


def seen(watcher: Watcher, path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of the frames and faces of thirty frames; a cut is among them."""
    video = probe(str(path)).video
    assert video is not None
    watcher.begin()
    frames, faces = [], []
    with VideoReader(str(path), stream_index=video.index) as reader:
        for frame, final in watcher.look(islice(reader.frames(), 60, 90)):
            frames.append(frame)
            faces += final
    return frames, faces + watcher.finish()


def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(
        np.array_equal(one[name], other[name], equal_nan=not isinstance(one[name], bytes)) for name in one
    )


@pytest.mark.parametrize(("frames", "size"), [(1, 48 << 20), (7, 48 << 20), (16, 1 << 20)])
def test_the_number_of_frames_looked_at_together_changes_nothing(
    media: Path, models: Path, monkeypatch: pytest.MonkeyPatch, frames: int, size: int
) -> None:
    path = media / "video" / "hardcuts.mp4"
    watcher = Watcher(WatchConfig())
    of_frames, of_faces = seen(watcher, path)
    monkeypatch.setattr(watching, "BLOCK_FRAMES", frames)
    monkeypatch.setattr(watching, "BLOCK_BYTES", size)
    again, faces_again = seen(watcher, path)
    assert len(of_frames) == 30
    assert {row["shot"] for row in of_frames} == {0, 1}
    assert of_frames == again
    assert len(of_faces) == len(faces_again) > 0
    assert all(map(equal, of_faces, faces_again))
