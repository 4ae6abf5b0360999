"""Clips with unit strings, and made dialogues that answer them, for what joins the two."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from made_corpus import Made, flac, header, npy

from extractors.unit_streams import interleave, to_text

EMOTIONS = ("Happy", "Sad", "Angry", "Neutral")


def clip(number: int, split: str = "train", **labels: Any) -> Made:
    """A clip with a unit string that names it; what is handed on unopened is no media."""
    key = f"{number:016x}-t00-{number * 7:07d}"
    about = {"emotion": EMOTIONS[number % 4], "speaker": f"p{number // 4}", "text": f"line {number}"} | labels
    members = {
        "flac": f"sound {number}".encode(),
        "face.mp4": f"face {number}".encode(),
        "smirk55.npy": npy(np.full((4, 55), number, np.float32)),
        "units.txt": f"[St1][Pi2][Hu{number}]".encode(),
    }
    return Made(key, split, header(key, split, 25, **about), members)


def spoken(number: int, seconds: int) -> dict[str, bytes]:
    """Sound at 24 kHz and 16 kHz, and units at 25 Hz, of one side."""
    rng = np.random.default_rng(number)
    pcm = rng.integers(-9000, 9000, seconds * 24_000, dtype=np.int16)
    semantic = rng.integers(0, 3, seconds * 25)
    string = to_text(
        interleave(
            semantic.tolist(),
            rng.integers(0, 3, -(-seconds * 25 // 2)).tolist(),
            rng.integers(0, 3, seconds).tolist(),
            semantic_hz=25.0,
        )
    )
    return {
        "native.flac": flac(pcm, 24_000),
        "flac": flac(rng.integers(-9000, 9000, seconds * 16_000, dtype=np.int16), 16_000),
        "units.npy": npy(semantic.astype(np.int32)),
        "units.txt": string.encode(),
    }


def answer(name: str, clips: list[str], emotion: str | None = "Happy", **changes: Any) -> Made:
    """A view of a made dialogue of 8 s: the other 0 to 3 s, main's answer 1.16 to 6.06 s."""
    heard = {"key": "x", "text": "Heard.", "emotion": emotion, "start": "0", "stop": "3", "clips": clips}
    given = {"key": "y", "text": f"Answer {name}.", "emotion": emotion, "start": "29/25", "stop": "303/50"}
    told = {"input": heard, "response": given | {"clips": [], "rewritten_from": "Yes.", **changes}}
    members = {f"{side}.{one}": data for n, side in enumerate(("main", "other"))
               for one, data in spoken(n + len(name), 8).items()}  # fmt: skip
    members |= {"pairs.json": json.dumps([told]).encode(), "turns.json": b"{}"}
    rates = {f"{side}.units.npy": 25.0 for side in ("main", "other")}
    return Made(f"{name}-b", "train", header(f"{name}-b", "train", 100, rates_hz=rates), members)
