"""The sound of a side, decoded once: at 16 kHz to tell when it speaks, and as it is written."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from manifests.reasons import ItemError, Reason
from pipelines.step import Workspace
from pipelines.steps.ingest import guard_unchanged

Mono = NDArray[np.float32]


def side_of(pcm: NDArray[np.float32], channel: int | None) -> NDArray[np.float32]:
    """(1, n) of (channels, n): one of them, or the mean of all."""
    return (
        pcm[channel : channel + 1]
        if channel is not None
        else pcm.mean(axis=0, keepdims=True, dtype=np.float32)
    )


def mono16k(
    workspace: Workspace,
    recording: dict[str, Any],
    channels: tuple[int | None, ...],
    span: tuple[Fraction, Fraction],
) -> list[Mono]:
    """(n,) at 16 kHz of each channel (None: the mean of all) in [start, stop) of its time line."""
    from extractors.audio import AudioReader, Mono16k

    path = workspace.source_path(recording["path"])
    guard_unchanged(path, recording["fingerprint"])
    with AudioReader(path, stream_index=recording["audio_stream"]) as reader:
        converters = [Mono16k(rate_hz=reader.rate_hz) for _ in channels]
        parts: list[list[Mono]] = [[] for _ in channels]
        for block in reader.blocks(*span):
            for mine, one, channel in zip(parts, converters, channels, strict=True):
                mine.append(one.feed(side_of(block, channel)))
    guard_unchanged(path, recording["fingerprint"])
    length = round((span[1] - span[0]) * 16_000)
    return [
        _of_length(np.concatenate([*mine, one.flush()]), length)
        for mine, one in zip(parts, converters, strict=True)
    ]


def refuse_silence(pcm: Mono, name: str, *, silence_dbfs: float) -> None:
    """Raises ItemError(SILENT_AUDIO) for a side that is never louder, in any hop of 32 ms."""
    from extractors.speech import HOP
    from pipelines.steps.listen import level_dbfs

    padded = np.pad(pcm, (0, -len(pcm) % HOP)).reshape(-1, HOP)
    loudest = float(level_dbfs(padded).max(initial=-120.0))
    if loudest < silence_dbfs:
        detail = f"{name} is never louder than {loudest:.0f} dBFS"
        raise ItemError(Reason.SILENT_AUDIO, detail)


def _of_length(pcm: Mono, length: int) -> Mono:
    """The last packet may end within a sample or two of where its time stamps say."""
    return np.pad(pcm[:length], (0, max(0, length - len(pcm))))
