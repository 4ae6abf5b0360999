"""Subtitles: srt and vtt, read by webvtt-py."""

from __future__ import annotations

import html
import io
import re
from fractions import Fraction

from manifests.transcripts.model import LineError, Spoken, Transcript, exact, span

_TIMING = re.compile(
    r"\s*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})\s*-->\s*((?:\d+:)?\d{1,2}:\d{2}[.,]\d{1,3})(?:\s|$)"
)


def read_srt(text: str) -> Transcript:
    """SubRip."""
    return _read(text, "srt")


def read_vtt(text: str) -> Transcript:
    """WebVTT; `<v Name>` at the beginning of a cue is its speaker."""
    return _read(text, "vtt")


def _read(text: str, kind: str) -> Transcript:
    import webvtt

    _check_timings(text)  # the library leaves out what it cannot read
    try:
        captions = webvtt.from_buffer(io.StringIO(text.strip("\n") + "\n"), kind).captions
    except (webvtt.errors.MalformedFileError, webvtt.errors.MalformedCaptionError) as error:
        raise LineError(None, f"not {kind}: {error}; export it again") from error
    utterances = []
    for caption in captions:
        said = " ".join(html.unescape(caption.text).split())
        start, stop = (_seconds(stamp) for stamp in (caption.start, caption.end))
        if said:
            utterances.append(Spoken(text=said, start=start, stop=stop, speaker=caption.voice or None))
    return Transcript(utterances=tuple(utterances))


def _check_timings(text: str) -> None:
    for number, line in enumerate(text.splitlines(), start=1):
        if "-->" not in line:
            continue
        match = _TIMING.match(line)
        if match is None:
            raise LineError(number, f"{line.strip()!r} is no timing; expected 00:00:01.000 --> 00:00:02.500")
        span(_seconds(match[1]), _seconds(match[2]), number)


def _seconds(stamp: str) -> Fraction:
    parts = stamp.replace(",", ".").split(":")
    return sum(
        (exact(part, None) * 60**power for power, part in enumerate(reversed(parts))), start=exact("0", None)
    )
