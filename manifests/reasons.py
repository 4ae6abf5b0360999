"""Why an item did not end `ok`: one closed list of codes, in the order of the work.

A code is part of the published format (receipts, `duologue failures`, audits), so codes are added,
never renamed.
"""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """How an item ended. Every planned item has exactly one."""

    OK = "ok"
    SKIPPED = "skipped"  # healthy, but not wanted: a limit or the preset's needs decided
    FAILED = "failed"  # the input is at fault; another attempt would end the same
    QUARANTINED = "quarantined"  # three attempts crashed, raised or hung


class Reason(StrEnum):
    """Stable reason codes; `manifests.remedies` says what each means to a user."""

    # the file
    EMPTY_FILE = "empty_file"
    NOT_MEDIA = "not_media"
    NOT_TEXT = "not_text"
    UNREADABLE_CONTAINER = "unreadable_container"
    NO_STREAMS = "no_streams"
    DECODE_FAILED = "decode_failed"
    UNSUPPORTED_AUDIO = "unsupported_audio"
    NAME_NOT_UTF8 = "name_not_utf8"
    UNREADABLE_PATH = "unreadable_path"
    FORGOTTEN = "forgotten"
    # the sidecar
    SIDECAR_UNMATCHED = "sidecar_unmatched"
    SIDECAR_MALFORMED = "sidecar_malformed"
    SIDECAR_DUPLICATE = "sidecar_duplicate"
    SIDECAR_SPLIT_CONFLICT = "sidecar_split_conflict"
    # the data set's own layout
    CORPUS_PART_MISSING = "corpus_part_missing"
    CORPUS_MALFORMED = "corpus_malformed"
    UNSAFE_ARCHIVE = "unsafe_archive"
    SPLIT_CONFLICT = "split_conflict"
    # what is said
    TRANSCRIPT_UNREADABLE = "transcript_unreadable"
    NOT_ALIGNED = "not_aligned"
    NO_TEXT = "no_text"
    NO_HYPOTHESES = "no_hypotheses"
    NO_CAPTION = "no_caption"
    # the decision of `select`
    NO_VIDEO = "no_video"
    NO_AUDIO = "no_audio"
    SILENT_AUDIO = "silent_audio"
    NO_SPEECH = "no_speech"
    NO_FACE = "no_face"
    FACE_LOST = "face_lost"
    SEVERAL_FACES = "several_faces"
    FACE_SMALL = "face_small"
    FACE_BLURRED = "face_blurred"
    YAW_LARGE = "yaw_large"
    NOT_SPEAKING = "not_speaking"
    SPEECH_OVERLAPS = "speech_overlaps"
    OUT_OF_SYNC = "out_of_sync"
    MOUTH_HIDDEN = "mouth_hidden"
    FACE_DARK = "face_dark"
    FACE_JITTERY = "face_jittery"
    NO_PORTRAIT = "no_portrait"
    CHUNK_SHORT = "chunk_short"
    DAMAGED_MEDIA = "damaged_media"
    LOW_QUALITY = "low_quality"
    NOISY = "noisy"
    OTHER_VOICE = "other_voice"
    CLIPPED = "clipped"
    NARROW_BAND = "narrow_band"
    MUSIC = "music"
    SINGING = "singing"
    CHANNELS_CANCEL = "channels_cancel"
    # mixing (the codes of synth.noise_plan.Fault)
    SNR_UNREACHABLE_INT16 = "snr_unreachable_int16"
    TARGET_SILENT = "target_silent"
    NO_ACTIVE_SPEECH = "no_active_speech"
    NO_OVERLAP = "no_overlap"
    INTERFERER_EMPTY = "interferer_empty"
    INTERFERER_SILENT = "interferer_silent"
    NOT_FINITE = "not_finite"
    CHANNELS_DIFFER = "channels_differ"
    LENGTH_DIFFERS = "length_differs"
    NO_INTERFERER = "no_interferer"
    NO_DISJOINT_SPEAKER = "no_disjoint_speaker"
    NO_ROOM = "no_room"
    ROOM_SILENT = "room_silent"
    ROOM_UNREACHABLE = "room_unreachable"
    # corruption (the codes of synth.corruption.plan.Fault), and what a changed clip lacks
    LANDMARKS_MISSING = "landmarks_missing"
    NO_OCCLUDER = "no_occluder"
    OCCLUDER_UNREADABLE = "occluder_unreadable"
    FRAME_UNSUITABLE = "frame_unsuitable"
    OF_THE_CLEAN_CLIP = "of_the_clean_clip"
    NO_TOKENS = "no_tokens"
    # rewriting (the codes of synth.rewriting.rewritten.Fault)
    TURN_NOT_SHORT = "turn_not_short"
    EMOTION_NOT_KEPT = "emotion_not_kept"
    EMOTIONS_DISAGREE = "emotions_disagree"
    LLM_BUDGET_SPENT = "llm_budget_spent"
    REWRITE_REJECTED = "rewrite_rejected"
    LLM_NO_ANSWER = "llm_no_answer"
    LANGUAGE_UNKNOWN = "language_unknown"
    # speech that is made (the codes of synth.voices.voice.Fault)
    TEXT_EMPTY = "text_empty"
    CONSENT_MISSING = "consent_missing"
    LICENCE_MISSING = "licence_missing"
    CANNOT_CLONE = "cannot_clone"
    NO_VOICE = "no_voice"
    SERVER_FAILED = "server_failed"
    ANSWER_NOT_AUDIO = "answer_not_audio"
    ANSWER_TRUNCATED = "answer_truncated"
    ANSWER_TOO_LARGE = "answer_too_large"
    WRONG_RATE = "wrong_rate"
    PROGRAM_FAILED = "program_failed"
    SPEECH_SILENT = "speech_silent"
    SPEECH_CLIPPED = "speech_clipped"
    PACE_ODD = "pace_odd"
    WER_HIGH = "wer_high"
    DNSMOS_LOW = "dnsmos_low"
    VOICE_DIFFERS = "voice_differs"
    EMOTION_DIFFERS = "emotion_differs"
    NO_REFERENCE = "no_reference"
    # dialogues
    NOT_ARRANGED = "not_arranged"
    NO_BORROWED_FACE = "no_borrowed_face"
    NOT_A_DYAD = "not_a_dyad"
    CHANNELS_SWAPPED = "channels_swapped"
    CROSS_TALK = "cross_talk"
    SIDES_UNEQUAL = "sides_unequal"
    NO_WORD_BOUNDARY = "no_word_boundary"
    NO_ROOM_TONE = "no_room_tone"
    # the engine
    CRASHED = "crashed"
    RAISED = "raised"
    TIMED_OUT = "timed_out"


class ItemError(Exception):
    """An expected fault of the input: becomes a `failed` receipt row, never a crashed attempt."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
