"""What of a clip is shown to a captioning model: its sound, and frames of the recording at even distances."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from manifests.reasons import ItemError, Reason
from pipelines.steps.ingest import guard_unchanged
from synth.llm.messages import Media

if TYPE_CHECKING:
    from pipelines.step import Workspace

MOST_TOKENS_A_S = 100
MOST_TOKENS_A_FRAME = 4000
"""What a budget sets aside before the server tells what it was. Ours, and generous."""
JPEG_QUALITY = 90


def sound_of(flac: bytes, kind: Literal["wav", "flac"]) -> Media:
    """The clip's FLAC member as it is, or its very samples as WAV."""
    import soundfile

    samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16", always_2d=True)
    data = flac
    if kind == "wav":
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, rate_hz, format="WAV", subtype="PCM_16")
        data = buffer.getvalue()
    return Media(kind, data, -(-len(samples) * MOST_TOKENS_A_S // rate_hz))


def middles(start: Fraction, stop: Fraction, n: int) -> list[Fraction]:
    """The middles of `n` equal parts of [start, stop)."""
    return [start + (stop - start) * Fraction(2 * number + 1, 2 * n) for number in range(n)]


def frames_of(clip: dict[str, Any], n: int, px: int, workspace: Workspace) -> list[Media]:
    """The source frames nearest to the middles of `n` equal parts of the clip, as JPEG of at most `px` pixels
    a side. `clip`: inputs of an item of `cut`. Raises ItemError where nothing decodes, SourceChangedError.
    """
    from extractors.media import VideoReader

    recording = clip["recording"]
    path = workspace.source_path(recording["path"])
    guard_unchanged(path, recording["fingerprint"])
    start, stop = Fraction(clip["start"]), Fraction(clip["stop"])
    wanted = middles(start, stop, n)
    best: list[tuple[Fraction, NDArray[np.uint8]] | None] = [None] * n
    stream, turned = recording["video_stream"], recording["rotation_deg"]
    with VideoReader(path, stream_index=stream, rotation_deg=turned) as reader:
        for frame in reader.frames(start, stop):
            for number, instant in enumerate(wanted):
                held = best[number]
                distance = abs(frame.pts - instant)
                if held is None or distance < held[0]:
                    best[number] = (distance, frame.image)
    guard_unchanged(path, recording["fingerprint"])
    if best[0] is None:
        raise ItemError(Reason.DECODE_FAILED, f"no frame between {float(start):.3f} and {float(stop):.3f} s")
    return [Media("jpeg", _jpeg(held[1], px), MOST_TOKENS_A_FRAME) for held in best if held is not None]


def _jpeg(image: NDArray[np.uint8], px: int) -> bytes:
    import cv2

    height, width = image.shape[:2]
    scale = px / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    assert done
    return bytes(data.tobytes())
