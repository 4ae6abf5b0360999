"""Hands and masks pasted on clips, so that it is known when a mouth is hidden."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from extractors.detectors import make_detector
from extractors.landmarks import box_of, make_landmarker
from extractors.media import VideoReader
from extractors.occlusion import BORDER, read_points
from extractors.probe import probe
from extractors.weights import locate

Array = np.ndarray
LIPS = list(BORDER)
SKIN = [50, 280, 101, 330, 9, 195, 117, 346, 205, 425]
# Share of the lips under the occluder; between the two a frame counts neither way.
HIDDEN, VISIBLE = 0.25, 0.02

# Two halves without a person or a thing in common: one tells what the other's fit is worth. (The woman of the
# two clips by Intel is one; `face_noface.mov` is the recording of `pyfeat_single_face.mp4` and left out.)
# Neither has the speaker and the mask of `tests/extractors/test_occlusion.py`, let alone the people labelled
# by eye. File, which face of the picture from the left, how many sequences.
SOURCES: dict[str, list[tuple[str, int, int]]] = {
    "a": [
        *((f"video/grid_{name}.mpg", 0, 8) for name in ("bbaf2n", "brbk7n", "lbax4n", "lbbc2a")),
        ("video/pyfeat_single_face.mp4", 0, 8),
        ("stills/hagrid_close_face_fist.jpg", 0, 4),
        *(("stills/pyfeat_multi_face.jpg", face, 4) for face in (0, 2, 4)),
    ],
    "b": [
        *((f"video/grid_{name}.mpg", 0, 8) for name in ("lrwp9a", "pwij3p")),
        ("video/intel_profile_turn_female.mp4", 0, 8),
        *(("video/intel_two_faces_tilted.mp4", face, 8) for face in (0, 1)),
        ("stills/hagrid_hood_backlit.jpg", 0, 4),
        *(("stills/pyfeat_multi_face.jpg", face, 4) for face in (1, 3)),
    ],
}
HANDS = {
    "a": ("hand_2_four_0c960166", "hand_4_none_0a787971", "hand_5_none_0a71a6e8"),
    "b": ("hand_6_rock_15cb4e8b", "hand_9_none_0a4bc2da"),
}
MASKS = {"a": ("KN95", "cloth"), "b": ("N95",)}
KINDS = ("hand", "mask", "hand", "none", "hand", "hand", "none", "hand")


class Track(NamedTuple):
    """Frames of one track: what was read of them, and 1 hidden, 0 visible, -1 between."""

    kind: str
    colours: list[Array]
    truth: Array


def frames_of(path: Path, count: int) -> list[Array]:
    """The first frames of a clip; a still wanders a little, as a hand-held camera would show it."""
    if path.suffix == ".jpg":
        image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        rng = np.random.default_rng(0)
        height, width = image.shape[:2]
        walk = np.cumsum(rng.normal(size=(40, 4)) * [0.2, 0.003, 0.8, 0.8], axis=0)
        moves = []
        for degrees, growth, x, y in walk:
            move = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1 + growth)
            moves.append(move + np.array([[0, 0, x], [0, 0, y]]))
        return [cv2.warpAffine(image, m, (width, height), borderMode=cv2.BORDER_REPLICATE) for m in moves]
    video = probe(str(path)).video
    assert video is not None
    with VideoReader(str(path), stream_index=video.index, rotation_deg=video.rotation_deg) as reader:
        return [frame.image for frame in islice(reader.frames(), count)]


class Mesh:
    """Landmarks of the best face, and of all faces."""

    def __init__(self) -> None:
        task, yunet = (str(locate(name).path) for name in ("face_landmarker", "yunet"))
        find = make_detector("yunet", weights=yunet)
        self._one = make_landmarker("direct", task_path=task, detector=find, max_faces=1, detect_every=1)
        self._all = make_landmarker("direct", task_path=task, detector=find, max_faces=8, detect_every=1)

    def follow(self, frames: Sequence[Array]) -> list[Array | None]:
        self._one.reset()
        found = (self._one(np.ascontiguousarray(image), 40 * t) for t, image in enumerate(frames))
        return [faces[0].landmarks if faces else None for faces in found]

    def faces(self, image: Array) -> list[Array]:
        """Landmarks of every face, from left to right."""
        self._all.reset()
        return sorted((face.landmarks for face in self._all(image, 0)), key=lambda points: points[:, 0].min())


def close_up(frames: list[Array], box: Array) -> list[Array]:
    """Three face sizes round the face, at most 400 px."""
    height, width = frames[0].shape[:2]
    (x, y), side = (box[:2] + box[2:]) / 2, 1.5 * max(box[2:] - box[:2])
    x0, y0, x1, y1 = max(0, int(x - side)), max(0, int(y - side)), min(width, int(x + side)), int(y + side)
    scale = min(1.0, 400 / max(x1 - x0, min(height, y1) - y0))
    return [resized(image[y0:y1, x0:x1], scale) for image in frames]


def resized(image: Array, scale: float) -> Array:
    return cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def occluder(media: Path, name: str) -> tuple[Array, Array]:
    image = cv2.imread(str(media / "occluders" / f"{name}.png"), cv2.IMREAD_UNCHANGED)
    return image[..., 2::-1].astype(np.float32), image[..., 3].astype(np.float32) / 255


def lay(frame: Array, colour: Array, alpha: Array, move: Array) -> Array:
    """(H, W, 4) the occluder moved onto the frame, colour times alpha and alpha."""
    pasted = np.dstack([colour * alpha[..., None], alpha])
    shrink = float(np.sqrt(abs(np.linalg.det(move[:, :2]))))
    if shrink < 0.9:
        pasted = cv2.GaussianBlur(pasted, (0, 0), 0.45 / shrink)
    return cv2.warpAffine(pasted, move, frame.shape[1::-1])


def share_hidden(points: Array, alpha: Array) -> float:
    lips = np.zeros(alpha.shape, np.uint8)
    cv2.fillPoly(lips, [np.round(points[LIPS, :2] * 16).astype(np.int32)], 1, shift=4)
    return float(alpha[lips > 0].mean()) if lips.any() else 0.0


def like_skin(colour: Array, alpha: Array, frame: Array, points: Array, rng: Any) -> Array:
    """The hand in about the colour of the face (three in four), else in its own, darker or brighter."""
    lab = cv2.cvtColor(colour / 255, cv2.COLOR_RGB2LAB)
    if rng.random() < 0.75:
        x, y = np.clip(points[SKIN, :2].T.astype(int), 0, np.array(frame.shape[1::-1])[:, None] - 1)
        face = cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        to = np.median(face[y, x], axis=0) + rng.normal(size=3) * [6, 2.5, 2.5]
        lab = (lab - lab[alpha > 0.9].mean(axis=0)) * rng.uniform(0.6, 1.1) + to
    else:
        lab = lab + np.float32([rng.uniform(-15, 10), 0, 0])
    return np.clip(cv2.cvtColor(lab.astype(np.float32), cv2.COLOR_LAB2RGB) * 255, 0, 255)


def with_hand(
    frames: list[Array], points: list[Array], thing: tuple[Array, Array], rng: Any
) -> list[tuple[Array, float]]:
    """A hand comes, stays and goes, blurred as it moves; one in four stays near the mouth, not over it."""
    size = np.ptp(points[0][:, :2], axis=0)
    flip = slice(None, None, -1) if rng.random() < 0.5 else slice(None)
    alpha = np.ascontiguousarray(thing[1][:, flip])
    colour = like_skin(np.ascontiguousarray(thing[0][:, flip]), alpha, frames[0], points[0], rng)
    solid = np.argwhere(alpha > 0.9)
    anchor = solid[rng.integers(len(solid))][::-1]  # the spot of the hand that comes to lie over the mouth
    scale = rng.uniform(0.7, 1.2) * size[1] / len(alpha)
    angle = rng.uniform(-1.3, 1.3) if rng.random() < 0.8 else rng.uniform(-3.1, 3.1)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    near = np.array([[0, 0.3], [0.35, 0.05], [-0.35, 0.05], [0, -0.45], [0.2, 0.28], [-0.2, 0.28], [0, 0.45]])
    rest = (
        rng.normal(size=2) * [0.12, 0.07] if rng.random() < 0.75 else near[rng.integers(len(near))]
    ) * size
    away = rest + [rng.uniform(-1, 1), rng.uniform(0.9, 1.5)] * size
    begin = rng.integers(8, 22) if rng.random() < 0.8 else -20  # one in five is there from the start
    travel, hold = rng.integers(3, 10), rng.integers(15, 36)
    exposure = rng.uniform(0.88, 1.12) if rng.random() < 0.5 else 1.0
    tremble = np.cumsum(rng.normal(size=(len(frames), 2)) * 0.006 * size[0], axis=0)

    def presence(time: float) -> float:
        u = np.clip(min((time - begin) / travel, 1 - (time - begin - travel - hold) / travel), 0, 1)
        return float(u * u * (3 - 2 * u))

    made = []
    for t, (frame, face) in enumerate(zip(frames, points, strict=True)):
        laid = np.zeros((*frame.shape[:2], 4), np.float32)
        for part in (-0.25, -0.08, 0.08, 0.25):  # of a frame: the shutter is open half the time
            u = presence(t + part)
            at = face[LIPS, :2].mean(axis=0) + away * (1 - u) + (rest + tremble[t]) * u - turn @ anchor
            laid += lay(frame, colour, alpha, np.column_stack([turn, at])) / 4
        light = 1 + (exposure - 1) * presence(t)
        made.append(((frame * (1 - laid[..., 3:]) + laid[..., :3]) * light, share_hidden(face, laid[..., 3])))
    return made


def with_mask(
    frames: list[Array], points: list[Array], thing: tuple[Array, Array], rng: Any
) -> list[tuple[Array, float]]:
    """A mask from nose to chin, put on and taken off within a frame, or there from the start."""
    colour, alpha = thing[0] * np.float32(rng.uniform(0.6, 1.0)), thing[1]
    (top, left), (bottom, right) = (edge(np.argwhere(alpha > 0.5), axis=0) for edge in (np.min, np.max))
    corners = np.array([[left, top], [right, top], [(left + right) / 2, bottom]], np.float32)
    begin = rng.integers(15, 35) if rng.random() < 0.6 else 0
    end = begin + rng.integers(20, 40)
    made = []
    for t, (frame, face) in enumerate(zip(frames, points, strict=True)):
        if not begin <= t < end:
            made.append((frame, 0.0))
            continue
        jaw, chin, nose = face[[234, 454], :2], face[152, :2], face[6, :2]
        ends = jaw * 0.85 + jaw[::-1] * 0.15
        ends += chin + 0.68 * (nose - chin) - ends.mean(axis=0)
        place = cv2.getAffineTransform(corners, np.float32([*ends, chin]))
        laid = lay(frame, colour, alpha, place)
        made.append((frame * (1 - laid[..., 3:]) + laid[..., :3], share_hidden(face, laid[..., 3])))
    return made


def camera(size: tuple[int, int], face: Array, rng: Any) -> Callable[[Array], Array]:
    """One light and one camera for a track: light from a side, cast, gamma, haze, blur, noise, JPEG."""
    y, x = np.mgrid[: size[0], : size[1]].astype(np.float32)
    (cx, cy), radius = face[:, :2].mean(axis=0), np.ptp(face[:, 0]) / 2
    angle, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.65) * (rng.random() < 0.7)
    side = ((x - cx) * np.cos(angle) + (y - cy) * np.sin(angle) * 0.6) / radius
    exposure = rng.uniform(0.6, 1.15) if rng.random() < 0.75 else rng.uniform(0.15, 0.6)
    light = np.clip(1 + slope * side, 0.25, 1.8)[..., None] * exposure
    light = light * np.exp(rng.normal(size=3) * 0.07)
    gamma, haze, contrast = rng.uniform(0.75, 1.35), rng.uniform(0, 0.18), rng.choice([1, 0.85, 0.7])
    blur = rng.uniform(0, 1) * (rng.random() < 0.5)
    noise = rng.uniform(0, 4) / np.sqrt(min(1, exposure))  # less light, more gain
    quality = int(rng.integers(35, 92))

    def shoot(image: Array) -> Array:
        shown = np.clip(image / 255 * light, 0, 1) ** gamma * (1 - haze) + 0.5 * haze
        shown = (0.45 + (shown - 0.45) * contrast) * 255
        if blur > 0.3:
            shown = cv2.GaussianBlur(shown, (0, 0), blur)
        bytes_ = np.clip(shown + rng.normal(size=shown.shape) * noise, 0, 255).astype(np.uint8)
        _, packed = cv2.imencode(".jpg", bytes_, [cv2.IMWRITE_JPEG_QUALITY, quality])
        return cv2.imdecode(packed, cv2.IMREAD_COLOR)

    return shoot


def foreshortened(frames: list[Array], face: Array, rng: Any) -> list[Array]:
    """One half of the picture narrowed, as turning the head narrows half a face."""
    height, width = frames[0].shape[:2]
    nose, narrow = float(face[4, 0]), rng.uniform(0.45, 1)
    x = np.arange(width, dtype=np.float32) - nose
    far = x < 0 if rng.random() < 0.5 else x > 0
    columns = np.float32(np.where(far, x / narrow, x / (1.3 - 0.3 * narrow)) + nose)
    rows = np.arange(height, dtype=np.float32)
    grid = np.broadcast_to(columns, (height, width)), np.broadcast_to(rows[:, None], (height, width))
    return [
        cv2.remap(image, *map(np.ascontiguousarray, grid), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for image in frames
    ]


def made_track(media: Path, mesh: Mesh, half: str, source: tuple[str, int, int], number: int) -> Track | None:
    """One synthetic track; None where the mesh does not hold the bare face, or finds none in the dark."""
    file, face, _ = source
    seed = SOURCES[half].index(source) + 100 * list(SOURCES).index(half)
    rng = np.random.default_rng([seed, number])
    frames = frames_of(media / file, 60)
    frames = close_up(frames, box_of(mesh.faces(frames[0])[face]))
    if rng.random() < 0.35:
        first = mesh.follow(frames[:1])[0]
        frames = frames if first is None else foreshortened(frames, first, rng)
    bare = mesh.follow(frames)
    if any(points is None for points in bare):
        return None
    scale = min(1.0, max(rng.choice([1, 0.7, 0.45]), 55 / float(np.ptp(bare[0][:, 0]))))
    frames, points = [resized(image, scale) for image in frames], [p * np.float32(scale) for p in bare]
    kind = KINDS[number % len(KINDS)]
    made: list[tuple[Array, float]] = [(image, 0.0) for image in frames]
    if kind != "none":
        names = (HANDS if kind == "hand" else MASKS)[half]
        thing = occluder(media, names[(number // 2 + seed) % len(names)])
        made = (with_hand if kind == "hand" else with_mask)(frames, points, thing, rng)
    shoot = camera(frames[0].shape[:2], points[0], rng)
    shown = [shoot(image) for image, _ in made]
    read = [
        (read_points(image, found), -1 if VISIBLE < share < HIDDEN else int(share >= HIDDEN))
        for image, found, (_, share) in zip(shown, mesh.follow(shown), made, strict=True)
        if found is not None
    ]
    kept = [(colours, truth) for colours, truth in read if colours is not None]
    if not kept:
        return None
    return Track(kind, [colours for colours, _ in kept], np.array([truth for _, truth in kept]))


def made_tracks(media: Path, half: str) -> list[Track]:
    """All tracks of a half, the same on every run."""
    mesh = Mesh()
    numbered = ((source, number) for source in SOURCES[half] for number in range(source[2]))
    made = (made_track(media, mesh, half, source, number) for source, number in numbered)
    return [track for track in made if track is not None]
