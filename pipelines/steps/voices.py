"""voices: who is heard when, and which of the faces each voice belongs to. Decides nothing.

A recording with a person a channel is told apart by its channels, any other by the sound of its voices. Times
count from the first audio sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.ids import TICK_HZ
from manifests.reasons import Status
from manifests.receipts import Row
from manifests.store import Store
from pipelines.sections import VoicesConfig
from pipelines.step import Item, Resources, Step, Workspace, library_versions
from pipelines.steps.ingest import content_item, guard_unchanged, recording
from pipelines.steps.seen import dense_scores

if TYPE_CHECKING:
    from extractors.channels import Channels
    from extractors.speaking import TrackScores
    from pipelines.corpus import Corpus

ACTIVITY = pa.schema(
    [
        pa.field("voice", pa.int32(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("stop_s", pa.float64(), nullable=False),
        pa.field("margin", pa.float32()),  # lead over the next voice; null: not known
    ]
)
"""One row a stretch in which a voice speaks."""

VOICES = pa.schema(
    [
        pa.field("voice", pa.int32(), nullable=False),  # in the order of first speech, or the channel
        pa.field("total_s", pa.float64(), nullable=False),
        pa.field("embedding", pa.list_(pa.float32()), nullable=False),
        pa.field("identity", pa.int32()),  # of the face that speaks it, as `watch` numbers them; null: none
        pa.field("confidence", pa.float32(), nullable=False),  # of that; see `extractors.face_voice`
    ]
)
"""One row a voice."""

APART_DB = -6.0
"""Channels in which the other voice is no softer than this are two microphones in a room, not two people."""
SPEAKS_S = 1.0
"""A face that is seen to speak for so long is a voice of its own: counting by ear is the weak point."""
PYANNOTE_SPEED, PYANNOTE_RESOURCES = 0.5, Resources(cpus=1.0, memory_gb=4.0)
RATE_HZ = 16_000
Spans = dict[int, list[tuple[float, float]]]


@dataclass(frozen=True)
class _Heard:
    spans: Spans
    margins: dict[int, list[float | None]]
    embeddings: NDArray[np.float32]
    found_by: str


class Voices(Step[VoicesConfig]):
    """One item a source with sound."""

    name = "voices"
    version = 2
    speed = 25.0
    libraries = ("av", "numpy", "onnxruntime", "scipy", "soxr", "torch")
    per_source = True
    upstream = ("watch", "listen", "who")
    resources = Resources(cpus=1.0, memory_gb=2.0)
    measurements = pa.schema(
        [
            pa.field("n_voices", pa.int64()),
            pa.field("voices_from", pa.string()),  # channels, mono, pyannote
            pa.field("leak_db", pa.string()),  # JSON, of the other channel's voice in each
            pa.field("findings", pa.string()),  # JSON, what is odd about the channels
        ]
    )

    def __init__(self, config: VoicesConfig) -> None:
        super().__init__(config)
        if config.pyannote is not None:
            self.speed, self.resources = PYANNOTE_SPEED, PYANNOTE_RESOURCES  # type: ignore[misc]

    @property
    def wanted(self) -> bool:
        """Whether they are to be told apart."""
        return self.config.mode != "none"

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every source that was listened to; those with a picture once they were asked who speaks."""
        if not self.wanted:
            return
        tables = {
            name: {row["source_id"]: row for row in corpus.rows(name) if row["status"] == Status.OK}
            for name in ("watch", "listen", "who")
        }
        asked = {item.source_id for item in corpus.items("who").values()}
        for row in corpus.rows("ingest"):
            source = row["source_id"]
            if source not in tables["listen"] or (source in asked and source not in tables["who"]):
                continue  # without what `who` was asked, the voices would have no faces for ever
            inputs = recording(row) | {"listen": _facts(tables["listen"][source])}
            if source in tables["watch"] and source in tables["who"]:
                inputs |= {"who": _facts(tables["who"][source]), "watch": _facts(tables["watch"][source])}
                inputs["first_frame"] = tables["watch"][source]["first_frame"]
            yield content_item(row, inputs)

    def weights(self) -> tuple[str, ...]:
        """The network that tells voices apart, and that which hears speech."""
        if not self.wanted:
            return ()
        return ("silero_vad",) if self.config.embedder else ("resemblyzer", "silero_vad")

    def made_of(self) -> dict[str, Any]:
        """pyannote's pipeline and an embedder of the user's are folders, no files of the model store."""
        made = super().made_of()
        if self.wanted and self.config.embedder is not None:
            made |= {"embedder": _embedder_digest(self.config.embedder)}
        if self.wanted and self.config.pyannote is not None:
            from extractors.pyannote_diarization import LIBRARIES, pipeline_digest

            made |= {"pyannote": pipeline_digest(self.config.pyannote)}
            made |= {"libraries": library_versions((*self.libraries, *LIBRARIES))}
        return made

    def open(self) -> None:
        """Load the networks."""
        from extractors.pyannote_diarization import PyannoteDiarizer
        from extractors.speech import SpeechDetector
        from extractors.voice_embedding import make_voice_embedder
        from extractors.weights import locate

        own = self.config.embedder
        self._embedder = make_voice_embedder(
            "xvector" if own else "resemblyzer",
            own or str(locate("resemblyzer").path),
            device=self.config.device,
        )
        self._detector = SpeechDetector(str(locate("silero_vad").path))
        folder = self.config.pyannote
        self._pyannote = PyannoteDiarizer(folder, device=self.config.device) if folder is not None else None

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Voices of one source, and their faces."""
        from extractors.face_voice import match_voices

        facts, store = item.inputs, workspace.store
        path = workspace.source_path(facts["path"])
        guard_unchanged(path, facts["fingerprint"])
        pcm = _channels_16k(path, facts["audio_stream"])
        guard_unchanged(path, facts["fingerprint"])
        faces = read_faces(store, facts) if "who" in facts else {}
        channels = self._by_channel(pcm) if len(pcm) == 2 and self.config.mode != "mono" else None
        if channels is not None and (self.config.mode == "channels" or _are_people(channels)):
            heard = self._of_channels(pcm, channels)
        else:
            mono = pcm.mean(axis=0, dtype=np.float32)
            n_speakers = self.config.n_speakers or _n_speaking(faces)
            heard = self._of_mix(mono, store, facts["listen"]["tables"][0], n_speakers)
        pairs = {pair.voice: pair for pair in match_voices(heard.spans, faces)}
        activity = [
            {"voice": voice, "start_s": start, "stop_s": stop, "margin": margin}
            for voice, spans in sorted(heard.spans.items())
            for (start, stop), margin in zip(spans, heard.margins[voice], strict=True)
        ]
        voices = [
            {
                "voice": voice,
                "total_s": sum(stop - start for start, stop in spans),
                "embedding": heard.embeddings[voice],
                "identity": pairs[voice].face,
                "confidence": pairs[voice].confidence,
            }
            for voice, spans in sorted(heard.spans.items())
        ]
        artifacts = []
        for name, rows, schema in (("activity", activity, ACTIVITY), ("voices", voices, VOICES)):
            with workspace.writing(f"{item.id}.{name}.parquet") as handle:
                pq.write_table(pa.Table.from_pylist(rows, schema), handle, compression="zstd")
            artifacts.append(workspace.written(f"{item.id}.{name}.parquet"))
        measures: dict[str, Any] = {"n_voices": len(voices), "voices_from": heard.found_by}
        if channels is not None:
            measures["leak_db"] = json.dumps(channels.leak_db)
            measures["findings"] = json.dumps([[str(what), channel] for what, channel in channels.findings])
        return [item.row(artifacts=tuple(artifacts), measures=measures)]

    def _by_channel(self, pcm: NDArray[np.float32]) -> Channels:
        from extractors.channels import channel_activity
        from extractors.speech import HOP

        padded = np.pad(pcm, ((0, 0), (0, -pcm.shape[1] % HOP)))
        probabilities = []
        for row in padded:
            self._detector.reset()
            probabilities.append(self._detector.feed(row))
        return channel_activity(pcm, np.stack(probabilities))

    def _of_channels(self, pcm: NDArray[np.float32], channels: Channels) -> _Heard:
        from extractors.diarization import voice_of

        spans: Spans = {channel: list(found) for channel, found in enumerate(channels.segments) if found}
        embeddings = np.stack(
            [voice_of(row, found, self._embedder) for row, found in zip(pcm, channels.segments, strict=True)]
        )
        margins: dict[int, list[float | None]] = {one: [None] * len(found) for one, found in spans.items()}
        return _Heard(spans, margins, embeddings, "channels")

    def _of_mix(self, mono: NDArray[np.float32], store: Store, table: str, n_speakers: int | None) -> _Heard:
        from extractors.diarization import Settings, diarize
        from extractors.speech import speech_segments

        if self._pyannote is not None:
            found = self._pyannote(mono, self._embedder, n_speakers=n_speakers)
        else:
            speech = pq.read_table(pa.BufferReader(store.read(table))).column("speech").to_numpy()
            length_s = len(mono) / RATE_HZ
            segments = [(start, min(stop, length_s)) for start, stop in speech_segments(speech)]
            settings = Settings(apart_from=self.config.apart_from)
            found = diarize(mono, segments, self._embedder, n_speakers=n_speakers, settings=settings)
        spans: Spans = {}
        margins: dict[int, list[float | None]] = {}
        for one in found.activities:
            spans.setdefault(one.speaker, []).append((one.start_s, one.stop_s))
            margins.setdefault(one.speaker, []).append(one.margin)
        return _Heard(spans, margins, found.voices, "mono" if self._pyannote is None else "pyannote")


def _embedder_digest(folder: str) -> str:
    """Raises MissingWeightsError when the folder holds no model."""
    from extractors.ssl_features import folder_digest
    from extractors.weights import MissingWeightsError

    if not (Path(folder) / "config.json").is_file():
        raise MissingWeightsError(f"voices.embedder: {folder} holds no AudioXVector model of transformers")
    return folder_digest(folder)


def _facts(row: dict[str, Any]) -> dict[str, Any]:
    return {"start": row.get("start"), "tables": [artifact["name"] for artifact in row["artifacts"]]}


def _are_people(channels: Channels) -> bool:
    """Whether each channel has one person of its own."""
    leaks = [leak for leak in channels.leak_db if leak is not None]
    return not channels.findings and all(leak < APART_DB for leak in leaks)


def _n_speaking(faces: dict[int, list[TrackScores]]) -> int | None:
    """How many faces are seen to speak; one alone says nothing of voices off screen."""
    speaking = [
        sum(float((track.scores > 0).sum()) for track in tracks) / TICK_HZ for tracks in faces.values()
    ]
    count = sum(one >= SPEAKS_S for one in speaking)
    return count if count > 1 else None


def _channels_16k(path: str, stream: int) -> NDArray[np.float32]:
    """(channels, n) at 16 kHz; more than two channels are mixed into one."""
    from extractors.audio import AudioReader, Mono16k

    with AudioReader(path, stream_index=stream) as reader:
        n_rows = 2 if reader.channels == 2 else 1
        converters = [Mono16k(rate_hz=reader.rate_hz) for _ in range(n_rows)]
        parts: list[list[NDArray[np.float32]]] = [[] for _ in range(n_rows)]
        for block in reader.blocks():
            for number, converter in enumerate(converters):
                parts[number].append(converter.feed(block[number : number + 1] if n_rows == 2 else block))
    return np.stack(
        [np.concatenate([*mine, one.flush()]) for mine, one in zip(parts, converters, strict=True)]
    )


def read_faces(store: Store, facts: dict[str, Any]) -> dict[int, list[TrackScores]]:
    """Scores of each identity's tracks, in seconds from the first audio sample."""
    from extractors.speaking import TrackScores

    with store.open(facts["watch"]["tables"][2]) as handle:
        tracks = pq.read_table(handle, columns=["track", "identity"]).to_pydict()
    identity = dict(zip(tracks["track"], tracks["identity"], strict=True))
    with store.open(facts["who"]["tables"][0]) as handle:
        table = pq.read_table(handle)
    of_row, ticks, scores = (table.column(name).to_numpy() for name in ("track", "tick", "score"))
    shift = Fraction(facts["first_frame"]) - Fraction(facts["listen"]["start"])
    faces: dict[int, list[TrackScores]] = {}
    for track in np.unique(of_row).tolist():
        mine = of_row == track
        there, dense = dense_scores(ticks[mine], scores[mine])
        one = TrackScores(track, float(shift + Fraction(int(there[0]), TICK_HZ)), dense)
        faces.setdefault(identity[track], []).append(one)
    return faces
