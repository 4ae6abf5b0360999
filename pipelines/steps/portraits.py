"""Reference pictures of the person of a clip, from the best frames of the whole source."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.reasons import ItemError, Reason
from manifests.store import Store
from pipelines.steps.members import Made
from pipelines.steps.seen import matrix
from pipelines.steps.series import Clip

PORTRAIT_PX = 512
"""As TAVID (arXiv 2512.20296) renders faces."""

SCALE = 1.6


def add_portraits(made: Made, clip: Clip, path: str, store: Store) -> None:
    """`reference.png`, its spoilt copies and, where the person turns far enough, `reference_profile.png`."""
    from extractors.reference import degraded

    with store.open(clip.tables[2]) as handle:
        tracks = pq.read_table(handle).to_pylist()
    (mine,) = [track for track in tracks if track["track"] == clip.track]
    person = [track for track in tracks if track["identity"] == mine["identity"]]
    front = max(
        (track for track in person if track["reference_frame"] is not None),
        key=lambda track: (track["reference_quality"], -track["track"]),
        default=None,
    )
    if front is None:
        made.missing["reference"] = str(Reason.NO_PORTRAIT)
        return
    portrait = _portrait(clip, path, store, front["track"], front["reference_frame"])
    made.payloads["reference.png"] = _png(portrait)
    for name, spoilt in degraded(portrait).items():
        made.payloads[f"reference_{name}.png"] = _png(spoilt)
    side = next((track for track in person if track["profile_frame"] is not None), None)
    if side is not None:
        profile = _portrait(clip, path, store, side["track"], side["profile_frame"])
        made.payloads["reference_profile.png"] = _png(profile)


def _portrait(clip: Clip, path: str, store: Store, track: int, frame: int) -> NDArray[np.uint8]:
    """(512, 512, 3) RGB face of a track in one frame of the source."""
    from extractors.crops import CropPlan, face_crop
    from extractors.media import VideoReader

    with store.open(clip.tables[0]) as handle:
        row = pq.read_table(handle, filters=[("frame", "==", frame)]).to_pylist()[0]
    with store.open(clip.tables[1]) as handle:
        here = [("frame", "==", frame), ("track", "==", track)]
        box = matrix(pq.read_table(handle, filters=here, columns=["box"]), "box", 4)[0]
    time = Fraction(row["time_num"], row["time_den"])
    facts = clip.source
    plan = CropPlan(
        centres=((box[:2] + box[2:]) / 2)[None], sides=np.array([SCALE * (box[2:] - box[:2]).max()])
    )
    with VideoReader(path, stream_index=facts["video_stream"], rotation_deg=facts["rotation_deg"]) as reader:
        for picture in reader.frames(time, time + Fraction(1, 10**6)):
            return face_crop(picture.image, plan, 0, size_px=PORTRAIT_PX)
    raise ItemError(Reason.DECODE_FAILED, f"no frame at {float(time):.3f} s in the second decode")


def _png(image: NDArray[Any]) -> bytes:
    import cv2

    done, data = cv2.imencode(".png", cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    assert done
    return bytes(data)
