"""Limits on the sound of a clip: what `listen` stored of one source, judged over one span."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.reasons import Reason
from manifests.store import Store
from pipelines.select_section import SelectConfig
from pipelines.steps.chunks import Span
from pipelines.steps.limits import Limit
from pipelines.steps.listen import HOP_S
from pipelines.steps.told_voices import read_activity

SOUND_MEASURES = {
    "snr_db": pa.float64(),  # speech over its pauses, in the clip and 5 s round it
    "dnsmos_ovrl": pa.float64(),
    "dnsmos_sig": pa.float64(),
    "dnsmos_bak": pa.float64(),
    "music_share": pa.float64(),  # of the clip's seconds
    "singing_share": pa.float64(),
    "voice": pa.int64(),  # heard most in the clip, as `voices` numbers them
    "other_voice_share": pa.float64(),  # of the clip's speech
    "voice_confidence": pa.float64(),  # that it belongs to the clip's face; null: it belongs to another
    "clipped_share": pa.float64(),  # this and what follows: of the whole source
    "bandwidth_hz": pa.float64(),
    "mix_loss_db": pa.float64(),
}
"""What the sound of a clip was judged on; null where it could not be had."""

SNR_CONTEXT_S = 5.0
"""A clip is cut closely round its speech: its noise is heard in the pauses before and after it."""

OF_SPEECH = (Reason.LOW_QUALITY, Reason.NOISY, Reason.OTHER_VOICE, Reason.MUSIC, Reason.SINGING)
"""Limits on speech and on what is heard beside it, which may be the point of a recording taken whole."""

_OF_THE_SOURCE = ("clipped_share", "bandwidth_hz", "mix_loss_db")


@dataclass(frozen=True)
class Sound:
    """What `listen` measured of a source; times count from `zero_s`, its first sample on the time line."""

    zero_s: float
    speech: NDArray[np.float32]  # probability, one a hop of 32 ms
    level_dbfs: NDArray[np.float32]
    opinions: NDArray[np.float32]  # (K, 4), as `extractors.dnsmos.COLUMNS`
    events: NDArray[np.float32]  # (seconds, 3), as `extractors.audio_events.CLASSES`
    whole: dict[str, float | None]
    activity: dict[str, Any] | None  # of `voices`; None: nobody asked


def read_sound(store: Store, listened: dict[str, Any], told: dict[str, Any] | None, zero_s: float) -> Sound:
    """From the rows of `listen` and `voices` and their tables."""
    tables = {one["name"].rsplit(".", 2)[-2]: one["name"] for one in listened["artifacts"]}

    def columns(name: str, width: int) -> NDArray[np.float32]:
        if name not in tables:
            return np.zeros((0, width), np.float32)
        table = pq.read_table(pa.BufferReader(store.read(tables[name])))
        return np.stack([column.to_numpy() for column in table.columns], axis=1).astype(np.float32)

    heard = columns("speech", 2)
    return Sound(
        zero_s,
        heard[:, 0],
        heard[:, 1],
        columns("dnsmos", 4),
        columns("events", 3),
        {name: listened[name] for name in _OF_THE_SOURCE},
        read_activity(store, told) if told is not None else None,
    )


def judge_sound(
    sound: Sound, span: Span, config: SelectConfig, *, identity: int | None, whole: bool = False
) -> tuple[dict[str, Any], list[Limit]]:
    """The measures of a span, and every limit they fail; what was not measured fails none.

    `identity` is that of the clip's face. A piece of a `whole` recording fails no limit on speech (its
    quality, its noise, other voices, music and singing beside it), and it fails where it is silent. DNSMOS
    judges speech: of such a piece without any, it is not told.
    """
    from extractors.audio_events import CLASSES
    from extractors.audio_quality import vad_snr_db
    from extractors.dnsmos import opinion_over

    start_s, stop_s = float(span.start) - sound.zero_s, float(span.stop) - sound.zero_s
    around = _hops(start_s - SNR_CONTEXT_S, stop_s + SNR_CONTEXT_S)
    heard = not whole or _has_speech(sound, start_s, stop_s, config.speech_threshold)
    opinion = (opinion_over(sound.opinions, start_s, stop_s) if heard else None) or {}
    seconds = sound.events[max(0, int(start_s)) : max(0, int(np.ceil(stop_s)))]
    shares = {
        f"{name}_share": float((seconds[:, CLASSES.index(name)] > 0.5).mean()) if len(seconds) else None
        for name in ("music", "singing")
    }
    measures: dict[str, Any] = {
        "snr_db": vad_snr_db(sound.speech[around], sound.level_dbfs[around]),
        **{f"dnsmos_{name}": opinion.get(name) for name in ("ovrl", "sig", "bak")},
        **shares,
        **_voice(sound, start_s, stop_s, identity),
        **sound.whole,
    }
    at_least = [
        (Reason.LOW_QUALITY, measures["dnsmos_ovrl"], config.min_dnsmos),
        (Reason.NOISY, measures["snr_db"], config.min_snr_db),
        (Reason.NARROW_BAND, measures["bandwidth_hz"], config.min_bandwidth_hz),
    ]
    at_most = [
        (Reason.OTHER_VOICE, measures.get("other_voice_share"), config.max_other_voice_share),
        (Reason.CLIPPED, measures["clipped_share"], config.max_clipped_share),
        (Reason.MUSIC, measures["music_share"], config.max_music_share),
        (Reason.SINGING, measures["singing_share"], config.max_singing_share),
        (Reason.CHANNELS_CANCEL, measures["mix_loss_db"], config.max_mix_loss_db),
    ]
    if whole:
        loudest = _loudest_dbfs(sound, start_s, stop_s)
        at_least = [(Reason.SILENT_AUDIO, loudest, config.silence_dbfs), *at_least]
        at_least = [one for one in at_least if one[0] not in OF_SPEECH]
        at_most = [one for one in at_most if one[0] not in OF_SPEECH]
    below = [Limit(*one) for one in at_least if one[1] is not None and one[1] < one[2]]
    return measures, below + [Limit(*one) for one in at_most if one[1] is not None and one[1] > one[2]]


def _loudest_dbfs(sound: Sound, start_s: float, stop_s: float) -> float | None:
    """The loudest hop that lies in the span; None where there is none."""
    inside = sound.level_dbfs[_hops(start_s, stop_s)]
    return float(inside.max()) if len(inside) else None


def _has_speech(sound: Sound, start_s: float, stop_s: float, threshold: float) -> bool:
    return bool((sound.speech[_hops(start_s, stop_s)] >= threshold).any())


def _hops(start_s: float, stop_s: float) -> slice:
    return slice(max(0, round(start_s / HOP_S)), max(0, round(stop_s / HOP_S)))


def _voice(sound: Sound, start_s: float, stop_s: float, identity: int | None) -> dict[str, Any]:
    """The voice heard most in the span, and how much of the speech is another's."""
    if sound.activity is None:
        return {}
    begun = np.maximum(sound.activity["start_s"], start_s)
    inside_s = np.maximum(np.minimum(sound.activity["stop_s"], stop_s) - begun, 0.0)
    total_s = float(inside_s.sum())
    if total_s == 0:
        return {}
    voices, which = np.unique(sound.activity["voice"], return_inverse=True)
    of_voice = np.bincount(which, weights=inside_s)
    main = int(voices[np.argmax(of_voice)])
    about = sound.activity["voices"][main]
    mine = identity is not None and about["identity"] == identity
    return {
        "voice": main,
        "other_voice_share": 1 - float(of_voice.max()) / total_s,
        "voice_confidence": about["confidence"] if mine else None,
    }
