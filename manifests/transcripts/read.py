"""Reading a transcript by its suffix, and finding the one that lies beside a recording."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from manifests.transcripts.corpora import FORMATS
from manifests.transcripts.json_words import read_json
from manifests.transcripts.lines import read_align, read_ctm, read_stm, read_txt
from manifests.transcripts.model import LineError, Transcript, TranscriptError
from manifests.transcripts.subtitles import read_srt, read_vtt
from manifests.transcripts.textgrid import read_textgrid

SUFFIXES: Mapping[str, Callable[[str], Transcript]] = {
    ".textgrid": read_textgrid,
    ".ctm": read_ctm,
    ".align": read_align,
    ".json": read_json,
    ".vtt": read_vtt,
    ".srt": read_srt,
    ".stm": read_stm,
    ".txt": read_txt,
}
"""By what they tell: words with times, utterances with times, text alone."""


def read_transcript(path: Path, kind: str | None = None) -> Transcript:
    """The transcript in `path`, UTF-8 (or UTF-16 with its mark, as Praat writes).

    `kind` is one of `FORMATS` where a data set has a format of its own; otherwise the suffix tells.
    Raises TranscriptError, which names the file, the line where the format has lines, and what to do; also
    for a transcript without a single word.
    """
    reader = SUFFIXES.get(path.suffix.lower()) if kind is None else FORMATS[kind]
    if reader is None:
        raise TranscriptError(path, None, f"expected one of {' '.join(SUFFIXES)}, not {path.suffix!r}")
    try:
        found = reader(_decoded(path))
    except LineError as error:
        raise TranscriptError(path, error.line, str(error)) from error
    if not found.text.strip():
        raise TranscriptError(path, None, "it holds no words; remove it, or export it again")
    return found


def _decoded(path: Path) -> str:
    try:
        content = path.read_bytes()
        encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return content.decode(encoding)
    except OSError as error:
        raise TranscriptError(path, None, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TranscriptError(path, line, "not UTF-8; convert it (`iconv -t utf-8`)") from error
