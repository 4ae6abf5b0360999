"""Checks of what is inside the samples: `--deep` opens the shards and measures everything again."""

from __future__ import annotations

from pipelines.audit.model import (
    ChannelsCheck,
    Check,
    CodesCheck,
    ColumnCheck,
    FaultCheck,
    GroupCheck,
    Section,
)
from pipelines.audit.sketches import Bins


def _deep(
    check_id: str, section: Section, title: str, remedy: str, *, table: str, column: str, unit: str,
    bins: Bins, label: str | None = None, low_first: bool = False,
) -> ColumnCheck:  # fmt: skip
    return ColumnCheck(check_id, section, title, remedy, deep=True, table=table, columns=(column,), unit=unit,
                       bins=bins, label=label, low_first=low_first)  # fmt: skip


def _sound(check_id: str, title: str, remedy: str, *, column: str, unit: str, bins: Bins) -> ColumnCheck:
    return _deep(check_id, Section.SOUND, title, remedy, table="sounds", column=column, unit=unit, bins=bins,
                 label="member")  # fmt: skip


def _picture(check_id: str, title: str, remedy: str, *, column: str, unit: str, bins: Bins) -> ColumnCheck:
    return _deep(check_id, Section.PICTURE, title, remedy, table="pictures", column=column, unit=unit,
                 bins=bins, label="member")  # fmt: skip


_SOUND = (
    _sound("sound_silent", "Hops below -60 dBFS", "silent audio: drop the sample, look at its source",
           column="silent_share", unit="share", bins=Bins(0, 1.02, 51)),
    _sound("sound_dead_channel", "Channels that are silent while another is not",
           "a dead channel: take the other one", column="dead_channels", unit="channels", bins=Bins(0, 8, 8)),
    _sound("sound_clipped", "Samples in flat runs at the peak", "clipped: drop it, or record again",
           column="clipped_share", unit="share", bins=Bins(0, 0.1, 50)),
    _sound("sound_dc", "DC offset", "remove the constant with a high-pass", column="dc",
           unit="full scale", bins=Bins(0, 0.1, 50)),
    _sound("sound_gap", "Longest stretch of digital silence inside sound", "samples were dropped: "
           "look at the source's packets", column="gap_s", unit="s", bins=Bins(0, 2, 40)),
    _deep("sound_members_agree", Section.SOUND, "Delay between `flac` and `native.flac`",
          "one of the two was shifted or replaced: build again", table="samples", column="sound_delay_ms",
          unit="ms", bins=Bins(0, 100, 50)),
    _deep("sound_likeness", Section.SOUND, "Correlation of `flac` with the mix of `native.flac`",
          "one of the two is of another recording: build again", table="samples", column="sound_likeness",
          unit="correlation", bins=Bins(-1, 1.02, 101), low_first=True),
    _deep("snr_achieved", Section.SOUND, "SNR measured again against the one asked for",
          "the mix is not what its label says: make the set again", table="mixes", column="snr_off_db",
          unit="dB", bins=Bins(0, 20, 40), label="interferer"),
)  # fmt: skip

_SYNC = (
    _deep("fbank_delay", Section.SYNC, "Delay between the sound and its filterbank",
          "the sound was shifted after the other members were made: build again", table="samples",
          column="fbank_delay_ms", unit="ms", bins=Bins(0, 400, 40)),
    _deep("lips_delay", Section.SYNC, "Lips of the coefficients against the sound, where the measure is sure",
          "picture and sound do not belong to one instant: shift the source", table="samples",
          column="lips_delay_frames", unit="frames of 40 ms", bins=Bins(0, 15, 30)),
)  # fmt: skip

_PICTURE = (
    _picture("picture_frozen", "Longest stretch in which nothing moves", "frozen video: drop the sample",
             column="frozen_s", unit="s", bins=Bins(0, 5, 50)),
    _picture("picture_black", "Black or empty frames", "black crop: look at the source",
             column="black_share", unit="share", bins=Bins(0, 1.02, 51)),
    _deep("face_pitch", Section.PICTURE, "Mean |pitch|", "leave out clips of people who look down",
          table="samples", column="mean_abs_pitch_deg", unit="degrees", bins=Bins(0, 90, 45)),
    _deep("face_roll", Section.PICTURE, "Mean |roll|", "turn the source upright", table="samples",
          column="mean_abs_roll_deg", unit="degrees", bins=Bins(0, 90, 45)),
    _deep("face_occlusion", Section.PICTURE, "Mean occlusion of the mouth",
          "lower `select.max_hidden_mouth_share`", table="samples", column="mean_mouth_occlusion",
          unit="0..1", bins=Bins(0, 1, 40)),
    _deep("face_seen", Section.PICTURE, "Frames in which the face was seen",
          "raise `select.min_face_coverage`", table="samples", column="seen_share", unit="share",
          bins=Bins(0, 1.02, 51), low_first=True),
    _deep("lips_interpolated", Section.PICTURE, "Frames of the lips with invented landmarks",
          "raise `select.min_face_coverage`", table="samples", column="lips_interpolated_share",
          unit="share", bins=Bins(0, 1.02, 51)),
)  # fmt: skip

_COEFFICIENTS = (
    _deep("coefficient_nan", Section.COEFFICIENTS, "Values that are no numbers", "the coefficients are "
          "damaged: build again", table="arrays", column="nan_share", unit="share", bins=Bins(0, 1, 40),
          label="member"),
    _deep("coefficient_constant", Section.COEFFICIENTS, "Channels that never move within a sample",
          "a dead channel: see the model that made it", table="arrays", column="constant_channels",
          unit="channels", bins=Bins(0, 61, 61), label="member"),
    _deep("coefficient_range", Section.COEFFICIENTS, "How far blendshapes leave 0..1",
          "coefficients of another scale: see what made them", table="arrays", column="outside",
          unit="over the limit", bins=Bins(0, 1, 50), label="member"),
    _deep("rotation_unit", Section.COEFFICIENTS, "How far the rotation's columns are from unit and square",
          "the 6-D rotation is damaged: build again", table="arrays", column="rotation_off", unit="",
          bins=Bins(0, 1, 50), label="member"),
    _deep("coefficient_valid", Section.COEFFICIENTS, "Frames marked valid", "raise "
          "`select.min_face_coverage`", table="arrays", column="valid_share", unit="share",
          bins=Bins(0, 1.02, 51), label="member", low_first=True),
    ChannelsCheck("coefficient_dead", Section.COEFFICIENTS, "Channels that never move in the whole corpus",
                  "a dead channel teaches nothing: mask it, or see the model that made it", deep=True),
)  # fmt: skip

_TOKENS = (
    _deep("tokens_range", Section.TOKENS, "Codes outside the codebook",
          "tokens of another codec, or off by one: tokenize again", table="streams", column="outside",
          unit="codes", bins=Bins(0, 50, 50), label="member"),
    _deep("tokens_constant", Section.TOKENS, "Longest run of one code, as a share of the stream",
          "a constant stream: silence, or a dead codec", table="streams", column="run_share",
          unit="share", bins=Bins(0, 1.02, 51), label="member"),
    _deep("tokens_untrained", Section.TOKENS, "Codes of a codec with random weights",
          "bring the codec's weights and build without --allow-untrained", table="streams",
          column="untrained", unit="", bins=Bins(0, 2, 2), label="member"),
    CodesCheck("tokens_dead", Section.TOKENS, "Codes in use, by codebook",
               "a codebook with one code carries nothing: see the codec", deep=True),
)  # fmt: skip

_TEXT = (
    FaultCheck("text_charset", Section.TEXT, "Texts without control, replacement or foreign characters",
               "wrong encoding or language label: mend the transcript", deep=True),
    _deep("text_rate", Section.TEXT, "Characters a second", "text and sound do not belong together",
          table="texts", column="chars_per_s", unit="1/s", bins=Bins(0, 60, 60)),
    _deep("text_empty", Section.TEXT, "Samples with speech and no text",
          "give transcripts, or set `words.source` to asr", table="texts", column="empty", unit="",
          bins=Bins(0, 2, 2)),
    _deep("words_placed", Section.TEXT, "Words that are out of order or outside the clip",
          "word times are of another recording: align again", table="texts", column="words_misplaced",
          unit="words", bins=Bins(0, 50, 50)),
    _deep("words_heard", Section.TEXT, "Words that lie where nothing is heard",
          "word times are shifted against the sound: align again", table="texts",
          column="words_unheard_share", unit="share", bins=Bins(0, 1.02, 51)),
    _deep("wer", Section.TEXT, "Word error rate of the best hypothesis against the text",
          "listen: the text or the recogniser is wrong", table="texts", column="wer", unit="rate",
          bins=Bins(0, 2, 40)),
)  # fmt: skip

_TURNS = (
    FaultCheck("turns_valid", Section.TURNS, "Spans of turns are in order and inside the dialogue",
               "the turn file is of another dialogue: make it again", deep=True),
    _deep("turns_fto", Section.TURNS, "Floor-transfer offset", "beyond 3 s nobody answered: see the turns",
          table="transfers", column="fto_s", unit="s", bins=Bins(-3, 5, 80)),
    _deep("turns_overlap", Section.TURNS, "Time with both speaking", "cross-talk between the channels?",
          table="dialogues", column="overlap_share", unit="share", bins=Bins(0, 1, 40)),
    _deep("turns_backchannels", Section.TURNS, "Backchannels a minute", "see how backchannels were told",
          table="dialogues", column="backchannels_per_min", unit="1/min", bins=Bins(0, 60, 60)),
    _deep("turns_talk_ratio", Section.TURNS, "Share of the talk that is main's",
          "a monologue teaches no turns", table="dialogues", column="main_talk_share", unit="share",
          bins=Bins(0, 1.02, 51)),
    _deep("channels_swapped", Section.TURNS, "Main is heard where main's turns are, less where other's are",
          "main and other are exchanged: exchange the channels or the turns", table="dialogues",
          column="channel_lead_db", unit="dB", bins=Bins(-60, 60, 60), low_first=True),
    _deep("faces_swapped", Section.TURNS, "A face speaks in its side's turns, less in the other's",
          "the faces of main and other are exchanged, or of other people", table="dialogues",
          column="face_lead", unit="score of the active speaker", bins=Bins(-20, 20, 40), low_first=True),
)  # fmt: skip

_WHO = (
    GroupCheck("leak_interferer", Section.LEAKAGE, "Nobody's speech is mixed into two splits, or into one "
               "and kept in another", "make the set again: it draws them within a split", deep=True),
    FaultCheck("interferer_other", Section.LEAKAGE, "Nobody is mixed into their own speech", "give all "
               "recordings of a person one `speaker` in the sidecar, and make the set again", deep=True),
    GroupCheck("leak_noise", Section.LEAKAGE, "No noise or music in two splits", "make a set of each split, "
               "with a folder of noises for each", deep=True),
    GroupCheck("leak_voice", Section.LEAKAGE, "No TTS voice in two splits", "assign voices within the split",
               deep=True),
    FaultCheck("duplicate_sound", Section.DUPLICATES, "No two samples with the same sound", "drop one of "
               "the two; across splits it is leakage", deep=True),
    FaultCheck("duplicate_face", Section.DUPLICATES, "No two samples with the same pictures", "drop one of "
               "the two; across splits it is leakage", deep=True),
)  # fmt: skip

_RIGHTS = (
    _deep("sample_licence", Section.RIGHTS, "Samples of a recording or a voice without a licence",
          "add a `licence` to the sidecar, or take a voice that has one, and build again", table="samples",
          column="licence_missing", unit="", bins=Bins(0, 2, 2), label="licence_of"),
    _deep("sample_consent", Section.RIGHTS, "Samples of a person, or of their cloned voice, without consent",
          "add a `consent` to the sidecar and build again", table="samples", column="consent_missing",
          unit="", bins=Bins(0, 2, 2), label="consent_of"),
)  # fmt: skip

SAMPLE_CHECKS: tuple[Check, ...] = (
    *_SOUND, *_SYNC, *_PICTURE, *_COEFFICIENTS, *_TOKENS, *_TEXT, *_TURNS, *_WHO, *_RIGHTS,
)  # fmt: skip
