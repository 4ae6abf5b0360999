"""A user's speech-emotion model hears what was spoken; without one there is no score."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import soxr
from emotion_network import loudness_network
from scripted_dialogues import script, synthesise

from manifests.corpus_reader import CorpusReader
from pipelines.dialogues.sections import SynthConfig
from pipelines.step import UnusableError

QUIET_AND_LOUD = script(
    "keys", "I waited on the stairs for the whole evening.", "You should have told me about it before."
)
"""hibari speaks at about -25 dBFS (0.056), flite's rms at -20 (0.1)."""


def spoken(folder: Path) -> list[dict[str, Any]]:
    (receipt,) = folder.glob("out/steps/speak-*/receipts/*.parquet")
    rows = pq.read_table(receipt).to_pylist()
    return [json.loads(row["spoken"]) | {"row": row} for row in sorted(rows, key=lambda row: row["key"])]


def scored(*emotions: str | None) -> dict[str, Any]:
    turns = [turn | {"emotion": one} for turn, one in zip(QUIET_AND_LOUD["turns"], emotions, strict=True)]
    return QUIET_AND_LOUD | {"turns": turns}


@pytest.mark.usefixtures("voices", "models")
def test_what_is_scored_is_what_was_spoken(tmp_path: Path) -> None:
    path, slope, edge = loudness_network(tmp_path, seed=3)
    speak = {"emotion_scorer": str(path), "emotion_labels": ["Angry", "Neutral"]}
    synthesise(tmp_path, [scored("Neutral", "Frustrated")], speak=speak)
    expected = []
    for one in spoken(tmp_path):
        (flac,) = (file["name"] for file in one["row"]["artifacts"] if file["name"].endswith("flac"))
        pcm, rate_hz = soundfile.read(io.BytesIO((tmp_path / "out" / flac).read_bytes()))
        rms = np.sqrt((soxr.resample(pcm, rate_hz, 16_000) ** 2).mean())
        angry = 1 / (1 + math.exp(-slope * (rms - edge)))
        expected.append(angry if one["emotion"] == "Frustrated" else 1 - angry)
        assert one["emotion_heard"] == ("Angry" if angry > 0.5 else "Neutral")
        assert one["emotion_score"] == pytest.approx(expected[-1], abs=1e-3)
    assert min(expected) > 0.8  # quiet is Neutral and loud is Angry
    reader = CorpusReader(str(tmp_path / "out"))
    headers = [sample.header for shard in reader.shards for sample in reader.samples(shard)]
    for header in headers:
        told = [turn["emotion_score"] for turn in header["turns"]]
        assert told == pytest.approx(expected, abs=1e-3)


@pytest.mark.usefixtures("voices", "models")
def test_who_does_not_sound_as_asked_is_asked_again_and_fails(tmp_path: Path) -> None:
    path, *_ = loudness_network(tmp_path, seed=3)
    speak = {"emotion_scorer": str(path), "emotion_labels": ["Angry", "Neutral"], "min_emotion_score": 0.5}
    # Happy is nothing that the model knows: no score, and none is held against it
    synthesise(tmp_path, [scored("Angry", "Happy")], speak=speak)
    quiet, loud = spoken(tmp_path)
    assert (quiet["row"]["reason"], quiet["tries"]) == ("emotion_differs", 3)
    assert quiet["tries_faults"] == [["emotion_differs"]] * 3 and quiet["emotion_heard"] == "Neutral"
    assert "Angry has the score 0." in quiet["row"]["detail"] and "Neutral is heard" in quiet["row"]["detail"]
    assert (loud["row"]["status"], loud["emotion_score"], loud["emotion_heard"]) == ("ok", None, "Angry")
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert {row["reason"] for row in rows if row["kind"] == "source"} == {"emotion_differs"}


@pytest.mark.usefixtures("voices", "models")
def test_a_model_that_is_not_there_stops_the_run(tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match=r"speak\.emotion_scorer: there is no emotion model"):
        synthesise(tmp_path, [scored("Angry", None)], speak={"emotion_scorer": str(tmp_path / "none.onnx")})
    with pytest.raises(ValueError, match="no score is made up"):
        SynthConfig.model_validate({"speak": {"min_emotion_score": 0.5}})


def test_without_a_model_there_is_no_score(made: Path) -> None:
    reader = CorpusReader(str(made))
    turns = [t for shard in reader.shards for one in reader.samples(shard) for t in one.header["turns"]]
    assert any(turn["emotion"] for turn in turns)
    assert {turn["emotion_score"] for turn in turns} == {turn["emotion_heard"] for turn in turns} == {None}
