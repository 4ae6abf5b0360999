"""Transcripts of recordings: what they say, and where in the sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from manifests.transcripts import Spoken, Transcript
from pipelines.step import SourceChangedError, Workspace

MARGIN_S = 0.2
"""Sound round an utterance in which its words may lie: transcripts are cut closely."""


def read(workspace: Workspace, transcript: dict[str, Any], recording_name: str) -> Transcript:
    """What a transcript says of this recording: ctm and stm files may hold many.

    Raises TranscriptError for one that cannot be read or says nothing, SourceChangedError for one that
    changed since it was listed.
    """
    from manifests.transcripts import TranscriptError, read_transcript

    path = Path(workspace.source_path(transcript["path"]))
    found = read_transcript(path, transcript.get("format")).of(recording_name)
    if transcript.get("speaker"):
        found = found.said_by(transcript["speaker"])
    if hashlib.sha256(path.read_bytes()).hexdigest() != transcript["sha256"]:
        raise SourceChangedError(f"{path} changed since it was listed")
    if not found.text:
        raise TranscriptError(transcript["path"], None, f"it says nothing of {recording_name}")
    return found


def utterances(
    inputs: dict[str, Any], transcript: Transcript | None, duration: Fraction
) -> Iterator[tuple[Spoken, Fraction, Fraction]]:
    """What is said, and where from the first sample on; text without times may be anywhere."""
    if transcript is None or not (transcript.utterances and transcript.timed):
        text = inputs["text"] if transcript is None else transcript.text
        yield Spoken(text=text), Fraction(0), duration
        return
    margin = Fraction(MARGIN_S).limit_denominator(1000)
    for one in transcript.utterances:
        assert one.start is not None and one.stop is not None
        low, high = max(Fraction(0), one.start - margin), min(duration, one.stop + margin)
        if high > low:
            yield one, low, high
