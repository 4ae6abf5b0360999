"""SMIRK coefficients of a face: expression, eyelids and jaw a frame, with its pose, camera and shape.

The crop is that of georgeretsi/smirk `demo.py` (`crop_face`): square, round the middle of the mesh's box.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.extractor import FaceFrame, Output
from extractors.pose import euler_deg
from extractors.weights import locate

if TYPE_CHECKING:
    from extractors.smirk_network import Device

CROP_PX = 224

_JAW = ("jaw_open", "jaw_turn_y", "jaw_turn_z")
_SMIRK55 = (*(f"expression_{index:02}" for index in range(50)), "eyelid_left", "eyelid_right", *_JAW)
_ABOUT = "FLAME coefficients by SMIRK: 50 of expression, 2 of eyelids, jaw as a rotation vector in rad"
_OTHERS: Mapping[str, Output] = {
    "smirk_pose": Output("head pose by SMIRK, a rotation vector in rad", ("pose_x", "pose_y", "pose_z")),
    "smirk_camera": Output("weak perspective: image = scale * (x + shift)", ("scale", "shift_x", "shift_y")),
    "smirk_shape": Output("300 FLAME shape coefficients, the mean of the clip", per_clip=True),
}


class Smirk:
    """`FaceExtractor` of the layout `smirk55`.

    float32 arrays for N frames: `smirk55` (N, 55), `smirk_pose` (N, 3), `smirk_camera` (N, 3), and
    `smirk_shape` (300,), the mean of the N.
    """

    weights: ClassVar[tuple[str, ...]] = ("smirk",)
    libraries: ClassVar[tuple[str, ...]] = ("numpy", "opencv-python-headless", "timm", "torch")
    version: ClassVar[int] = 1
    outputs: ClassVar[Mapping[str, Output]] = {"smirk55": Output(_ABOUT, _SMIRK55), **_OTHERS}

    def __init__(
        self,
        *,
        scale: float = 1.4,
        device: Device = "auto",
        batch: int = 16,
        weights_path: str | None = None,
    ) -> None:
        """Load the encoder.

        `scale` is the crop's side over the mean of the box's sides: 1.4 in the reference's demo, 1.6 in its
        config (trained on 1.2 .. 1.8). `device` and `batch` as in `ClipNetwork`. `weights_path` is for
        tests; by default the file is the model store's. Raises `WeightsError` and `ValueError`.
        """
        from extractors.smirk_network import ClipNetwork, load_encoder

        if scale <= 0:
            raise ValueError(f"scale={scale} must be positive")
        self._scale = scale
        encoder = load_encoder(weights_path or str(locate("smirk").path))
        self._frames = ClipNetwork(
            encoder, encoder, side_px=CROP_PX, offset=0, divisor=255, device=device, batch=batch
        )

    def begin(self, n_frames: int) -> None:
        """A clip begins."""
        self._frames.begin()

    def add(self, frame: FaceFrame) -> None:
        """Its next frame."""
        self._frames.add(face_square(frame.image, frame.box, scale=self._scale))

    def finish(self) -> dict[str, NDArray[Any]]:
        """The arrays of the clip."""
        from extractors.smirk_network import COLUMNS

        rows = self._frames.finish()
        found: dict[str, NDArray[Any]] = {f"smirk_{name}": rows[:, at] for name, at in COLUMNS.items()}
        found["smirk55"] = rows[:, :55]
        found["smirk58"] = np.concatenate([rows[:, :55], found["smirk_jaw"]], axis=1)
        found["smirk_shape"] = found["smirk_shape"].mean(axis=0, dtype=np.float64).astype(np.float32)
        return {name: np.ascontiguousarray(found[name]) for name in self.outputs}


class Smirk58(Smirk):
    """The same in the layout `smirk58`: the jaw a second time behind the 55, as AVLM's text counts them."""

    outputs: ClassVar[Mapping[str, Output]] = {
        "smirk58": Output(_ABOUT, (*_SMIRK55, *(f"{name}_again" for name in _JAW))),
        **_OTHERS,
    }


def face_square(
    image: NDArray[np.uint8], box: NDArray[np.float64], *, scale: float, side_px: int = CROP_PX
) -> NDArray[np.uint8]:
    """(side, side, 3) square round a face of `image` (H, W, 3), black where the image ends.

    `box` (4,) x0 y0 x1 y1 px. The square's side is `scale` times the mean of the box's two sides, in whole
    pixels; its corners come to lie on the middles of the outermost pixels. Bilinear and rounded down, which
    gives the pixels of the reference (scikit-image's `warp` of the whole image).
    """
    size_px = max(1, int((box[2] - box[0] + box[3] - box[1]) / 2 * scale))
    corner = (box[:2] + box[2:]) / 2 - size_px / 2
    # Only the part that is read becomes float32: a large frame would cost more than the network
    height, width = image.shape[:2]
    low = np.clip(np.floor(corner).astype(int) - 1, 0, (width - 1, height - 1))
    high = np.clip(np.ceil(corner).astype(int) + size_px + 2, low + 1, (width, height))
    part = image[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    zoom = (side_px - 1) / size_px
    shift = zoom * (low - corner)
    matrix = np.array([[zoom, 0, shift[0]], [0, zoom, shift[1]]])
    return cv2.warpAffine(part, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR).astype(np.uint8)


def yaw_deg(pose: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Yaw (...) in degrees of SMIRK's poses (..., 3), rotation vectors in rad: atan2(-R31, R33).

    For AVLM's filter take the mean of |yaw|: the signed mean of a head that turns both ways is 0. Axes and
    sign are those of `extractors.pose` (FLAME: x to the subject's left, y up, z out of the face).
    """
    from scipy.spatial.transform import Rotation

    vectors = np.asarray(pose, np.float64)
    rotations = Rotation.from_rotvec(vectors.reshape(-1, 3)).as_matrix()
    yaw: NDArray[np.float64] = euler_deg(rotations)[:, 0].reshape(vectors.shape[:-1])
    return yaw
