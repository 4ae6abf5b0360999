"""Folders of noise and music: their recordings, and which split each may be used in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from synth.interferers import Candidate
from synth.noise_plan import Fault, MixError

SUFFIXES = (".aac", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav")
_WHAM = {"tr": "train", "cv": "valid", "tt": "test"}


def list_recordings(folder: Path, kind: str) -> tuple[Candidate, ...]:
    """Recordings of `kind` (noise, music) below a folder, sorted by their paths below it.

    - MUSAN has folders `music`, `noise` and `speech`: of such a root only the one called `kind` is taken.
    - DEMAND has 16 microphones to a place, `ch01.wav` to `ch16.wav`: the first is taken.
    - WHAM! has `tr`, `cv` and `tt`: what lies in one is for that split only.
    - Any other tree: every file with a suffix of sound.

    Raises MixError(NO_INTERFERER) for a folder that is not there, or has none.
    """
    if not folder.is_dir():
        raise MixError(Fault.NO_INTERFERER, f"{kind}: no folder {folder}")
    musan = folder / kind
    root = musan if musan.is_dir() and (folder / "speech").is_dir() else folder
    found = [_candidate(folder, path) for path in sorted(_files(root)) if _first_microphone(path)]
    if not found:
        raise MixError(Fault.NO_INTERFERER, f"{kind}: {root} has no file with one of {' '.join(SUFFIXES)}")
    return tuple(found)


def _files(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(folder, name)


def _first_microphone(path: Path) -> bool:
    stem = path.stem
    return not (stem.startswith("ch") and stem[2:].isdigit() and len(stem) == 4) or stem == "ch01"


def _candidate(folder: Path, path: Path) -> Candidate:
    name = path.relative_to(folder).as_posix()
    split = next((_WHAM[part] for part in path.relative_to(folder).parts[:-1] if part in _WHAM), None)
    return Candidate(key=name, source=name, split=split)
