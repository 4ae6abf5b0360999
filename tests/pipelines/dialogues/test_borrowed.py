"""Borrowed faces: real tracks of the same emotion, called what they are, and never made up."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from made_corpus import Made, header, npy, write_corpus
from scripted_dialogues import SCRIPTS, synthesise

from manifests.corpus_reader import CorpusReader
from pipelines.dialogues.borrowed import Face, choose, emotion_of, there_and_back
from synth.rewriting.scripts import Dialogue


@given(st.integers(1, 60), st.integers(0, 300))
def test_there_and_back_never_jumps(n_have: int, n_want: int) -> None:
    frames = there_and_back(n_have, n_want)
    assert len(frames) == n_want
    assert np.array_equal(frames[:n_have], np.arange(min(n_have, n_want)))
    assert np.all((frames >= 0) & (frames < n_have))
    assert np.all(np.abs(np.diff(frames)) == (1 if n_have > 1 else 0))


def face(key: str, n_frames: int, emotion: str = "Sad", person: str = "p1") -> Face:
    return Face(key, "shard", "train", n_frames, emotion, person, source={}, licence=None, consent=None)


def test_a_clip_of_the_emotion_that_is_long_enough_goes_before_the_longest() -> None:
    short, long, longer = face("a", 20), face("b", 60), face("c", 90)
    happy = face("d", 500, emotion="Happy")
    faces = [short, long, longer, happy]
    drawn = [choose(faces, "Sad", 50, (seed, "x")) for seed in range(30)]
    assert long in drawn and longer in drawn and short not in drawn and happy not in drawn
    assert choose([short, happy], "Sad", 50, (0, "x")) == short
    assert choose([short, long], "Angry", 10, (0, "x")) is None
    assert choose([short, long], None, 10, (0, "x")) is None


def test_a_side_feels_what_most_of_its_turns_do() -> None:
    turns = [("A", "Sad"), ("B", None), ("A", "Frustrated"), ("A", "angry"), ("A", "surprised")]
    plain = [{"speaker": who, "text": "well", "emotion": emotion} for who, emotion in turns]
    dialogue = Dialogue.model_validate({"id": "d", "speakers": {"A": {}, "B": {}}, "turns": plain})
    assert emotion_of(dialogue, 0) == "Angry" and emotion_of(dialogue, 1) is None


def lender(number: int, n_frames: int, *, split: str = "train", **labels: str | None) -> Made:
    """A clip, as far as the borrower can see; the first column numbers its frames."""
    key = f"{number:016x}-t00-0000000"
    track = np.random.default_rng(number).normal(size=(n_frames, 61)).astype(np.float32)
    track[:, 0] = np.arange(n_frames)
    members = {"face61.npy": npy(track), "face61_valid.npy": npy(np.arange(n_frames) != 3)}
    return Made(key, split, header(key, split, n_frames, **labels), members)


def test_each_side_gets_another_persons_face_of_its_emotion(made: Path, tmp_path: Path) -> None:
    """In garden A is Happy, then Neutral, B Sad, then Frustrated; nobody in tea has a label."""
    terms = {"licence": "CC-BY-4.0", "consent": "research"}
    clips = [
        lender(1, 40, emotion="happy", speaker="ann", **terms),
        lender(2, 40, emotion="Sad", speaker="ann", **terms),  # A has her face already
        lender(3, 30, emotion="sad", speaker="bob", licence="CC0-1.0", consent=None),
        lender(4, 900, emotion="Sad", speaker="eve", split="test"),  # of another split
        lender(5, 900, emotion="Sad", speaker=None),  # whose face it is, nobody knows
        lender(6, 900, emotion="surprised", speaker="kim"),
    ]
    corpus = write_corpus(tmp_path / "lending", clips)
    shutil.copytree(made, tmp_path / "out")
    synthesise(tmp_path, SCRIPTS, faces={"corpus": str(corpus)})
    reader = CorpusReader(str(tmp_path / "out"))
    seen = {}
    for shard in reader.shards:
        for sample in reader.samples(shard):
            names = [name for name in sample.row.members if "face61" in name]
            tracks = {name: np.load(io.BytesIO(sample.read(name))) for name in names}
            seen[sample.key] = (sample.header, tracks)
    for key in ("tea-a", "tea-b"):
        told, tracks = seen[key]
        assert not tracks and told["borrowed"] == {}
        none = dict.fromkeys(("main.face61.npy", "other.face61.npy"), "no_borrowed_face")
        assert told["missing"] == none
    told, tracks = seen["garden-a"]
    n_frames = round(told["duration_s"] * 12.5)
    for side, clip, person in (("main", clips[0], "ann"), ("other", clips[2], "bob")):
        about = told["borrowed"][f"{side}.face61.npy"]
        assert (about["key"], about["person"]) == (clip.key, person)
        assert (about["licence"], about["consent"]) == (clip.header["licence"], clip.header["consent"])
        assert about["source"]["path"] == clip.header["source"]["path"] and about["repeated"] is True
        track, valid = tracks[f"{side}.face61.npy"], tracks[f"{side}.face61_valid.npy"]
        assert track.shape == (n_frames, 61) and told["rates_hz"][f"{side}.face61.npy"] == 12.5
        own = np.load(io.BytesIO(clip.members["face61.npy"]))
        frames = track[:, 0].astype(int)
        assert np.array_equal(track, own[frames]) and np.abs(np.diff(frames)).max() == 1
        assert np.array_equal(valid, frames != 3)
        assert len(told["channels"][f"{side}.face61.npy"]) == 61
    assert np.array_equal(seen["garden-b"][1]["other.face61.npy"], tracks["main.face61.npy"])
    assert "borrow" in told["provenance"]["steps"] and told["origin"] == "synthetic"
