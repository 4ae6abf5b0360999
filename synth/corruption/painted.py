"""Occluders painted here, for who has no folder of pictures: a hand, a mask, a microphone, a mug."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from synth.corruption.kinds import Category
from synth.corruption.occluders import Occluder
from synth.corruption.plan import DRAWN

Rgba = NDArray[np.uint8]
Colour = tuple[int, int, int, int]
_SIDE = 512


@cache
def painted(category: Category) -> Occluder:
    """The painted occluder of a category."""
    canvas = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    _PAINTERS[category](canvas)
    return Occluder.of(DRAWN, category, canvas)


def _hand(canvas: Rgba) -> None:
    """The back of a hand with its fingers up."""
    skin, crease = (222, 178, 150, 255), (178, 128, 104, 255)
    fingers = (
        ((150, 300), (105, 110)),
        ((215, 280), (200, 40)),
        ((285, 280), (300, 50)),
        ((350, 300), (390, 110)),
    )
    for colour, extra in ((crease, 4), (skin, 0)):
        for root, tip in fingers:
            cv2.line(canvas, root, tip, colour, 58 + extra, cv2.LINE_AA)
        cv2.line(canvas, (370, 400), (460, 270), colour, 62 + extra, cv2.LINE_AA)
        cv2.ellipse(canvas, (250, 370), (132 + extra, 120 + extra), 0, 0, 360, colour, -1, cv2.LINE_AA)
        cv2.line(canvas, (250, 420), (250, 511), colour, 150 + extra, cv2.LINE_AA)
    for root, tip in fingers:
        knuckle = tuple(round(0.75 * a + 0.25 * b) for a, b in zip(root, tip, strict=True))
        cv2.ellipse(canvas, knuckle, (16, 6), 0, 0, 360, crease, 2, cv2.LINE_AA)
    _shade(canvas, 0.75)


def _mask(canvas: Rgba) -> None:
    """A pleated surgical mask."""
    outline = [
        (20, 110),
        (130, 70),
        (256, 50),
        (382, 70),
        (492, 110),
        (485, 270),
        (420, 380),
        (330, 445),
        (256, 460),
    ]
    outline += [(512 - x, y) for x, y in reversed(outline[5:8])]
    cv2.fillPoly(canvas, [np.array(outline)], (150, 198, 226, 255), cv2.LINE_AA)
    for y in (150, 215, 280, 345):
        cv2.ellipse(canvas, (256, y - 30), (250, 40), 0, 10, 170, (112, 160, 190, 255), 5, cv2.LINE_AA)
    cv2.polylines(canvas, [np.array(outline[:5])], False, (225, 238, 245, 255), 14, cv2.LINE_AA)
    inside = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(inside, [np.array(outline)], 255)
    canvas[inside == 0] = 0
    _shade(canvas, 0.85)


def _microphone(canvas: Rgba) -> None:
    """A hand microphone; its head is as wide as the picture, its handle runs down."""
    cv2.fillPoly(
        canvas, [np.array([(218, 150), (294, 150), (280, 511), (232, 511)])], (38, 38, 42, 255), cv2.LINE_AA
    )
    cv2.circle(canvas, (256, 88), 86, (92, 92, 98, 255), -1, cv2.LINE_AA)
    head = np.zeros(canvas.shape[:2], np.uint8)
    cv2.circle(head, (256, 88), 82, 255, -1)
    mesh = np.zeros_like(canvas)
    for step in range(-200, 700, 14):
        cv2.line(mesh, (step, 0), (step + 180, 180), (150, 150, 156, 255), 3, cv2.LINE_AA)
        cv2.line(mesh, (step + 180, 0), (step, 180), (60, 60, 66, 255), 3, cv2.LINE_AA)
    grille = (head > 0) & (mesh[..., 3] > 0)
    canvas[grille] = mesh[grille]
    cv2.rectangle(canvas, (176, 80), (336, 98), (54, 54, 58, 255), -1)
    _shade(canvas, 0.6)


def _mug(canvas: Rgba) -> None:
    """A mug with a stripe."""
    cv2.ellipse(canvas, (400, 270), (85, 105), 0, 0, 360, (168, 52, 44, 255), 34, cv2.LINE_AA)
    cv2.rectangle(canvas, (80, 60), (380, 450), (190, 62, 52, 255), -1)
    cv2.ellipse(canvas, (230, 450), (150, 34), 0, 0, 360, (190, 62, 52, 255), -1, cv2.LINE_AA)
    cv2.ellipse(canvas, (230, 60), (150, 34), 0, 0, 360, (120, 84, 66, 255), -1, cv2.LINE_AA)
    cv2.rectangle(canvas, (80, 220), (380, 290), (236, 226, 208, 255), -1)
    _shade(canvas, 0.65)


def _shade(canvas: Rgba, darkest: float) -> None:
    """Light from the left: colours fall to `darkest` at the right."""
    fall = np.linspace(1.0, darkest, canvas.shape[1], dtype=np.float32)[None, :, None]
    canvas[..., :3] = np.rint(canvas[..., :3] * fall)


_PAINTERS: Mapping[Category, Callable[[Rgba], None]] = {
    "hand": _hand,
    "mask": _mask,
    "microphone": _microphone,
    "object": _mug,
}
