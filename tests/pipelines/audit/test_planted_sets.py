"""Defects of test sets and dialogues, planted into small made ones, are found under their own ids."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from made_corpus import Made, flac, header, npy, write_corpus
from plant_sets import DIALOGUES, SETS
from planted import told

from pipelines.audit.audit import run_audit
from synth.turns.annotate import annotate
from synth.turns.record import write_turns

RATE_HZ = 16_000
N_FRAMES = 100
"""8 s of 80 ms."""


def dialogue(number: int, split: str) -> Made:
    """Main speaks in 0..3 s, other in 3.5..7 s; each with a channel, a voice and a face that speaks.

    Somebody of its split is said to be mixed in; no plan tells how loud, so that no SNR is judged.
    """
    key = f"{number:016x}-a"
    spans = {"main": [(Fraction(0), Fraction(3))], "other": [(Fraction(7, 2), Fraction(7))]}
    t = np.arange(8 * RATE_HZ) / RATE_HZ
    frames = (np.arange(200) + 0.5) / 25
    draw = np.random.default_rng(number)
    members = {"turns.json": write_turns(annotate(spans, Fraction(8)), origin="plan")}
    for side, ((start, stop),) in spans.items():
        sound = draw.normal(0, 3000, len(t)) * (0.001 + ((t >= float(start)) & (t < float(stop))))
        pcm = flac(sound.astype(np.int16), RATE_HZ)
        speaking = np.where((frames >= float(start)) & (frames < float(stop)), 4.0, -4.0)
        members |= {f"{side}.flac": pcm, f"{side}.native.flac": pcm}
        members[f"{side}.trust.npy"] = npy((speaking + draw.normal(0, 0.5, 200)).astype(np.float32)[:, None])
    about = {
        "origin": "synthetic",
        "speakers": {
            side: {
                "person": f"{side}{number}",
                "voice": f"v-{split}",
                "voice_licence": "MIT",
            }
            for side in spans
        },
        "channels": {f"{side}.trust.npy": ["speaking"] for side in spans},
        "mix": {"kind": "noisy", "sources": [{"name": "k", "speaker": f"i-{split}"}]},
        "measures": {},
        "tokens": {},
        "missing": {},
        "rates_hz": {},
        "members": sorted(members),
    }
    return Made(key, split, header(key, split, N_FRAMES, **about), members)


def corpus_of(folder: Path) -> Path:
    splits = ("train", "train", "train", "test", "test")
    corpus = write_corpus(folder / "corpus", (dialogue(at, split) for at, split in enumerate(splits)))
    (corpus / "duologue.yaml").write_text(json.dumps({"command": "made", "config": {"name": "made"}}))
    return corpus


FOUND_FROM = {"leak_interferer": 1, "leak_voice": 1, "channels_swapped": 2, "faces_swapped": 2}
"""The smallest strength at which docs/audit.md says that each is found."""


def test_what_is_planted_is_found_from_the_strength_on_that_the_docs_tell(tmp_path: Path) -> None:
    defects = [one for one in (*SETS, *DIALOGUES) if one.check in FOUND_FROM]
    assert {one.check for one in defects} == FOUND_FROM.keys()
    assert told(audit(corpus_of(tmp_path / "clean"))).keys() & FOUND_FROM.keys() == set()
    for strength in (1, 2, 3):
        corpus = corpus_of(tmp_path / str(strength))
        for defect in defects:
            defect.plant(corpus, strength)
        found = told(audit(corpus)).keys() & FOUND_FROM.keys()
        assert found == {check for check, least in FOUND_FROM.items() if strength >= least}, strength


def audit(corpus: Path) -> Any:
    return run_audit(str(corpus), str(corpus.parent / "out"), deep=True)
