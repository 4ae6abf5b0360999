"""What each reason code means to a user, and what to do about it."""

from __future__ import annotations

from manifests.reasons import Reason

REMEDIES: dict[Reason, str] = {
    Reason.EMPTY_FILE: "the file has no bytes; copy it again",
    Reason.NOT_MEDIA: "ffprobe recognises no media format in it; remove it or fix its extension",
    Reason.NOT_TEXT: "the document is not plain UTF-8 text; convert it, and take out control characters",
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
    Reason.CORPUS_PART_MISSING: "a file that the data set's layout promises is not there; see the detail",
    Reason.CORPUS_MALFORMED: "a file of the data set is not as its layout says; see the detail",
    Reason.UNSAFE_ARCHIVE: "an archive member is a link or leaves its folder; it was not unpacked",
    Reason.SPLIT_CONFLICT: "the recording or dialogue links people of two splits; leave it out, or delete "
    "the corpus's table of splits to place everybody anew",
    Reason.TRANSCRIPT_UNREADABLE: "the recording's transcript cannot be read; the detail names the line",
    Reason.NOT_ALIGNED: "the text could not be laid over the sound; check that it belongs to the recording",
    Reason.NO_TEXT: "the preset needs words, and the recording has none; give a transcript, or set "
    "`words.source` to asr",
    Reason.NO_HYPOTHESES: "the recogniser or lip reader has nothing to say of this clip; see the detail",
    Reason.NO_CAPTION: "the model gave no caption that passed the checks, or finds nothing to describe; the "
    "detail says which; try a larger model",
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
    Reason.SNR_UNREACHABLE_INT16: "16 bits are too few for that SNR on so quiet a clip; the row says what "
    "was reached",
    Reason.TARGET_SILENT: "the clip has no sound to take an SNR over",
    Reason.NO_ACTIVE_SPEECH: "nobody speaks in the clip; set `mix.over` to full_band to take all of it",
    Reason.NO_OVERLAP: "the clip's speech and the interferer do not meet; give other `spans`",
    Reason.INTERFERER_EMPTY: "the interferer's file holds no sample; remove it",
    Reason.INTERFERER_SILENT: "the interferer is silent where it is to be heard; remove its file",
    Reason.NOT_FINITE: "a sound has samples that are no numbers; convert its file again",
    Reason.CHANNELS_DIFFER: "target and interferer have other numbers of channels; give mono interferers",
    Reason.LENGTH_DIFFERS: "the clip is too short for the spans that were asked for",
    Reason.NO_INTERFERER: "there is nothing to mix in: see the detail for the folder and the split",
    Reason.NO_DISJOINT_SPEAKER: "the corpus has too few other speakers of that split; label speakers in the "
    "sidecar, ask for fewer voices, or take a larger corpus",
    Reason.NO_ROOM: "the room's impulse response is not at hand",
    Reason.ROOM_SILENT: "the room's impulse response is empty or silent; remove its file",
    Reason.ROOM_UNREACHABLE: "no room of the drawn size rings so long; ask for another `t60_s`",
    Reason.LANDMARKS_MISSING: "the corruption lies on the face, and nobody knows where that is; take a clip "
    "whose face was seen, or a corpus that still has the tables of `watch`",
    Reason.NO_OCCLUDER: "no picture to put before the face; give a folder of RGBA pictures, or none to have "
    "them drawn",
    Reason.OCCLUDER_UNREADABLE: "the occluder is no picture of 8 bits with an alpha channel; convert it",
    Reason.FRAME_UNSUITABLE: "the picture has sides that the corruption cannot work on; see the detail",
    Reason.OF_THE_CLEAN_CLIP: "it was made of the clean sound or picture, which this condition changes; its "
    "clean form is in the clip that `base` names",
    Reason.NO_TOKENS: "the clip has not the tokens that the mask is for; build the corpus with them",
    Reason.TURN_NOT_SHORT: "the turn is longer than `short_turn` says, so it stays as it was",
    Reason.EMOTION_NOT_KEPT: "the emotion is not among `select.emotions`, or not one of the four that are "
    "rewritten",
    Reason.EMOTIONS_DISAGREE: "the response's emotion is not that of what it answers",
    Reason.LLM_BUDGET_SPENT: "the budget of the folder is spent; raise it and run again to go on",
    Reason.REWRITE_REJECTED: "no answer passed the checks; the detail says which failed; try a larger model",
    Reason.LLM_NO_ANSWER: "the LLM's server gave no answer in all its tries; see the detail, then "
    "--retry failed",
    Reason.LANGUAGE_UNKNOWN: "the language of the dialogue cannot be told apart; see docs/rewriting.md",
    Reason.TEXT_EMPTY: "the text has neither a letter nor a digit",
    Reason.CONSENT_MISSING: "nobody may be imitated without consent; add what the speaker agreed to",
    Reason.LICENCE_MISSING: "the reference clip has no licence; add it to the sidecar",
    Reason.CANNOT_CLONE: "this voice imitates nobody; use a server that takes a reference clip",
    Reason.NO_VOICE: "too few voices of that gender for the split; offer more, or set `speak.one_voice`",
    Reason.SERVER_FAILED: "the speech server failed in all tries; see the detail, then --retry failed",
    Reason.ANSWER_NOT_AUDIO: "the speech server answered with something else than sound",
    Reason.ANSWER_TRUNCATED: "the speech server's sound breaks off; see the detail, then --retry failed",
    Reason.ANSWER_TOO_LARGE: "the speech server's answer is larger than any speech",
    Reason.WRONG_RATE: "the speech server answers at another sample rate than was agreed",
    Reason.PROGRAM_FAILED: "the speech program ended with an error; see the detail",
    Reason.SPEECH_SILENT: "what was to be speech is silence",
    Reason.SPEECH_CLIPPED: "the rendered speech is clipped",
    Reason.PACE_ODD: "the rendered speech is far too fast or too slow for its text",
    Reason.WER_HIGH: "a recogniser does not hear the text in the rendered speech",
    Reason.DNSMOS_LOW: "the rendered speech sounds bad; lower `speak.min_dnsmos` if you hear otherwise",
    Reason.VOICE_DIFFERS: "the rendered voice is not like that of the reference; try another server, or "
    "lower `speak.clone.min_similarity` if you hear otherwise",
    Reason.EMOTION_DIFFERS: "the emotion model does not hear the asked emotion; take a voice that acts on "
    "it, or lower `speak.min_emotion_score` if you hear otherwise",
    Reason.NO_REFERENCE: "the corpus has no clip of the person that a voice could be imitated from; the "
    "detail says what its clips lack",
    Reason.NO_BORROWED_FACE: "no clip of `faces.corpus` has a face in that emotion and split; label more "
    "emotions and people there, or do without",
    Reason.NOT_ARRANGED: "the turns could not be laid out in time; see the detail",
    Reason.FORGOTTEN: "the recording or dialogue has somebody who was forgotten; take it out of the "
    "folder or the scripts",
    Reason.NO_WORD_BOUNDARY: "the clip has too few words with times to pause between; build the "
    "corpus with `words`",
    Reason.NO_ROOM_TONE: "the recording has no quiet part to take its room tone from",
    Reason.NOT_A_DYAD: "a dialogue has two voices, and here others are heard, or only one; set "
    "`voices.n_speakers` to 2 where you know better",
    Reason.CHANNELS_SWAPPED: "a side holds the voice of the other one; exchange the labels, or the files",
    Reason.CROSS_TALK: "each microphone hears both people almost alike; who speaks cannot be told by it",
    Reason.SIDES_UNEQUAL: "the two recordings of the dialogue differ in length by more than "
    "`dyads.max_difference_s`; they may not be of one instant",
    Reason.CRASHED: "the worker process died three times on this unit; `duologue replay` it",
    Reason.RAISED: "the step raised an unexpected error three times; `duologue replay` shows the traceback",
    Reason.TIMED_OUT: "the unit ran past its deadline three times and was killed",
}
