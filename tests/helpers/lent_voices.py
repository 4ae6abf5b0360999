"""Finished corpora of clips in which people speak by themselves: to lend voices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from made_corpus import Made, flac, header, write_corpus

from manifests.ids import source_id

TERMS = {"consent": "research; voice cloning", "licence": "CC-BY-4.0"}


def lender(
    speaker: str, sound: tuple[np.ndarray, int], text: str, *, split: str = "train", **more: Any
) -> Made:
    """A clip of whole 80 ms frames: `sound`, then silence to the end of its last frame."""
    pcm, rate_hz = sound
    frame = rate_hz * 2 // 25
    n_frames = -(-len(pcm) // frame)
    padded = np.pad(np.round(pcm * 32767).astype(np.int16), (0, n_frames * frame - len(pcm)))
    path = f"people/{speaker}-{len(text)}.wav"
    key = f"{source_id(path)}-na-0000000"
    labels = {"speaker": speaker, "text": text, **TERMS, **more}
    told = header(key, split, n_frames, **labels)
    told["source"] |= {"id": source_id(path), "path": path}
    members = {"native.flac": flac(padded, rate_hz)}
    return Made(key, split, told, members, {"native.flac": padded})


def write_lending(folder: Path, clips: list[Made]) -> Path:
    """The corpus, with the listing that says who is in which recording, as a build leaves it."""
    write_corpus(folder, clips)
    sources = [
        {"path": one.header["source"]["path"], "labels": {"speaker": one.header["speaker"]}} for one in clips
    ]
    (folder / "listing.json").write_text(json.dumps({"sources": sources, "complaints": []}))
    return folder
