"""Transcripts of recordings: which file holds them, what they say, and where in the sound."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manifests.reasons import ItemError, Reason
from pipelines.step import Workspace

if TYPE_CHECKING:
    from manifests.transcripts import Transcript

MARGIN_S = 0.2
"""Sound round an utterance in which its words may lie: transcripts are cut closely."""


class Beside:
    """Transcripts beside recordings; every folder is listed once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._names: dict[Path, dict[str, str]] = {}

    def of(self, path: str, named: str | None) -> dict[str, str | None] | None:
        """Path below the root and digest of the transcript that the sidecar names, or else of the one of the
        same name; of several, the one that tells most. JSON is left out: what lies beside a recording under
        that name is mostly something else."""
        from manifests.transcripts import SUFFIXES

        if named is not None:
            return self._file(named)
        folder = Path(path).parent
        if folder not in self._names:
            where = self._root / folder
            files = sorted(one.name for one in where.iterdir() if one.suffix.lower() in SUFFIXES)
            self._names[folder] = {name.lower(): name for name in files}
        for suffix in (one for one in SUFFIXES if one != ".json"):
            name = self._names[folder].get(f"{Path(path).stem}{suffix}".lower())
            if name is not None and name != Path(path).name:
                return self._file((folder / name).as_posix())
        return None

    def _file(self, path: str) -> dict[str, str | None]:
        """A file that is not there has no digest, and is told as an item that fails."""
        try:
            content = (self._root / path).read_bytes()
        except OSError:
            return {"path": path, "sha256": None}
        return {"path": path, "sha256": hashlib.sha256(content).hexdigest()}


def read(workspace: Workspace, transcript: dict[str, str], recording_name: str) -> Transcript:
    """What a transcript says of this recording: ctm and stm files may hold many."""
    from manifests.transcripts import TranscriptError, read_transcript

    try:
        found = read_transcript(Path(workspace.source_path(transcript["path"]))).of(recording_name)
    except (TranscriptError, ValueError) as error:
        raise ItemError(Reason.TRANSCRIPT_UNREADABLE, str(error)) from error
    if not found.text:
        problem = f"{transcript['path']}: it says nothing of {recording_name}"
        raise ItemError(Reason.TRANSCRIPT_UNREADABLE, problem)
    return found


def utterances(
    inputs: dict[str, Any], transcript: Transcript | None, duration: Fraction
) -> Iterator[tuple[str, Fraction, Fraction, str | None]]:
    """Text and where it is said, from the first sample; text without times may be anywhere."""
    if transcript is None or not (transcript.utterances and transcript.timed):
        text = inputs["text"] if transcript is None else transcript.text
        yield text, Fraction(0), duration, None
        return
    margin = Fraction(MARGIN_S).limit_denominator(1000)
    for one in transcript.utterances:
        assert one.start is not None and one.stop is not None
        low, high = max(Fraction(0), one.start - margin), min(duration, one.stop + margin)
        if high > low:
            yield one.text, low, high, one.speaker
