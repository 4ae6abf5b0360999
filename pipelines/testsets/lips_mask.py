"""Which pixels of the lip crops a corruption reached."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from extractors.landmarks import IBUG68_FROM_MESH
from pipelines.clip_sections import CutConfig
from pipelines.steps.numbers import on_frames
from pipelines.steps.series import Series
from synth.corruption.picture import Picture


def lips_mask(
    series: Series, chosen: Sequence[int], pictures: Iterator[Picture], *, config: CutConfig
) -> bytes:
    """NPY of (T, 96, 12) uint8: the pixels of the lip crops that a corruption reached, packed along rows.

    `pictures` on the clip's grid with their masks. Crops are placed by the mesh, also where dlib's points
    place the lips themselves.
    """
    from extractors.encode import npy_bytes
    from extractors.lips import PRESETS, lip_crop, plan_lips

    points = on_frames(series.landmarks[:, IBUG68_FROM_MESH, :2], series, list(chosen))
    plan = plan_lips(points, preset=PRESETS[config.lip_preset], lookahead_frames=config.lookahead_frames)
    crops = []
    for index, picture in enumerate(pictures):
        assert picture.touched is not None
        white = np.repeat(picture.touched[..., None].astype(np.uint8) * 255, 3, axis=2)
        crops.append(np.packbits(lip_crop(white, plan, index) > 0, axis=1))
    return npy_bytes(np.stack(crops))
