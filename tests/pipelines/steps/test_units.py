"""Units and hypotheses of clips through a build, with a network of random weights and what a user brings."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from extractors.filterbank import stacked_filterbank
from extractors.kmeans_units import KMeansUnits
from extractors.ssl_features import SslFeatures, _without_broken_companions
from extractors.unit_streams import from_text
from extractors.weights import MissingWeightsError
from extractors.whisper_weights import find_whisper
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.fitting import fit_centres
from pipelines.look import read_sample
from pipelines.reporter import QuietReporter

MEMBERS = "cut.members=[flac, fbank104]"


@pytest.fixture(scope="module")
def clips(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    (folder / "lyra.wav").symlink_to(media / "audio" / "lyra_sample1_16k.wav")
    read, rate_hz = soundfile.read(media / "audio" / "libri_198-209-0000.ogg", frames=4 * 16_000)
    soundfile.write(folder / "read.wav", read, rate_hz)
    (folder / "sidecar.csv").write_text("path,split\nlyra.wav,train\nread.wav,train\n")
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HuBERT's layers as published, narrower and two deep, of seeded random weights."""
    pytest.importorskip("transformers", reason="the extra tokens is not installed")
    import torch

    with _without_broken_companions():
        from transformers import HubertConfig, HubertModel
    torch.manual_seed(5)
    sizes: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"intermediate_size": 128, "conv_dim": (32,) * 7, "num_conv_pos_embedding_groups": 8}
    folder = tmp_path_factory.mktemp("hubert")
    HubertModel(HubertConfig(**sizes)).save_pretrained(folder)
    return folder


def run(clips: Path, out: Path, *overrides: str) -> Built:
    config = load_config(preset="any-modality", overrides=[MEMBERS, "listen.dnsmos=false", *overrides])
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    built = build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())
    assert not built.account.problems
    return built


def samples(built: Built) -> list[tuple[dict[str, Any], dict[str, bytes]]]:
    keys = [row["key"] for row in built.account.rows if row["kind"] == "clip" and row["status"] == "ok"]
    found = [read_sample(built.corpus.store, key)[1] for key in keys]
    return [(json.loads(members["json"]), members) for members in found]


def array(members: dict[str, bytes], name: str) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(members[name]), allow_pickle=False))


@pytest.fixture(scope="module")
def spoken(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return run(clips, tmp_path_factory.mktemp("out"))


def test_the_filterbank_is_that_of_the_sound(spoken: Built) -> None:
    for _, members in samples(spoken):
        pcm, _ = soundfile.read(io.BytesIO(members["flac"]), dtype="float32")
        expected = stacked_filterbank(pcm, n_frames=round(len(pcm) / 640))
        # the member is made before FLAC rounds to 16 bits, as the filterbank itself does
        assert np.abs(array(members, "fbank104.npy") - expected).max() < 1e-6


def test_units_follow_from_centres_fitted_on_the_corpus(
    clips: Path, checkpoint: Path, spoken: Built, tmp_path: Path
) -> None:
    paths = {kind: tmp_path / f"{kind}.npz" for kind in ("semantic", "pitch", "style", "again")}
    url = spoken.corpus.store.url
    for name, n_units in {"semantic": 20, "pitch": 8, "style": 2, "again": 20}.items():
        kind = "semantic" if name == "again" else name
        fit_centres(
            url, str(checkpoint), paths[name], layer=2, n_units=n_units, sample_s=60, kind=kind, seed=0
        )
    assert paths["again"].read_bytes() == paths["semantic"].read_bytes()
    options = [f"units.model={checkpoint}", "units.layer=2", f"units.centres={paths['semantic']}"]
    options += [f"units.pitch_centres={paths['pitch']}", f"units.style_centres={paths['style']}"]
    built = run(clips, Path(url), *options)
    network, centres = SslFeatures(str(checkpoint), layer=2), KMeansUnits.load(str(paths["semantic"]))
    for header, members in samples(built):
        pcm, _ = soundfile.read(io.BytesIO(members["flac"]), dtype="float32")
        units = array(members, "units.npy")
        assert units.tolist() == centres.assign(network([pcm])[0]).tolist()
        assert header["tokens"]["units.npy"]["rate_hz"] == header["rates_hz"]["units.npy"] == 50.0
        line = from_text(members["units.txt"].decode())
        assert [kind for kind, _ in line[:3]] == ["St", "Pi", "Hu"]
        assert all(a[0] == "Hu" or a[0] != b[0] for a, b in pairwise(line))


def test_no_network_no_work(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="no-such-folder"):
        run(clips, tmp_path / "out", "units.model=./no-such-folder", "units.centres=x.npz")
    assert not list((tmp_path / "out").glob("steps/*"))


def test_too_few_frames_are_told(spoken: Built, checkpoint: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pipelines.cli", "fit-units", spoken.corpus.store.url]
    command += ["--model", str(checkpoint), "--layer", "2", "--out", str(tmp_path / "x.npz")]
    done = subprocess.run([*command, "--n-units", "100000"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "cannot give 100000 units" in done.stderr
    assert not (tmp_path / "x.npz").exists()


def test_hypotheses_of_both_readers(clips: Path, tmp_path: Path) -> None:
    try:
        find_whisper("tiny.en")
    except MissingWeightsError as error:
        pytest.skip(str(error))
    built = run(clips, tmp_path / "out", "hypotheses.asr_model=tiny.en", "hypotheses.n=3")
    for _, members in samples(built):
        found = json.loads(members["hyps_asr.json"])
        assert 1 <= len(found) <= 3
        scores = [one["score"] for one in found]
        assert scores == sorted(scores, reverse=True) and max(scores) <= 0
        assert len({one["text"] for one in found}) == len(found)


def test_a_clip_that_a_lip_reader_lacks_is_told(media: Path, models: Path, tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "a.mpg").symlink_to(media / "video" / "grid_bbaf2n.mpg")
    vision = ["cut.members=[lips, flac]", "watch.embedder=none", "who.model=none", "who.offset=none"]
    table = tmp_path / "read.json"
    table.write_text("{}")
    built = run(clips, tmp_path / "out", *vision, f"hypotheses.vsr=json:{table}")
    (clip,) = [row for row in built.account.rows if row["kind"] == "clip"]
    assert (clip["status"], clip["reason"], clip["step"]) == ("failed", "no_hypotheses", "hypotheses")
    table.write_text(json.dumps({clip["key"]: [{"text": "bin blue at f two now", "score": -0.5}]}))
    built = run(clips, tmp_path / "out", *vision, f"hypotheses.vsr=json:{table}")
    ((_, members),) = samples(built)
    assert json.loads(members["hyps_vsr.json"]) == [{"text": "bin blue at f two now", "score": -0.5}]
