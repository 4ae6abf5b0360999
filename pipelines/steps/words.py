"""words: what is said and when. The corpus' own transcripts are read and aligned; others can be recognised.

Of each source, in this order: word times from the sidecar or a transcript; its text, laid over the sound;
with `words.source: asr`, what Whisper hears. One table a source; times count from the first audio sample.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.ids import digest
from manifests.reasons import ItemError, Reason, Status
from manifests.receipts import Row
from manifests.store import Store
from pipelines.sections import WordsConfig
from pipelines.step import Item, Resources, Step, Workspace
from pipelines.steps.ingest import guard_unchanged, media_s, recording
from pipelines.steps.speech_chunks import speech_chunks, speech_of
from pipelines.steps.transcripts import read, utterances

if TYPE_CHECKING:
    from extractors.audio import AudioReader
    from extractors.whisper_weights import WhisperWeights
    from extractors.words import Word
    from manifests.transcripts import Transcript
    from pipelines.corpus import Corpus

WORDS = pa.schema(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),  # from the first audio sample
        pa.field("stop_s", pa.float64(), nullable=False),
        pa.field("confidence", pa.float32()),  # 0..1, by whoever found the word; null: not measured
        pa.field("speaker", pa.string()),  # as the transcript names it
    ]
)
"""One row a word, in the order of their starts."""
Piece = tuple[int | None, float, float]
"""Channel to hear (None: all as one), [start_s, stop_s) from the first audio sample."""

RATE_HZ = 16_000


class Words(Step[WordsConfig]):
    """One item a source whose words can be told."""

    name = "words"
    table: ClassVar[pa.Schema] = WORDS
    version = 1
    speed = 12.0
    libraries = (
        *("av", "ctranslate2", "faster-whisper", "num2words", "pocketsphinx", "praatio", "soxr"),
        *("tokenizers", "webvtt-py"),
    )
    per_source = True
    upstream = ("listen",)
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema(
        [
            pa.field("n_words", pa.int64()),
            pa.field("words_from", pa.string()),  # given, aligned, asr
            pa.field("heard_language", pa.string()),  # as the recogniser tells
            pa.field("heard_language_probability", pa.float64()),
            pa.field("asr_mean_logprob", pa.float64()),  # of the least sure chunk
            pa.field("asr_compression_ratio", pa.float64()),  # of the worst chunk; above 2.4: a loop
            pa.field("words_missing", pa.string()),  # reason; null: all words have their times
            pa.field("words_missing_s", pa.string()),  # JSON: where, [start, stop) from the first sample
            pa.field("words_problem", pa.string()),  # the reason in a sentence
        ]
    )

    @property
    def wanted(self) -> bool:
        """Whether anybody tells."""
        return self.config.source != "none"

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Sources that bring words or text; with `source: asr` all that were heard."""
        if not self.wanted:
            return
        transcripts = {source.id: source.transcript for source in corpus.listing.sources}
        heard = {row["source_id"]: row for row in corpus.rows("listen") if row["status"] == Status.OK}
        for row in corpus.rows("ingest"):
            if row["source_id"] not in heard:
                continue
            brought = {name: row[name] for name in ("words", "text", "language") if row[name] is not None}
            transcript = None if "words" in brought else transcripts.get(row["source_id"])
            if not ({"words", "text"} & brought.keys() or transcript or self.config.source == "asr"):
                continue
            listened = heard[row["source_id"]]
            inputs = {
                "recording": recording(row),
                "listen": {
                    "start": listened["start"],
                    "duration_s": listened["duration_s"],
                    "table": listened["artifacts"][0]["name"],
                },
                "transcript": transcript,
                **brought,
            }
            item = f"{row['source_id']}-{digest(row['content_sha256'], brought, transcript, length=12)}"
            yield Item(item, row["source_id"], inputs, media_s(row))

    def made_of(self) -> dict[str, Any]:
        """Whisper's weights are a folder, not a file of the model store."""
        if self.config.source != "asr":
            return super().made_of()
        return super().made_of() | {"whisper": self._whisper().sha256}

    def _whisper(self) -> WhisperWeights:
        from extractors.whisper_weights import find_whisper

        return find_whisper(self.config.asr_model, revision=self.config.asr_revision)

    def open(self) -> None:
        """The aligner is loaded when the first text needs it; Whisper at once."""
        self._aligner: Any = None
        self._recogniser: Any = None
        if self.config.source == "asr":
            from extractors.asr import Recogniser

            kind, folder = self.config.asr_compute_type, str(self._whisper().folder)
            self._recogniser = Recogniser(folder, device=self.config.device, compute_type=kind)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Words of one source. Raises ItemError for a transcript that cannot be read."""
        from extractors.audio import AudioReader

        facts = item.inputs["recording"]
        path = workspace.source_path(facts["path"])
        guard_unchanged(path, facts["fingerprint"])
        with AudioReader(path, stream_index=facts["audio_stream"]) as reader:
            rows, measures = self._words(item, workspace, reader)
        guard_unchanged(path, facts["fingerprint"])
        rows.sort(key=lambda row: (row["start_s"], row["stop_s"]))
        with workspace.writing(f"{item.id}.words.parquet") as handle:
            pq.write_table(pa.Table.from_pylist(rows, self.table), handle, compression="zstd")
        artifact = workspace.written(f"{item.id}.words.parquet")
        return [item.row(artifacts=(artifact,), measures={"n_words": len(rows), **measures})]

    def _words(
        self, item: Item, workspace: Workspace, reader: AudioReader
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        inputs = item.inputs
        if "words" in inputs:
            given = [_row(word, start, stop) for word, start, stop in json.loads(inputs["words"])]
            return given, {"words_from": "given"}
        transcript, faults = _transcript(item, workspace)
        if transcript and transcript.words and transcript.timed:
            found = [
                _row(one.text, float(one.start or 0), float(one.stop or 0), one.confidence, one.speaker)
                for one in transcript.words
            ]
            return found, {"words_from": "given"}
        if transcript or "text" in inputs:
            rows, measures = self._aligned(inputs, transcript, reader)
        elif self._recogniser is not None:
            rows, measures = self._recognised(inputs, workspace.store, reader)
        else:
            rows, measures = [], {}
        return rows, faults | measures

    def _aligned(
        self, inputs: dict[str, Any], transcript: Transcript | None, reader: AudioReader
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """The text, utterance by utterance, laid over its sound; what cannot be is told."""
        from extractors.alignment import AlignmentError

        told: dict[str, Any] = {"words_from": "aligned"}
        lost: list[tuple[float, float]] = []
        start = Fraction(inputs["listen"]["start"])
        duration = Fraction(inputs["listen"]["duration_s"]).limit_denominator(RATE_HZ)
        rows: list[dict[str, Any]] = []
        for one, low, high in utterances(inputs, transcript, duration):
            language = self._language(one.language, inputs.get("language")) or "en"
            try:
                if high - low > self.config.max_align_s:
                    raise AlignmentError(
                        f"{float(high - low):.0f} s of text without times; give it as srt, vtt or stm, or "
                        "raise words.max_align_s"
                    )
                words = self._lay(one.text, reader, (start + low, start + high), language)
            except AlignmentError as error:
                lost.append((float(low), float(high)))
                told |= {"words_missing": str(Reason.NOT_ALIGNED), "words_problem": str(error)}
                continue
            rows += [_row(*_timed(word, float(low)), word.confidence, one.speaker) for word in words]
        return rows, told | {"words_missing_s": json.dumps(lost) if lost else None}

    def _language(self, *known: str | None) -> str | None:
        """The config's, else the first that is known, as ISO 639-1: `en` of `en-US`."""
        chosen = next((one for one in (self.config.language, *known) if one), None)
        return chosen and chosen.replace("_", "-").split("-")[0].lower()

    def _lay(
        self, text: str, reader: AudioReader, span: tuple[Fraction, Fraction], language: str
    ) -> list[Word]:
        from extractors.alignment import AlignmentError, ForcedAligner
        from extractors.audio import to_mono16k

        if language != "en" and self._recogniser is None:
            raise AlignmentError(f"the aligner reads English, not {language!r}; set words.source to asr")
        pcm = to_mono16k(reader.read_span(*span), reader.rate_hz)
        if language != "en":
            try:
                found: list[Word] = self._recogniser.align(pcm, text, language=language)
            except ValueError as error:
                raise AlignmentError(str(error)) from error
            return found
        if self._aligner is None:
            self._aligner = ForcedAligner()
        words: list[Word] = self._aligner(pcm, text)
        return words

    def pieces(self, inputs: dict[str, Any], store: Store) -> Iterable[Piece]:
        """What of a recording without text is recognised: the speech in all of its channels as one."""
        from extractors.speech import speech_segments

        speech = speech_of(store, inputs["listen"]["table"])
        return [(None, *span) for span in speech_chunks(speech_segments(speech), speech)]

    def _recognised(
        self, inputs: dict[str, Any], store: Store, reader: AudioReader
    ) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        """What Whisper hears in the speech; the language is that of the longest chunk unless it is known."""
        from extractors.audio import to_mono16k

        zero = Fraction(inputs["listen"]["start"])
        rows: list[dict[str, Any]] = []
        languages: list[tuple[float, str, float]] = []
        sure, loops = [], []
        known = self._language(inputs.get("language"))
        for channel, low_s, high_s in self.pieces(inputs, store):
            low, high = (zero + Fraction(round(1000 * one), 1000) for one in (low_s, high_s))
            sound = reader.read_span(low, high)
            pcm = to_mono16k(sound if channel is None else sound[channel : channel + 1], reader.rate_hz)
            try:
                heard = self._recogniser(pcm, language=known, beam=self.config.asr_beam)
            except ValueError as error:  # a language that this Whisper does not know
                raise ItemError(Reason.NO_TEXT, f"language {known!r}: {error}") from error
            languages.append((high_s - low_s, heard.language, heard.language_probability))
            sure += [heard.mean_logprob] if heard.words else []
            loops.append(heard.compression_ratio)
            found = (_row(*_timed(word, float(low - zero)), word.confidence) for word in heard.words)
            rows += [row | {"channel": channel} for row in found]
        _, language, probability = max(languages, default=(0.0, None, None))
        return rows, {
            "words_from": "asr",
            "heard_language": language,
            "heard_language_probability": probability,
            "asr_mean_logprob": min(sure, default=None),
            "asr_compression_ratio": max(loops, default=None),
        }


def _transcript(item: Item, workspace: Workspace) -> tuple[Transcript | None, dict[str, Any]]:
    """The recording's transcript, or what is wrong with the one beside it.

    Raises ItemError for one that the sidecar names: it was meant.
    """
    from manifests.transcripts import TranscriptError

    about = item.inputs["transcript"]
    if about is None:
        return None, {}
    try:
        return read(workspace, about, Path(item.inputs["recording"]["path"]).stem), {}
    except (TranscriptError, ValueError) as error:
        if about["named"]:
            raise ItemError(Reason.TRANSCRIPT_UNREADABLE, str(error)) from error
        return None, {"words_missing": str(Reason.TRANSCRIPT_UNREADABLE), "words_problem": str(error)}


def _timed(word: Word, shift_s: float) -> tuple[str, float, float]:
    return word.text, shift_s + word.start_s, shift_s + word.end_s


def _row(
    word: str, start_s: float, stop_s: float, confidence: float | None = None, speaker: str | None = None
) -> dict[str, Any]:
    times = {"start_s": round(float(start_s), 6), "stop_s": round(float(stop_s), 6)}
    return {"word": word, **times, "confidence": confidence, "speaker": speaker}
