"""Transcripts that a corpus brings: txt, srt, vtt, TextGrid, ctm, stm, json and GRID's align, as one type."""

from __future__ import annotations

from manifests.transcripts.beside import Beside
from manifests.transcripts.model import Spoken, Transcript, TranscriptError
from manifests.transcripts.read import SUFFIXES, read_transcript

__all__ = [
    "SUFFIXES",
    "Beside",
    "Spoken",
    "Transcript",
    "TranscriptError",
    "read_transcript",
]
