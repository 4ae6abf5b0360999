"""Why an item did not end `ok`: one closed list of codes, each with its meaning and what to do.

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
    """Stable reason codes. `REMEDIES` says what each means to a user."""

    # the file
    EMPTY_FILE = "empty_file"
    NOT_MEDIA = "not_media"
    UNREADABLE_CONTAINER = "unreadable_container"
    NO_STREAMS = "no_streams"
    DECODE_FAILED = "decode_failed"
    UNSUPPORTED_AUDIO = "unsupported_audio"
    NAME_NOT_UTF8 = "name_not_utf8"
    UNREADABLE_PATH = "unreadable_path"
    # the sidecar
    SIDECAR_UNMATCHED = "sidecar_unmatched"
    SIDECAR_MALFORMED = "sidecar_malformed"
    SIDECAR_DUPLICATE = "sidecar_duplicate"
    SIDECAR_SPLIT_CONFLICT = "sidecar_split_conflict"
    TRANSCRIPT_UNREADABLE = "transcript_unreadable"
    NOT_ALIGNED = "not_aligned"
    NO_TEXT = "no_text"
    NO_HYPOTHESES = "no_hypotheses"
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
    # the engine
    CRASHED = "crashed"
    RAISED = "raised"
    TIMED_OUT = "timed_out"


REMEDIES: dict[Reason, str] = {
    Reason.EMPTY_FILE: "the file has no bytes; copy it again",
    Reason.NOT_MEDIA: "ffprobe recognises no media format in it; remove it or fix its extension",
    Reason.UNREADABLE_CONTAINER: "the container is damaged (often a copy that was cut short); copy it again",
    Reason.NO_STREAMS: "the container opens but holds neither audio nor video",
    Reason.DECODE_FAILED: "the stream could not be decoded to the end; see the detail column",
    Reason.UNSUPPORTED_AUDIO: "FLAC holds at most 8 channels; mix the recording down or split it",
    Reason.NAME_NOT_UTF8: "the file's name is not valid UTF-8; rename it",
    Reason.UNREADABLE_PATH: "the folder or link cannot be followed; fix its permissions or its target",
    Reason.SIDECAR_UNMATCHED: "a sidecar row names a path that is not in the corpus; fix it",
    Reason.SIDECAR_MALFORMED: "a sidecar row could not be read; see the detail column for the line",
    Reason.SIDECAR_DUPLICATE: "a sidecar names one path twice; keep one of the rows",
    Reason.SIDECAR_SPLIT_CONFLICT: "a speaker is put in two splits; the first one counts",
    Reason.TRANSCRIPT_UNREADABLE: "the recording's transcript cannot be read; the detail names the line",
    Reason.NOT_ALIGNED: "the text could not be laid over the sound; check that it belongs to the recording",
    Reason.NO_TEXT: "the preset needs words, and the recording has none; give a transcript, or set "
    "`words.source` to asr",
    Reason.NO_HYPOTHESES: "the recogniser or lip reader has nothing to say of this clip; see the detail",
    Reason.NO_VIDEO: "the preset needs video and there is none at that time",
    Reason.NO_AUDIO: "the preset needs audio and this source has none",
    Reason.SILENT_AUDIO: "the audio track never rises above `select.silence_dbfs`",
    Reason.NO_SPEECH: "no speech was found; lower `select.speech_threshold` if you hear some",
    Reason.NO_FACE: "no face was found in the chunk",
    Reason.FACE_LOST: "the face is missing in more frames than `select.max_face_gap_s` or "
    "`select.min_face_coverage` allow",
    Reason.SEVERAL_FACES: "more than one face is visible and the preset wants exactly one",
    Reason.FACE_SMALL: "the face is smaller than `select.min_face_px`",
    Reason.FACE_BLURRED: "the face is blurrier than `select.min_sharpness`",
    Reason.YAW_LARGE: "the mean |yaw| exceeds `select.max_mean_abs_yaw_deg`",
    Reason.NOT_SPEAKING: "speech is heard, but no visible face is seen to speak it (off screen, dubbed, or "
    "too dark to tell); lower `select.min_speaking_share` if you know who it is",
    Reason.SPEECH_OVERLAPS: "another visible face speaks for more than `select.max_other_speaking_share`",
    Reason.OUT_OF_SYNC: "picture and sound are further apart than `select.max_av_offset_frames`",
    Reason.MOUTH_HIDDEN: "something covers the mouth in more frames than "
    "`select.max_hidden_mouth_share` allows",
    Reason.FACE_DARK: "the face is darker than `select.min_face_luma`",
    Reason.FACE_JITTERY: "the landmarks tremble more than `select.max_jitter`",
    Reason.NO_PORTRAIT: "no frame of this person looks at the camera with open eyes",
    Reason.CHUNK_SHORT: "the chunk is shorter than `select.min_chunk_s`",
    Reason.DAMAGED_MEDIA: "decoding reported damage, or the file was cut short; copy it again",
    Reason.LOW_QUALITY: "DNSMOS puts the sound below `select.min_dnsmos`",
    Reason.NOISY: "speech is less than `select.min_snr_db` above its pauses",
    Reason.OTHER_VOICE: "another voice speaks for more than `select.max_other_voice_share` of the speech",
    Reason.CLIPPED: "more samples are clipped than `select.max_clipped_share` allows",
    Reason.NARROW_BAND: "there is no sound above `select.min_bandwidth_hz`: telephone speech, resampled",
    Reason.MUSIC: "there is music for more than `select.max_music_share` of the clip",
    Reason.SINGING: "somebody sings for more than `select.max_singing_share` of the clip",
    Reason.CHANNELS_CANCEL: "the channels cancel each other in the mono mix; one has its sign reversed",
    Reason.CRASHED: "the worker process died three times on this unit; `duologue replay` it",
    Reason.RAISED: "the step raised an unexpected error three times; `duologue replay` shows the traceback",
    Reason.TIMED_OUT: "the unit ran past its deadline three times and was killed",
}


class ItemError(Exception):
    """An expected fault of the input: becomes a `failed` receipt row, never a crashed attempt."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
