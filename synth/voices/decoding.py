"""Sound files of engines and servers into float32 mono; what is broken is told, never made up for."""

from __future__ import annotations

import io
import struct

import numpy as np

from synth.voices.voice import Fault, Spoken, VoiceError

_STREAMED_FROM = 0x7FFFFFFF
"""Such sizes of `data`, and 0, are written by servers that stream and do not know the length yet."""
_RIFF_HEADER, _CHUNK_HEADER = 12, 8


def decode(data: bytes, told_by: str) -> Spoken:
    """Any format that libsndfile reads; channels are averaged. `told_by` is for the message.

    Raises VoiceError: ANSWER_NOT_AUDIO for what cannot be read, ANSWER_TRUNCATED for a file that ends before
    its header says, NOT_FINITE for NaN or infinite samples.
    """
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(_with_length(data, told_by))) as sound:
            samples = sound.read(dtype="float32", always_2d=True)
            rate_hz, promised = int(sound.samplerate), int(sound.frames)
    except soundfile.LibsndfileError as error:
        raise VoiceError(Fault.ANSWER_NOT_AUDIO, f"{told_by}: {error.error_string.strip()}") from error
    if len(samples) < promised:
        raise VoiceError(Fault.ANSWER_TRUNCATED, f"{told_by}: {len(samples)} of {promised} samples")
    if not np.isfinite(samples).all():
        raise VoiceError(Fault.NOT_FINITE, f"{told_by}: samples that are no numbers")
    return Spoken(samples.mean(axis=1, dtype=np.float32), rate_hz)


def _with_length(data: bytes, told_by: str) -> bytes:
    """A RIFF file whose `data` is as long as its header says: libsndfile reads a cut one without a word."""
    at = _RIFF_HEADER
    while data[:4] == b"RIFF" and at + _CHUNK_HEADER <= len(data):
        name, promised = struct.unpack_from("<4sI", data, at)
        if name == b"data":
            there = len(data) - at - _CHUNK_HEADER
            if promised == 0 or promised >= _STREAMED_FROM:
                return data[: at + 4] + struct.pack("<I", there) + data[at + _CHUNK_HEADER :]
            if there < promised:
                detail = f"{told_by}: the sound ends after {there} of {promised} bytes"
                raise VoiceError(Fault.ANSWER_TRUNCATED, detail)
            break
        at += _CHUNK_HEADER + promised + promised % 2
    else:
        if data[:4] == b"RIFF":
            raise VoiceError(Fault.ANSWER_TRUNCATED, f"{told_by}: the file ends before the sound begins")
    return data
