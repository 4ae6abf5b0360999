"""What can be done to a picture: each kind of corruption, its parameters and its five severities.

Lengths in `_px` are pixels of the 256x256 canvas on which lip recipes align faces, where a mouth is 45 px
wide: on a clip they are scaled by the size of its face (`face_frame.py`), so that a severity means the same
for a near face and a far one. On 96x96 lip crops a pixel of the canvas is a pixel.

Published values: patches of 20-45 px placed 10-29 px up and left of a lip landmark, noise of a variance up to
0.2, blur with a kernel of 7 and sigma 0.1-2, pixelation by 5 (CAV2vec, `visual_corruption.py`); patches of
30-59 px, blur with a kernel of 9 and sigma 6 (DualHyp, `data/visual_corruption.py`). The severities run
through these ranges and on to where faces are lost; `docs/corruption.md` shows what each costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "patch",
    "hand",
    "mask",
    "microphone",
    "cutout",
    "gaussian_noise",
    "blur",
    "pixelate",
    "low_light",
    "h264",
    "frame_drop",
    "freeze",
    "av_shift",
]
Region = Literal["frame", "face", "mouth", "lower_lip"]
Category = Literal["hand", "mask", "microphone", "object"]
N_SEVERITIES = 5


@dataclass(frozen=True)
class Parameter:
    """A number of a kind, `low` to `high`, a whole one where `whole`.

    `levels`: its value at severities 1 to 5. Without them it places the corruption: `drawn` (least, most) for
    a clip, the same at every severity.
    """

    low: float
    high: float
    levels: tuple[float, ...] = ()
    drawn: tuple[float, float] = (0.0, 0.0)
    whole: bool = False


@dataclass(frozen=True)
class KindSpec:
    """`occluder`: what category of picture is laid on the face. `on_face`: it needs landmarks in any region.
    `regional`: it can be kept to a region. `retimes`: it shows other frames, none of them changed."""

    parameters: Mapping[str, Parameter]
    occluder: Category | None = None
    on_face: bool = False
    regional: bool = False
    retimes: bool = False


_TILT = Parameter(-180, 180, drawn=(-30, 30))

KINDS: Mapping[Kind, KindSpec] = {
    "patch": KindSpec(
        {
            "size_px": Parameter(1, 256, (20, 26, 32, 39, 45)),
            "point": Parameter(48, 67, drawn=(48, 66), whole=True),  # of iBUG-68; its upper left corner is
            "offset_px": Parameter(0, 128, drawn=(10, 29)),  # so far above and to the left of the point
            "tilt_deg": _TILT,
        },
        occluder="object",
        on_face=True,
    ),
    "hand": KindSpec(
        {
            "size_px": Parameter(
                1, 512, (70, 85, 100, 120, 140)
            ),  # its length; a face is 120 from brow to chin
            "right_px": Parameter(-128, 128, drawn=(-8, 8)),  # its middle from that of the mouth
            "down_px": Parameter(-128, 128, drawn=(0, 8)),
            "tilt_deg": _TILT,
        },
        occluder="hand",
        on_face=True,
    ),
    "mask": KindSpec(
        # how high it is worn: 0 is the chin, 1 the bridge of the nose
        {"height": Parameter(0.1, 1, (0.36, 0.5, 0.66, 0.82, 1.0))},
        occluder="mask",
        on_face=True,
    ),
    "microphone": KindSpec(
        {
            "size_px": Parameter(1, 256, (18, 25, 32, 40, 50)),  # its head, across
            "down_px": Parameter(-128, 128, drawn=(8, 14)),  # the head's middle below that of the mouth
            "tilt_deg": _TILT,
        },
        occluder="microphone",
        on_face=True,
    ),
    "cutout": KindSpec(
        {
            "size_px": Parameter(1, 512, (24, 36, 48, 66, 90)),  # side of a square on the mouth
            "level": Parameter(0, 255, (0, 0, 0, 0, 0), whole=True),
        },
        on_face=True,
    ),
    # of grey levels 0..1
    "gaussian_noise": KindSpec({"variance": Parameter(0, 1, (0.005, 0.02, 0.05, 0.1, 0.2))}, regional=True),
    "blur": KindSpec(
        {
            "sigma_px": Parameter(0.01, 64, (1, 2, 3, 4.5, 6)),
            "kernel_px": Parameter(1, 255, (7, 13, 19, 27, 37), whole=True),
        },
        regional=True,
    ),
    "pixelate": KindSpec({"block_px": Parameter(1, 128, (2, 3, 5, 8, 12))}, regional=True),
    "low_light": KindSpec(
        {
            "gain": Parameter(0, 1, (0.5, 0.33, 0.22, 0.14, 0.08)),
            "gamma": Parameter(0.2, 5, (1.1, 1.2, 1.3, 1.4, 1.5)),
            "photons": Parameter(1, 1e6, (800, 400, 200, 100, 50)),  # that make a pixel white
        },
        regional=True,
    ),
    "h264": KindSpec({"qp": Parameter(0, 51, (28, 33, 38, 43, 48), whole=True)}),
    "frame_drop": KindSpec({"share": Parameter(0, 1, (0.1, 0.25, 0.45, 0.65, 0.85))}, retimes=True),
    "freeze": KindSpec({"share": Parameter(0, 1, (0.2, 0.4, 0.6, 0.8, 1.0))}, retimes=True),
    "av_shift": KindSpec(
        {
            "frames": Parameter(0, 1000, (1, 2, 4, 7, 11), whole=True),
            "direction": Parameter(-1, 1, drawn=(-1, 1), whole=True),  # 1: the picture is late; -1: early
        },
        retimes=True,
    ),
}


def parameters_at(kind: Kind, severity: int) -> dict[str, float]:
    """The parameters that a severity from 1 to 5 sets. Raises ValueError for another severity."""
    if type(severity) is not int or not 1 <= severity <= N_SEVERITIES:
        raise ValueError(f"severity {severity!r} is not a whole number from 1 to {N_SEVERITIES}")
    found = KINDS[kind].parameters.items()
    return {name: parameter.levels[severity - 1] for name, parameter in found if parameter.levels}
