"""Picture: one frame on its way through a plan."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synth.corruption.face_frame import Points


@dataclass(frozen=True, eq=False)
class Picture:
    """A frame, with what is known of it and what was done to it.

    `number` counts the frames that came in; `tick` is its place on the plan's time line. `points` (68, 2) px
    are NaN where the face is not known. `shown` is the number of the frame whose picture this is: another one
    after a freeze. `touched` (H, W): the pixels that a corruption reached, or None where it is not kept.
    `landmarks_missing`: it should have been corrupted, and nobody knows where the face is.
    """

    number: int
    tick: int
    image: NDArray[np.uint8]
    points: Points
    shown: int
    touched: NDArray[np.bool_] | None
    corrupted: bool = False
    landmarks_missing: bool = False

    def with_image(self, image: NDArray[np.uint8], mask: NDArray[np.bool_] | None = None) -> Picture:
        """Corrupted in the pixels of `mask` (H, W), or in all."""
        touched = self.touched
        if touched is not None:
            touched = np.ones_like(touched) if mask is None else touched | mask
        return replace(self, image=image, touched=touched, corrupted=True)

    def showing(self, other: Picture) -> Picture:
        """This moment, with the picture of another one; corrupted unless that is its own."""
        if other is self:
            return self
        touched = None if self.touched is None else np.ones_like(self.touched)
        return replace(
            other,
            number=self.number,
            tick=self.tick,
            touched=touched,
            corrupted=True,
            landmarks_missing=False,
        )

    def without_landmarks(self) -> Picture:
        """As it is, with the flag that it could not be corrupted."""
        return replace(self, landmarks_missing=True)
