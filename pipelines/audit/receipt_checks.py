"""Checks that need only the receipts and the index: they look at every row, whatever the corpus' size."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from manifests.sidecar import LABELS
from pipelines.audit.model import Check, ColumnCheck, FaultCheck, GroupCheck, Section, TallyCheck
from pipelines.audit.sketches import Bins

SURE_LIPS = 0.9
SURE_SYNCNET = 3.0
"""From where `select` believes an offset (its `av_offset_confidence` and `syncnet_confidence`)."""


def _sure_offset(table: pa.Table) -> pa.ChunkedArray:
    """|A/V offset| in frames where its method was sure; else null."""
    by_lips = pc.and_(pc.equal(table["av_offset_method"], "lips"),
                      pc.greater_equal(table["av_offset_confidence"], SURE_LIPS))  # fmt: skip
    by_net = pc.and_(pc.equal(table["av_offset_method"], "syncnet"),
                     pc.greater_equal(table["av_offset_confidence"], SURE_SYNCNET))  # fmt: skip
    size = pc.abs(table["av_offset_frames"])
    return pc.if_else(pc.fill_null(pc.or_(by_lips, by_net), fill_value=False), size, None)


def _is_null(table: pa.Table) -> pa.ChunkedArray:
    return pc.cast(pc.is_null(table.column(0)), pa.float64())


def _abs(table: pa.Table) -> pa.ChunkedArray:
    return pc.abs(pc.cast(table.column(0), pa.float64()))


def _clip(
    column: str, title: str, unit: str, bins: Bins, remedy: str, *, section: Section, low_first: bool = False
) -> ColumnCheck:
    """A measure that `select` judged the kept clips by."""
    return ColumnCheck(f"clip_{column}", section, title, remedy, table="select", columns=(column,),
                       unit=unit, bins=bins, low_first=low_first)  # fmt: skip


def _timed(table: pa.Table) -> pa.ChunkedArray:
    """Seconds; null where a sample is text alone."""
    members = pc.binary_join(table["members"], " ")
    return pc.if_else(pc.equal(members, "json txt"), None, table["duration_s"])


def _missing(label: str, section: Section, remedy: str) -> ColumnCheck:
    assert label in LABELS
    return ColumnCheck(f"{label}_missing", section, f"Sources without a {label}", remedy, table="ingest",
                       columns=(label,), bins=Bins(0, 2, 2), derive=_is_null)  # fmt: skip


_BOOKS = (
    FaultCheck("corpus_empty", Section.BOOKS, "There is something to train on",
               "no clip was kept; `duologue failures` says why each was not"),
    FaultCheck("run_finished", Section.BOOKS, "Every planned item has a row",
               "run the same `duologue build` again: it resumes"),
    FaultCheck("books_balance", Section.BOOKS, "Every source and clip has one end, every kept clip one shard",
               "build again; if it stays so, `duologue status` names what is open"),
    FaultCheck("receipts_readable", Section.BOOKS, "Receipts and tables can be read",
               "delete the named receipt and build again: only its unit is done anew"),
    FaultCheck("index_matches", Section.BOOKS, "The index holds what the receipts say was packed",
               "the index was altered or is of another run: build again, it is written anew"),
    FaultCheck("manifest_matches", Section.BOOKS, "The manifest holds what the receipts say",
               "the manifest was altered or is of another run: build again, it is written anew"),
    FaultCheck("keys_unique", Section.BOOKS, "Keys of the index are ascending and unique",
               "the index was altered: build again"),
    TallyCheck("yield", Section.BOOKS, "How the items of each step ended", "", columns=("status", "reason")),
    TallyCheck("splits", Section.BOOKS, "Samples in each split", "", tables=("index",), columns=("split",)),
    ColumnCheck("clip_duration", Section.BOOKS, "Length of the samples",
                "set `select.min_chunk_s` and `select.max_chunk_s`", table="index",
                columns=("duration_s", "members"), unit="s", bins=Bins(0, 30, 60), derive=_timed),
    FaultCheck("quarantined", Section.BOOKS, "Items that crashed, raised or hung three times",
               "`duologue replay` shows what happens"),
)  # fmt: skip

_SOUND = (
    _clip("dnsmos_ovrl", "DNSMOS, overall", "MOS", Bins(1, 5, 40), "raise `select.min_dnsmos`",
          section=Section.SOUND, low_first=True),
    _clip("dnsmos_sig", "DNSMOS, speech", "MOS", Bins(1, 5, 40), "listen to the worst ones",
          section=Section.SOUND, low_first=True),
    _clip("dnsmos_bak", "DNSMOS, background", "MOS", Bins(1, 5, 40), "listen to the worst ones",
          section=Section.SOUND, low_first=True),
    _clip("snr_db", "Speech over its pauses", "dB", Bins(-20, 80, 50), "raise `select.min_snr_db`",
          section=Section.SOUND, low_first=True),
    _clip("clipped_share", "Clipped samples of the source", "share", Bins(0, 0.1, 50),
          "lower `select.max_clipped_share`, or record again", section=Section.SOUND),
    _clip("bandwidth_hz", "Up to where the source has sound", "Hz", Bins(0, 24_000, 48),
          "raise `select.min_bandwidth_hz`: telephone speech, resampled", section=Section.SOUND,
          low_first=True),
    _clip("mix_loss_db", "Power that the mono mix loses", "dB", Bins(0, 40, 40),
          "the channels cancel: reverse the sign of one", section=Section.SOUND),
    _clip("music_share", "Seconds with music", "share", Bins(0, 1, 20), "lower `select.max_music_share`",
          section=Section.SOUND),
    _clip("other_voice_share", "Speech of another voice", "share", Bins(0, 1, 20),
          "lower `select.max_other_voice_share`", section=Section.SOUND),
    ColumnCheck("source_silence", Section.SOUND, "Silent part of the sources",
                "the recording is mostly silence: check the right file or channel was taken",
                table="listen", columns=("silence_share",), unit="share", bins=Bins(0, 1, 40)),
    ColumnCheck("source_dc", Section.SOUND, "DC offset of the sources", "the recorder adds a constant: "
                "remove it with a high-pass before building", table="listen", columns=("dc_offset",),
                unit="full scale", bins=Bins(0, 0.1, 50), derive=_abs),
    ColumnCheck("source_decode_errors", Section.SOUND, "Errors while decoding sound",
                "the file is damaged: copy it again", table="listen", columns=("n_decode_errors",),
                unit="errors", bins=Bins(0, 50, 50)),
    ColumnCheck("audio_padded", Section.SOUND, "Silence appended where the sound ended early",
                "the sound is shorter than the picture: see the source", table="cut",
                columns=("audio_padded_s",), unit="s", bins=Bins(0, 2, 40)),
)  # fmt: skip

_SYNC = (
    ColumnCheck("av_offset", Section.SYNC, "Picture against sound, where the method was sure",
                "lower `select.max_av_offset_frames`, or shift the source", table="select",
                columns=("av_offset_frames", "av_offset_confidence", "av_offset_method"),
                unit="frames of 40 ms", bins=Bins(0, 15, 30), derive=_sure_offset),
    ColumnCheck("av_start_offset", Section.SYNC, "Start of the sound after that of the picture",
                "nothing, if the container means it; `build` heeds it", table="ingest",
                columns=("audio_offset_s",), unit="s", bins=Bins(0, 2, 40), derive=_abs),
    ColumnCheck("audio_drift", Section.SYNC, "Time stamps of the sound against its samples, at the end",
                "sound and picture were recorded by different clocks: resample the sound",
                table="listen", columns=("drift_s",), unit="s", bins=Bins(0, 1, 50), derive=_abs),
    FaultCheck("channel_voices", Section.SYNC, "The voice on each channel is that of its label",
               "the channels are exchanged against the sidecar's `channels`: exchange the names"),
    FaultCheck("channel_face", Section.SYNC, "The face is seen to speak what its speaker's channel holds",
               "the channels are exchanged against the sidecar's `channels`: exchange the names"),
    _clip("speaking_share", "Speech that the face is seen to speak", "share", Bins(0, 1, 20),
          "raise `select.min_speaking_share`", section=Section.SYNC, low_first=True),
)  # fmt: skip

_PICTURE = (
    _clip("face_px", "Height of the face", "px of the source", Bins(0, 1000, 50),
          "raise `select.min_face_px`", section=Section.PICTURE, low_first=True),
    _clip("mean_abs_yaw_deg", "Mean |yaw|", "degrees", Bins(0, 90, 45),
          "lower `select.max_mean_abs_yaw_deg`", section=Section.PICTURE),
    _clip("sharpness", "Sharpness of the face", "variance of the Laplacian", Bins(0, 2000, 50),
          "raise `select.min_sharpness`", section=Section.PICTURE, low_first=True),
    _clip("luma", "Brightness of the face", "0..1", Bins(0, 1, 40), "raise `select.min_face_luma`",
          section=Section.PICTURE, low_first=True),
    _clip("jitter", "Trembling of the landmarks", "distances of the eyes", Bins(0, 0.05, 50),
          "lower `select.max_jitter`", section=Section.PICTURE),
    _clip("hidden_mouth_share", "Frames with a hidden mouth", "share", Bins(0, 1, 40),
          "lower `select.max_hidden_mouth_share`", section=Section.PICTURE),
    _clip("face_coverage", "Frames with the face", "share", Bins(0, 1.02, 51),
          "raise `select.min_face_coverage`", section=Section.PICTURE, low_first=True),
    _clip("longest_face_gap_s", "Longest stretch without the face", "s", Bins(0, 2, 40),
          "lower `select.max_face_gap_s`", section=Section.PICTURE),
    _clip("other_face_coverage", "Frames with another face", "share", Bins(0, 1, 40),
          "set `select.only_face`", section=Section.PICTURE),
    ColumnCheck("face61_valid", Section.COEFFICIENTS, "Frames of 12.5 Hz with measured coefficients",
                "the face was lost: raise `select.min_face_coverage`", table="cut",
                columns=("face61_valid_share",), unit="share", bins=Bins(0, 1.02, 51), low_first=True),
)  # fmt: skip

_TEXT = (
    ColumnCheck("asr_logprob", Section.TEXT, "How sure the recogniser was of its least sure chunk",
                "a larger model, or the corpus' own transcripts", table="words",
                columns=("asr_mean_logprob",), unit="log probability", bins=Bins(-3, 0, 30),
                low_first=True),
    ColumnCheck("asr_loops", Section.TEXT, "Compression of the recogniser's worst chunk",
                "above 2.4 it repeats itself: drop the source's words", table="words",
                columns=("asr_compression_ratio",), unit="ratio", bins=Bins(0, 10, 50)),
)  # fmt: skip

_WHO = (
    GroupCheck("balance_speaker", Section.PEOPLE, "Hours of each speaker", "cap the largest speakers, or "
               "weight them when training", rule="share"),
    GroupCheck("balance_language", Section.PEOPLE, "Hours of each language", "weight the languages",
               rule="share"),
    GroupCheck("balance_emotion", Section.PEOPLE, "Hours of each emotion", "weight the emotions",
               rule="share"),
    GroupCheck("balance_gender", Section.PEOPLE, "Hours of each gender", "weight the genders", rule="share"),
    GroupCheck("leak_source", Section.LEAKAGE, "No source in two splits", "an altered shard or index: build "
               "again"),
    GroupCheck("leak_speaker", Section.LEAKAGE, "No speaker in two splits", "give the sidecar's `split` for "
               "one of the speaker's recordings: it then holds for all"),
    GroupCheck("leak_person", Section.LEAKAGE, "No face in two splits", "name the same `speaker` in the "
               "sidecar for all recordings of that person"),
    GroupCheck("duplicate_source", Section.DUPLICATES, "No file under two names", "remove one of them",
               rule="single"),
)  # fmt: skip

_RIGHTS = (
    _missing("licence", Section.RIGHTS, "add a `licence` to the sidecar, or leave the source out"),
    _missing("consent", Section.RIGHTS, "add what the person agreed to as `consent` to the sidecar"),
    _missing("speaker", Section.PEOPLE, "add `speaker` to the sidecar: without it nobody can keep people "
             "out of two splits"),
)  # fmt: skip

RECEIPT_CHECKS: tuple[Check, ...] = (*_BOOKS, *_SOUND, *_SYNC, *_PICTURE, *_TEXT, *_WHO, *_RIGHTS)
