"""A made corpus with faces, dialogues and hostile texts, and its audit: what the report is tested on."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from made_corpus import Made, flac, header, mp4, npy, talk, write_corpus

from extractors.coefficients import ARKIT52_NAMES, FACE61_NAMES
from synth.turns.annotate import annotate
from synth.turns.model import Word
from synth.turns.record import write_turns

HOSTILE = (
    '<script>document.title="owned"</script>',
    "</script><img src=x onerror=\"document.title='owned'\">",
    "\"'><svg onload=document.title='owned'> `tick`",
    "\u202eשלום עולם, זה מבחן\u202c 👩‍👩‍👧‍👦🗣️",
    "Donaudampfschifffahrtsgesellschaft" * 12,
)
"""Texts, labels and names as an untrusted corpus may have them."""

RATES_HZ = {
    "flac": 16_000.0,
    "face.mp4": 25.0,
    "lips.mp4": 25.0,
    "face61.npy": 12.5,
    "arkit52.npy": 25.0,
    "units.npy": 25.0,
}


def make_corpus(folder: Path, *, n_talks: int = 8) -> Path:
    """Clips of one person, one of them silent and one whose lips are no video; one dialogue in both views."""
    talks = [
        talk(n, "train" if n % 3 else "valid", face_px=96, text=HOSTILE[n % 5], speaker=HOSTILE[(n + 1) % 5])
        for n in range(n_talks)
    ]
    silent = {"flac": flac(np.zeros(27 * 1280, np.int16), 16_000)}
    talks[1] = replace(talks[1], members=talks[1].members | silent)
    talks[2] = replace(
        talks[2], members=talks[2].members | {"lips.mp4": b"no video", "face61.npy": b"\x93NUMPY"}
    )
    made = [_told(one) for one in (*talks, dialogue(100, 0), dialogue(100, 1))]
    corpus = write_corpus(folder / "corpus", made, per_shard=4)
    (corpus / "duologue.yaml").write_text(json.dumps({"command": "made", "config": {"name": HOSTILE[0]}}))
    return corpus


def _told(one: Made) -> Made:
    """What `docs/format.md` wants of KEY.json."""
    bare = {name: name.removeprefix("main.").removeprefix("other.") for name in one.members}
    rates = {name: RATES_HZ[kind] for name, kind in bare.items() if kind in RATES_HZ}
    more = {"members": sorted(one.members), "missing": {}, "measures": {}, "tokens": {}, "rates_hz": rates}
    return replace(one, header=one.header | more)


def dialogue(number: int, main: int) -> Made:
    """8 s of two people with faces: a gap of 0.3 s, a nod, an overlap of 0.5 s."""
    key = f"{number:016x}-{'ab'[main]}"
    duration = Fraction(8)
    activity = {
        "anna": [(Fraction(1, 2), Fraction(3)), (Fraction(11, 2), Fraction(15, 2))],
        "ben": [(Fraction(33, 10), Fraction(6))],
    }
    said = [HOSTILE[0], "well", "🗣️", "yes"]
    words = {
        name: [Word(said[(n + at) % 4], span[0], span[0] + Fraction(1, 2)) for n, span in enumerate(spans)]
        for at, (name, spans) in enumerate(activity.items())
    }
    found = annotate(activity, duration, words=words)
    rng = np.random.default_rng(number)
    members: dict[str, bytes] = {"turns.json": write_turns(found, main=main, origin="labels")}
    channels: dict[str, Any] = {}
    for at, side in enumerate(("main", "other")):
        person = at ^ main
        pcm = (3000 * rng.standard_normal(8 * 16_000)).astype(np.int16)
        pcm[: 8_000 * (1 + person)] = 0
        face = np.abs(rng.normal(0.2, 0.1, (100, 61))).astype(np.float32)
        face[:, 52:58] = np.eye(3, dtype=np.float32)[:, :2].T.reshape(6)
        members |= {
            f"{side}.flac": flac(pcm, 16_000),
            f"{side}.face.mp4": mp4(number + person, 200, 64),
            f"{side}.lips.mp4": mp4(number + person, 200, 96),
            f"{side}.face61.npy": npy(face),
            f"{side}.arkit52.npy": npy(np.repeat(face[:, :52], 2, axis=0)),
        }
        channels |= {f"{side}.face61.npy": list(FACE61_NAMES), f"{side}.arkit52.npy": list(ARKIT52_NAMES)}
    about = header(key, "train", 100, language="en", channels=channels, dialogue="chat", text=HOSTILE[3])
    return Made(key, "train", about | {"duration_s": 8.0}, members)


def make_audit(folder: Path) -> tuple[Path, dict[str, Any]]:
    """The corpus below a folder, and what `duologue audit --deep` records of it."""
    from pipelines.audit.audit import run_audit

    corpus = make_corpus(folder)
    return corpus, dict(run_audit(str(corpus), str(folder / "audited"), deep=True).record)
