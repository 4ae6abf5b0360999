"""Stretches of a recording that a recogniser hears at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.store import Store

ASR_CHUNK_S = 28.0
"""Whisper hears 30 s at once; speech is handed to it in chunks below that, cut at pauses."""
Segments = Sequence[tuple[float, float]]


def speech_of(store: Store, table: str) -> NDArray[np.float32]:
    """(hops,) probability of speech, as `listen` wrote it."""
    return np.asarray(pq.read_table(pa.BufferReader(store.read(table))).column("speech"), np.float32)


def speech_chunks(segments: Segments, speech: NDArray[np.float32]) -> list[tuple[float, float]]:
    """Stretches that Whisper hears at once, in seconds; where long ones are cut, speech is least likely."""
    from extractors.segmentation import chunk_speech
    from extractors.speech import HOP_S

    found = chunk_speech(segments, speech, hop_s=HOP_S, max_chunk_s=ASR_CHUNK_S, max_pause_s=2.0)
    return [(one.start_s, one.stop_s) for one in found.chunks]
