"""select: turn measurements into a work list. Every threshold is applied here and nowhere else.

Reads two small tables a source and no media: moving a limit costs seconds. A rejected clip names
every limit it failed, with the value and the limit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import TICK_HZ, digest, sample_key
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.select_section import SelectConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.chunks import Span
from pipelines.steps.documents import document_rows, is_document
from pipelines.steps.emotions import clip_emotion
from pipelines.steps.ingest import media_s, rational, recording
from pipelines.steps.limits import Limit, judge_face, skipped
from pipelines.steps.proposals import Proposal, propose, speech_of
from pipelines.steps.said import read_words
from pipelines.steps.seen import Seen, read_seen
from pipelines.steps.sound import SOUND_MEASURES, Sound, judge_sound, read_sound
from pipelines.steps.spans import bounds, placed, whole

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

MEASURES = {
    "face_coverage": pa.float64(),
    "longest_face_gap_s": pa.float64(),
    "face_px": pa.float64(),
    "mean_abs_yaw_deg": pa.float64(),
    "sharpness": pa.float64(),
    "luma": pa.float64(),
    "jitter": pa.float64(),
    "hidden_mouth_share": pa.float64(),
    "other_face_coverage": pa.float64(),
    "identity": pa.int64(),
    "speaking_share": pa.float64(),
    "speaker_margin": pa.float64(),
    "other_speaking_share": pa.float64(),
    "av_offset_frames": pa.float64(),
    "av_offset_confidence": pa.float64(),
    "n_words": pa.int64(),
    "av_offset_method": pa.string(),  # on whose scale the confidence is: lips, syncnet
    **SOUND_MEASURES,
}
"""What a clip was judged on, as far as it has a face and sound."""

LIMIT = pa.struct(
    [pa.field("reason", pa.string()), pa.field("value", pa.float64()), pa.field("limit", pa.float64())]
)

CLIP = pa.schema(
    [
        # "n/d" seconds on the source's timeline; null with no span of text either: no clip at all
        pa.field("start", pa.string()),
        pa.field("stop", pa.string()),
        pa.field("text_start", pa.int64()),  # characters of a document
        pa.field("text_stop", pa.int64()),
        pa.field("tick", pa.int64()),
        pa.field("track", pa.int32()),  # null: the clip has no usable face
        pa.field("has_audio", pa.bool_()),
        *(pa.field(name, kind) for name, kind in MEASURES.items()),
        pa.field("failed_limits", pa.list_(LIMIT)),
    ]
)

WHOLE_SOURCE_LIMITS = (Reason.NO_VIDEO, Reason.NO_FACE, Reason.DAMAGED_MEDIA)
"""What can be said of a source as a whole; the other limits are about a clip."""


@dataclass(frozen=True)
class _Measured:
    """All that is known of a source."""

    seen: Seen | None
    sound: Sound | None
    words: tuple[tuple[float, float], ...] | None
    """Spans on the time line; None where nobody told."""
    why_no_words: Reason = Reason.NO_TEXT

    def n_words(self, span: Span) -> int | None:
        """Words whose middle lies in the span."""
        if self.words is None:
            return None
        start_s, stop_s = float(span.start), float(span.stop)
        return sum(start_s <= (low + high) / 2 < stop_s for low, high in self.words)


class Select(Step[SelectConfig]):
    """One item a source whose measurements are complete."""

    name = "select"
    version = 5
    speed = 700.0
    per_source = True
    upstream = ("watch", "listen", "who", "words", "voices")
    resources = Resources(cpus=1.0, memory_gb=0.5)
    measurements = CLIP

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Sources that were watched, heard and asked who speaks, as far as they can be."""
        measured = {name: {row["source_id"]: row for row in corpus.rows(name)} for name in self.upstream}
        asked = {
            name: {item.source_id for item in corpus.items(name).values()}
            for name in ("who", "words", "voices")
        }
        knows = corpus.steps["who"].config.model != "none"
        parted = {row["source_id"] for row in corpus.rows("split") if row["status"] != Status.OK}
        for row in corpus.rows("ingest"):
            if row["status"] != Status.OK or row["source_id"] in parted:
                continue
            wanted = {
                "watch": row["video_stream"] is not None,
                "listen": row["audio_stream"] is not None,
                **{name: row["source_id"] in sources for name, sources in asked.items()},
            }
            found = {name: measured[name].get(row["source_id"]) for name in wanted if wanted[name]}
            if all(one is not None and one["status"] == Status.OK for one in found.values()):
                felt = {name: row[name] for name in ("emotion", "emotions")}
                taken = self._takes_whole(row)
                item_id = f"{row['source_id']}-{digest(row['content_sha256'], found, felt, taken, length=12)}"
                inputs = {
                    "recording": recording(row) | felt,
                    "knows_speakers": knows,
                    "whole": taken,
                    **found,
                }
                yield Item(item_id, row["source_id"], inputs, media_s(row))

    def _takes_whole(self, row: dict[str, Any]) -> bool:
        """Whether a recording is cut as a whole, not where speech is."""
        return self.config.whole == "all" or (self.config.whole == "captioned" and bool(row["caption"]))

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Propose clips, measure them against the limits, keep or reject."""
        store, inputs = workspace.store, item.inputs
        if is_document(inputs["recording"]):
            return list(document_rows(item, workspace, self.config))
        speech = seen = sound = None
        if "watch" in inputs:
            told = inputs["who"] | {"asked": inputs["knows_speakers"]} if "who" in inputs else None
            seen = read_seen(
                store, inputs["watch"], told, lost_packets=inputs["recording"]["video_lost_packets"]
            )
        if "listen" in inputs and not self._silent(item):
            zero_s = float(Fraction(inputs["listen"]["start"]))
            words = read_words(store, inputs["words"]) if "words" in inputs else []
            sound = read_sound(store, inputs["listen"], inputs.get("voices"), zero_s)
            speech = speech_of(sound.speech, zero_s, self.config, words)
        if inputs.get("whole"):
            spans, outside = whole(inputs, self.config, silent="listen" in inputs and sound is None)
        else:
            spans, outside = placed(inputs, propose(speech, seen, self.config), self.config)
        told = speech.words if speech is not None and "words" in inputs else None
        missing = inputs["words"]["words_missing"] if "words" in inputs else None
        measured = _Measured(seen, sound, told, Reason(missing or Reason.NO_TEXT))
        rows = [*self._judged(item, spans, measured), *(self._outside(item, *span) for span in outside)]
        return rows or [self._nothing(item, seen)]

    def _judged(
        self, item: Item, spans: Sequence[tuple[Span, Proposal]], measured: _Measured
    ) -> Iterator[Row]:
        """Each span; those kept without their faces are sound alone, and no sound is kept twice."""
        heard: Fraction | None = None
        for span, proposal in spans:
            row = self._judge(item, span, measured, proposal)
            if proposal.track is not None and row.measures["track"] is None and row.status == Status.OK:
                if heard is not None and span.start < heard:
                    continue
                heard = span.stop
            yield row

    def _outside(self, item: Item, start_s: float, stop_s: float) -> Row:
        """Speech before the picture begins or after it ends: rejected in a row of its own."""
        anchor = bounds(item.inputs, need_video=True)[2]
        tick = round((start_s - float(anchor)) * TICK_HZ)
        measures = {
            "start": rational(anchor + Fraction(tick, TICK_HZ)),
            "stop": rational(Fraction(stop_s).limit_denominator(1000)),
            "tick": tick,
            "has_audio": True,
        }
        key = sample_key(str(item.source_id), None, tick)
        return skipped(item.row(key, measures=measures), [Limit(Reason.NO_VIDEO)])

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
            low, high, _ = bounds(item.inputs, need_video=True)
            whole = judge_face(seen, Span(low, high, 0), config, Proposal(float(low), float(high)))
            limits.extend(one for one in whole.failed if one.reason in WHOLE_SOURCE_LIMITS)
        if "listen" not in item.inputs:
            limits.append(Limit(Reason.NO_AUDIO))
        elif self._silent(item):
            loudest = item.inputs["listen"]["loudest_hop_dbfs"]
            loss_db = item.inputs["listen"]["mix_loss_db"]
            if loss_db is not None and loss_db > config.max_mix_loss_db:
                limits.append(Limit(Reason.CHANNELS_CANCEL, loss_db, config.max_mix_loss_db))
            limits.append(Limit(Reason.SILENT_AUDIO, loudest, config.silence_dbfs))
        elif item.inputs.get("whole"):
            limits.append(Limit(Reason.CHUNK_SHORT, item.media_s, config.min_chunk_s))
        else:
            limits.append(Limit(Reason.NO_SPEECH))
        return skipped(item.row(), limits)

    def _judge(self, item: Item, span: Span, measured: _Measured, proposal: Proposal) -> Row:
        config = self.config
        limits: list[Limit] = []
        if span.duration_s < config.min_chunk_s:
            limits.append(Limit(Reason.CHUNK_SHORT, span.duration_s, config.min_chunk_s))
        limits.extend(self._damaged_audio(item))
        verdict = judge_face(measured.seen, span, config, proposal)
        track = verdict.track
        has_audio = "listen" in item.inputs
        if config.need_audio and not has_audio:
            limits.append(Limit(Reason.NO_AUDIO))
        if verdict.failed and (config.need_video or not has_audio):
            limits.extend(verdict.failed)
        elif verdict.failed:
            track = None  # the clip is kept without its video; its row still says why
        heard: dict[str, Any] = {}
        if measured.sound is not None:
            heard, faults = judge_sound(
                measured.sound,
                span,
                config,
                identity=verdict.measures.get("identity"),
                whole=proposal.whole,
            )
            limits.extend(faults)
        n_words = measured.n_words(span)
        if config.need_text and not n_words:
            limits.append(Limit(measured.why_no_words))
        felt = clip_emotion(item.inputs["recording"], span.start, span.stop)
        if config.emotions and config.kept_emotion(felt) is None:
            limits.append(Limit(Reason.EMOTION_NOT_KEPT))
        named = track if track is not None or not limits else proposal.track  # rejected: whose it would be
        key = sample_key(str(item.source_id), named, span.tick)
        measures_of_row: dict[str, Any] = {
            **verdict.measures,
            **heard,
            "n_words": n_words,
            "start": rational(span.start),
            "stop": rational(span.stop),
            "tick": span.tick,
            "track": track,
            "has_audio": has_audio,
            "failed_limits": [limit.record() for limit in verdict.failed],
        }
        row = item.row(key, measures=measures_of_row)
        return skipped(row, limits) if limits else row
