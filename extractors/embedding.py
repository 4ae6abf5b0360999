"""Face embeddings: numbers that lie near for two pictures of one person and far for two people."""

from __future__ import annotations

import math
from typing import Any, Literal, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from extractors.landmarks import Face
from extractors.lips import similarity
from extractors.pose import euler_deg, rotation_of

MIN_SIDE_PX = 40.0
"""The smallest face that dlib's detector finds as its recognition example calls it (one enlargement)."""
MAX_TURN_DEG = 45.0
"""Half profile: beyond it one eye corner, which chips are aligned by, is hidden."""


class FaceEmbedder(Protocol):
    """Aligns a face to a small picture and turns that into numbers.

    Embeddings are compared by Euclidean distance. `same_below` is the distance under which the authors of
    the model call two faces one person; it was never fitted to clips of ours.
    """

    name: str
    dims: int
    same_below: float

    def chip(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The aligned face (S, S, 3) of `image` (H, W, 3) RGB with mesh `landmarks` (478, 2 or 3) px."""

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(dims,) float32 of a `chip`."""


class DlibEmbedder:
    """dlib's 128 numbers (`dlib_face_recognition_resnet_model_v1.dat`, public domain).

    Chips are aligned by eye corners and nose as `dlib.get_face_chip` does for its five points. The numbers
    are those of the network, about 1.5 long: the published threshold belongs to them as they are
    (davisking/dlib `face_recognition.py`: 0.6, at which 99.38 % of LFW's pairs are told right).
    """

    name = "dlib"
    dims = 128
    same_below = 0.6
    # davisking/dlib `get_face_chip_details`: where the five points lie in a face, on the unit square
    _POINTS = (
        (0.8595674595992, 0.2134981538014),
        (0.6460604764104, 0.2289674387677),
        (0.1205750620789, 0.2137274526848),
        (0.3340850613712, 0.2290642403242),
        (0.4901123135679, 0.6277975316475),
    )
    _VERTICES = (263, 362, 33, 133, 2)
    """The same in the mesh: outer and inner corner of one eye, of the other, below the nose."""
    _PADDING = 0.25

    def __init__(self, path: str) -> None:
        from extractors.dlib_network import SIDE, DlibNetwork

        self._network = DlibNetwork(path)
        # SIDE - 1: `extract_image_chip` lays the middles of the corner pixels on the corners of the region
        self._template = (np.array(self._POINTS) + self._PADDING) / (2 * self._PADDING + 1) * (SIDE - 1)
        self._side = SIDE

    def chip(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(150, 150, 3)."""
        return aligned(image, landmarks[list(self._VERTICES), :2], self._template, self._side)

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(128,)."""
        return self._network(chip)


class ArcFaceEmbedder:
    """512 numbers of an ArcFace ONNX file of insightface, such as `w600k_r50.onnx`; scaled to length 1.

    `same_below` is a cosine of 0.28, above which insightface's example of its recognition models says "They
    ARE the same person". The published weights are for non-commercial research.
    """

    name = "arcface"
    dims = 512
    same_below = math.sqrt(2 - 2 * 0.28)
    # deepinsight/insightface `face_align.py`: left and right eye, nose, mouth corners on 112x112
    _TEMPLATE = np.array(
        [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    )
    _EYES = ((33, 133), (362, 263))
    """An eye's middle is that of its corners: it stays when the gaze moves."""
    _NOSE_AND_MOUTH = (4, 61, 291)
    _SIDE = 112

    def __init__(self, path: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        taken, given = self._session.get_inputs(), self._session.get_outputs()
        shapes = [tuple(tensor.shape[1:]) for tensor in (*taken, *given)]
        if shapes != [(3, self._SIDE, self._SIDE), (self.dims,)]:
            raise ValueError(f"{path} maps {shapes}; ArcFace takes (3, 112, 112) and gives (512,)")
        self._input = taken[0].name

    def chip(self, image: NDArray[np.uint8], landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
        """(112, 112, 3)."""
        eyes = [landmarks[list(corners), :2].mean(axis=0) for corners in self._EYES]
        points = np.vstack([*eyes, landmarks[list(self._NOSE_AND_MOUTH), :2]])
        return aligned(image, points, self._TEMPLATE, self._SIDE)

    def embed(self, chip: NDArray[np.uint8]) -> NDArray[np.float32]:
        """(512,), of length 1."""
        pixels = (chip.transpose(2, 0, 1)[None].astype(np.float32) - 127.5) / 127.5
        (rows,) = self._session.run(None, {self._input: pixels})
        numbers: NDArray[np.float32] = rows[0] / np.linalg.norm(rows[0])
        return numbers


def make_embedder(name: Literal["dlib", "arcface"], path: str) -> FaceEmbedder:
    """Load an embedder from the file of its weights. Raises `ValueError` when the file is not its own."""
    return DlibEmbedder(path) if name == "dlib" else ArcFaceEmbedder(path)


def is_recognisable(face: Face) -> bool:
    """Whether an embedding of this face tells who it is: large enough, and not turned away too far."""
    yaw, pitch, _ = euler_deg(rotation_of(face.pose))
    side = float((face.box[2:] - face.box[:2]).max())
    return side >= MIN_SIDE_PX and max(abs(yaw), abs(pitch)) <= MAX_TURN_DEG


def aligned(
    image: NDArray[np.uint8], points: NDArray[Any], template: NDArray[np.float64], side: int
) -> NDArray[np.uint8]:
    """(side, side, 3) picture in which `points` (N, 2) px of `image` lie nearest to `template` (N, 2).

    Turned, scaled and moved only. Outside the image it is black. A face larger than the picture is sampled
    more finely and averaged down, so that nothing of it is skipped.
    """
    to_chip = similarity(points.astype(np.float64), template)
    finer = max(1, math.ceil(1 / math.hypot(*to_chip[:, 0])))
    shift = (finer - 1) / 2  # the middle of a pixel becomes the middle of the finer ones
    to_fine = to_chip * finer
    to_fine[:, 2] += shift
    fine = cv2.warpAffine(image, to_fine, (side * finer, side * finer), flags=cv2.INTER_LINEAR)
    if finer > 1:
        fine = cv2.resize(fine, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(fine, np.uint8)
