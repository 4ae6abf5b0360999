from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from extractors.weights import MissingWeightsError
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.look import read_sample
from pipelines.reporter import QuietReporter

SOUNDS = ("dialogue_grid_2spk_stereo.wav", "katiesteve_mono.wav", "lyra_sample1_16k.wav")


def run(clips: Path, out: Path, *overrides: str, preset: str = "any-modality") -> Built:
    config = load_config(preset=preset, overrides=["voices.mode=auto", *overrides])
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


@pytest.fixture(scope="module")
def heard(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    clips = tmp_path_factory.mktemp("clips")
    for name in SOUNDS:
        (clips / name).symlink_to(media / "audio" / name)
    return run(clips, tmp_path_factory.mktemp("out"), "cut.members=[native]")


def tables(built: Built, path: str) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """The row of a source, its stretches of speech and its voices."""
    sources = {row["path"]: row["source_id"] for row in built.corpus.rows("ingest")}
    (row,) = [row for row in built.corpus.rows("voices") if row["source_id"] == sources[path]]
    found = []
    for artifact in row["artifacts"]:
        with built.corpus.store.open(artifact["name"]) as handle:
            found.append(pq.read_table(handle).to_pylist())
    return row, found[0], found[1]


def test_a_person_a_channel_is_told_by_the_channels(heard: Built, media: Path) -> None:
    row, activity, voices = tables(heard, SOUNDS[0])
    assert (row["voices_from"], [one["voice"] for one in voices]) == ("channels", [0, 1])
    truth = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text())
    for turn in truth["turns"]:
        channel = "AB".index(turn["speaker"])
        middle_s = (turn["start"] + turn["end"]) / 2
        mine = [one for one in activity if one["start_s"] <= middle_s < one["stop_s"]]
        assert channel in [one["voice"] for one in mine], turn


def test_voices_of_one_microphone_are_told_by_their_sound(heard: Built) -> None:
    row, _, voices = tables(heard, SOUNDS[1])
    assert (row["voices_from"], len(voices)) == ("mono", 2)
    assert len(tables(heard, SOUNDS[2])[2]) == 1, "one reader"


def test_every_sample_carries_its_voice(heard: Built) -> None:
    assert not heard.account.problems
    for row in heard.account.rows:
        if row["kind"] == "clip" and row["status"] == "ok":
            header = json.loads(read_sample(heard.corpus.store, row["key"])[1]["json"])
            assert len(header["speaker_embedding"]) == 256
            assert 0 <= header["measures"]["other_voice_share"] < 1
    again = run(Path(heard.corpus.source_root), Path(heard.corpus.store.url), "cut.members=[native]",
                "select.max_other_voice_share=0")  # fmt: skip
    katie = [row for row in again.account.rows if row["path"] == SOUNDS[1] and row["kind"] == "clip"]
    assert "other_voice" in {row["reason"] for row in katie}


def test_faces_and_voices_are_paired(media: Path, models: Path, tmp_path: Path) -> None:
    """A is the face on the left of `dialogue_grid_2spk`, and the json says when A speaks."""
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "dialogue.mp4").symlink_to(media / "video" / "dialogue_grid_2spk.mp4")
    built = run(clips, tmp_path / "out", "cut.members=[native]", preset="talking-face")
    _, activity, voices = tables(built, "dialogue.mp4")
    assert len(voices) == 2
    with built.corpus.store.open(built.corpus.rows("watch")[0]["artifacts"][2]["name"]) as handle:
        tracks = pq.read_table(handle, columns=["track", "identity"]).to_pylist()
    with built.corpus.store.open(built.corpus.rows("watch")[0]["artifacts"][1]["name"]) as handle:
        faces = pq.read_table(handle, columns=["track", "box"]).to_pylist()
    left = {face["track"] for face in faces if face["box"][2] < 360}
    truth = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text())
    identity_of = {one["track"]: one["identity"] for one in tracks}
    paired = {one["voice"]: one["identity"] for one in voices}
    for turn in truth["turns"]:
        middle_s = (turn["start"] + turn["end"]) / 2
        if any(one is not turn and one["start"] < middle_s < one["end"] for one in truth["turns"]):
            continue  # of two people at once, the stronger voice is told
        (voice,) = {one["voice"] for one in activity if one["start_s"] <= middle_s < one["stop_s"]}
        on_the_left = paired[voice] in {identity_of[track] for track in left}
        assert on_the_left == (turn["speaker"] == "A"), turn


def test_another_embedder_is_a_folder(media: Path, models: Path, tmp_path: Path) -> None:
    """A small WavLM x-vector model of seeded random weights, as a hub's folder holds one."""
    pytest.importorskip("transformers", reason="the extra tokens is not installed")
    import torch

    from extractors.torchaudio_import import import_transformers

    transformers: Any = import_transformers()
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 64, "conv_dim": (32,) * 7, "num_conv_pos_embeddings": 16}
    sizes |= {"num_conv_pos_embedding_groups": 4, "tdnn_dim": (32, 32, 32, 32, 64), "xvector_output_dim": 48}
    folder = tmp_path / "xvector"
    transformers.WavLMForXVector(transformers.WavLMConfig(**sizes)).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor(sampling_rate=16_000).save_pretrained(folder)
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "a.wav").symlink_to(media / "audio" / SOUNDS[2])
    with pytest.raises(MissingWeightsError, match="no-such-folder"):
        run(clips, tmp_path / "out", "cut.members=[native]", "voices.embedder=./no-such-folder")
    built = run(clips, tmp_path / "out", "cut.members=[native]", f"voices.embedder={folder}")
    assert {len(one["embedding"]) for one in tables(built, "a.wav")[2]} == {48}
