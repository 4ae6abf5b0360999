"""select: turn measurements into a work list. Every threshold is applied here and nowhere else.

Reads two small tables a source and no media: moving a limit costs seconds. A rejected clip names
every limit it failed, with the value and the limit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.ids import TICK_HZ, digest, sample_key
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.sections import SelectConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.chunks import Span, face_runs, join_speech, snap, split_long
from pipelines.steps.ingest import media_s, rational, recording
from pipelines.steps.limits import Limit, Seen, judge_face, read_seen
from pipelines.steps.listen import HOP_S

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

CLIP = pa.schema(
    [
        pa.field("start", pa.string()),  # "n/d" seconds on the source's timeline; null: no clip at all
        pa.field("stop", pa.string()),
        pa.field("tick", pa.int64()),
        pa.field("track", pa.int32()),  # null: the clip has no usable face
        pa.field("has_audio", pa.bool_()),
        pa.field("face_coverage", pa.float64()),
        pa.field("longest_face_gap_s", pa.float64()),
        pa.field("face_px", pa.float64()),
        pa.field("mean_abs_yaw_deg", pa.float64()),
        pa.field("sharpness", pa.float64()),
        pa.field(
            "failed_limits",
            pa.list_(
                pa.struct(
                    [
                        pa.field("reason", pa.string()),
                        pa.field("value", pa.float64()),
                        pa.field("limit", pa.float64()),
                    ]
                )
            ),
        ),
    ]
)


MEASURES = ("face_coverage", "longest_face_gap_s", "face_px", "mean_abs_yaw_deg", "sharpness")
"""What a clip was judged on, as far as it has a face."""

OUTSIDE_S = 0.5
"""Speech this far outside the picture is told in a row of its own."""

WHOLE_SOURCE_LIMITS = (Reason.NO_VIDEO, Reason.NO_FACE, Reason.DAMAGED_MEDIA)
"""What can be said of a source as a whole; the other limits are about a clip."""


class Select(Step[SelectConfig]):
    """One item a source whose measurements are complete."""

    name = "select"
    version = 1
    speed = 700.0
    per_source = True
    upstream = ("watch", "listen")
    resources = Resources(cpus=1.0, memory_gb=0.5)
    measurements = CLIP

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Sources whose video was watched and whose audio was heard, as far as they have them."""
        measured = {
            name: {row["source_id"]: row for row in corpus.rows(name)} for name in ("watch", "listen")
        }
        for row in corpus.rows("ingest"):
            if row["status"] != Status.OK:
                continue
            inputs: dict[str, Any] = {"recording": recording(row)}
            complete = True
            for kind, name in (("video", "watch"), ("audio", "listen")):
                found = measured[name].get(row["source_id"])
                if row[f"{kind}_stream"] is not None:
                    complete &= found is not None and found["status"] == Status.OK
                    inputs[name] = found
            if complete:
                facts = {name: inputs[name] for name in inputs if name != "recording"}
                item_id = f"{row['source_id']}-{digest(row['content_sha256'], facts, length=12)}"
                yield Item(item_id, row["source_id"], inputs, media_s(row))

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Propose clips, measure them against the limits, keep or reject."""
        seen = None
        if "watch" in item.inputs:
            lost = item.inputs["recording"]["video_lost_packets"]
            seen = read_seen(workspace.store, item.inputs["watch"], lost_packets=lost)
        chunks = self._chunks(item, workspace, seen)
        spans, outside = self._spans(item, chunks)
        rows = [self._judge(item, span, seen) for span in spans] + [
            self._outside(item, start, stop) for start, stop in outside
        ]
        return rows or [self._nothing(item, seen)]

    def _chunks(self, item: Item, workspace: Workspace, seen: Seen | None) -> list[tuple[float, float]]:
        """Speech; or, where a preset needs none, the stretches in which a face is seen."""
        config = self.config
        chunks: list[tuple[float, float]] = []
        if "listen" in item.inputs and not self._silent(item):
            chunks = self._speech_chunks(item, workspace)
        if not chunks and not config.need_audio and seen is not None:
            times = np.unique(seen.face_s)
            chunks = face_runs(times, max_gap_s=config.max_face_gap_s, max_chunk_s=config.max_chunk_s)
        return chunks

    def _spans(
        self, item: Item, chunks: list[tuple[float, float]]
    ) -> tuple[list[Span], list[tuple[float, float]]]:
        """Chunks on the grid, none overlapping the last; and speech for which there is no picture."""
        low, high, anchor = _bounds(item.inputs, need_video=self.config.need_video)
        spans: list[Span] = []
        outside: list[tuple[float, float]] = []
        for start, stop in chunks:
            after = max(low, spans[-1].stop) if spans else low
            span = snap(start, stop, anchor=anchor, low=after, high=high, max_s=self.config.max_chunk_s)
            if span is not None:
                spans.append(span)
            for begin, end in ((start, min(stop, float(low))), (max(start, float(high)), stop)):
                if end - begin > OUTSIDE_S:
                    outside.append((begin, end))
        return spans, outside

    def _outside(self, item: Item, start_s: float, stop_s: float) -> Row:
        """Speech before the picture begins or after it ends: rejected in a row of its own."""
        anchor = _bounds(item.inputs, need_video=True)[2]
        tick = round((start_s - float(anchor)) * TICK_HZ)
        measures = {
            "start": rational(anchor + Fraction(tick, TICK_HZ)),
            "stop": rational(Fraction(stop_s).limit_denominator(1000)),
            "tick": tick,
            "has_audio": True,
        }
        key = sample_key(str(item.source_id), None, tick)
        return _skipped(item.row(key, measures=measures), [Limit(Reason.NO_VIDEO)])

    def _speech_chunks(self, item: Item, workspace: Workspace) -> list[tuple[float, float]]:
        from extractors.speech import speech_segments

        config, listened = self.config, item.inputs["listen"]
        table = pq.read_table(pa.BufferReader(workspace.store.read(listened["artifacts"][0]["name"])))
        speech = table.column("speech").to_numpy()
        segments = speech_segments(
            speech,
            threshold=config.speech_threshold,
            min_speech_s=config.min_speech_s,
            min_silence_s=config.min_silence_s,
            pad_s=config.pad_s,
            hop_s=HOP_S,
        )
        joined = join_speech(segments, max_gap_s=config.max_pause_s, max_chunk_s=config.max_chunk_s)
        zero = float(Fraction(listened["start"]))
        return [
            (zero + start, zero + stop)
            for chunk in joined
            for start, stop in split_long(chunk, speech, hop_s=HOP_S, max_chunk_s=config.max_chunk_s)
        ]

    def _damaged_audio(self, item: Item) -> list[Limit]:
        listened, most = item.inputs.get("listen"), self.config.max_audio_gap_share
        if listened is None or not listened["duration_s"]:
            return []
        share = listened["gap_s"] / listened["duration_s"]
        return [Limit(Reason.DAMAGED_MEDIA, share, most)] if share > most else []

    def _silent(self, item: Item) -> bool:
        return bool(item.inputs["listen"]["loudest_hop_dbfs"] < self.config.silence_dbfs)

    def _nothing(self, item: Item, seen: Seen | None) -> Row:
        """A source without any clip to propose: one row that says why, with every reason."""
        config = self.config
        limits: list[Limit] = []
        if config.need_video or "listen" not in item.inputs:
            low, high, _ = _bounds(item.inputs, need_video=True)
            whole = judge_face(seen, Span(low, high, 0), config)[2]
            limits.extend(one for one in whole if one.reason in WHOLE_SOURCE_LIMITS)
        if "listen" not in item.inputs:
            limits.append(Limit(Reason.NO_AUDIO))
        elif self._silent(item):
            loudest = item.inputs["listen"]["loudest_hop_dbfs"]
            limits.append(Limit(Reason.SILENT_AUDIO, loudest, config.silence_dbfs))
        else:
            limits.append(Limit(Reason.NO_SPEECH))
        return _skipped(item.row(), limits)

    def _judge(self, item: Item, span: Span, seen: Seen | None) -> Row:
        config = self.config
        limits: list[Limit] = []
        if span.duration_s < config.min_chunk_s:
            limits.append(Limit(Reason.CHUNK_SHORT, span.duration_s, config.min_chunk_s))
        limits.extend(self._damaged_audio(item))
        track, measures, face_limits = judge_face(seen, span, config)
        has_audio = "listen" in item.inputs
        if config.need_audio and not has_audio:
            limits.append(Limit(Reason.NO_AUDIO))
        if face_limits and (config.need_video or not has_audio):
            limits.extend(face_limits)
        elif face_limits:
            track = None  # the clip is kept without its video; its row still says why
        key = sample_key(str(item.source_id), track, span.tick)
        measures_of_row: dict[str, Any] = {
            **measures,
            "start": rational(span.start),
            "stop": rational(span.stop),
            "tick": span.tick,
            "track": track,
            "has_audio": has_audio,
            "failed_limits": [limit.record() for limit in face_limits],
        }
        row = item.row(key, measures=measures_of_row)
        return _skipped(row, limits) if limits else row


def _skipped(row: Row, limits: list[Limit]) -> Row:
    measures = {**row.measures, "failed_limits": [limit.record() for limit in limits]}
    detail = "; ".join(map(str, limits))
    return replace(row, status=Status.SKIPPED, reason=limits[0].reason, detail=detail, measures=measures)


def _bounds(inputs: dict[str, Any], *, need_video: bool) -> tuple[Fraction, Fraction, Fraction]:
    """Where a clip may lie, and the anchor of the grid (the first frame, else the first sample).

    Inside both streams; where the picture may be missing, inside the audio.
    """
    spans = []
    if "watch" in inputs:
        first, last = Fraction(inputs["watch"]["first_frame"]), Fraction(inputs["watch"]["last_frame"])
        n_frames = inputs["watch"]["n_frames"]
        interval = (last - first) / (n_frames - 1) if n_frames > 1 else Fraction(1, 25)
        spans.append((first, last + interval))
    if "listen" in inputs:
        start = Fraction(inputs["listen"]["start"])
        spans.append((start, start + Fraction(inputs["listen"]["duration_s"]).limit_denominator(16_000)))
    anchor = spans[0][0]
    if not need_video and "listen" in inputs:
        spans = spans[-1:]
    return max(low for low, _ in spans), min(high for _, high in spans), anchor
