from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from extractors.weights import WeightsError
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import ConfigError, load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.look import read_sample
from pipelines.reporter import QuietReporter

SOUND_ONLY = ("watch.embedder=none", "who.model=none", "who.offset=none", "cut.members=[native]")


def run(clips: Path, out: Path, *overrides: str) -> Built:
    config = load_config(preset="any-modality", overrides=[*SOUND_ONLY, *overrides])
    corpus = Corpus(
        Store(out), str(clips), list_folder(clips), build_steps(config), unit_s=config.engine.unit_s
    )
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


@pytest.fixture(scope="module")
def clips(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    for name in ("audio/lyra_sample1_16k.wav", "broken/no_audio.mp4"):
        (folder / Path(name).name).symlink_to(media / name)
    read, rate_hz = soundfile.read(media / "audio" / "libri_198-209-0000.ogg", frames=3 * 16_000)
    soundfile.write(folder / "read.wav", read, rate_hz)
    return folder


@pytest.fixture(scope="module")
def heard(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of the clips that need no eyes."""
    folder = tmp_path_factory.mktemp("heard")
    for path in clips.iterdir():
        if path.suffix != ".mp4":
            (folder / path.name).symlink_to(path.resolve())
    return folder


@pytest.fixture(scope="module")
def built(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    codecs = "tokenize.codecs=[lyra, dac16x25, mimi]"
    return run(clips, tmp_path_factory.mktemp("out"), codecs, "tokenize.allow_untrained=true")


def samples(built: Built) -> dict[str, tuple[dict[str, Any], dict[str, bytes]]]:
    found = {}
    for row in built.account.rows:
        if row["kind"] == "clip" and row["status"] == "ok":
            _, members = read_sample(built.corpus.store, row["key"])
            found[row["key"]] = (json.loads(members["json"]), members)
    return found


def array(members: dict[str, bytes], name: str) -> np.ndarray:
    return np.asarray(np.load(io.BytesIO(members[name]), allow_pickle=False))


def test_every_sample_has_its_tokens_or_the_reason(built: Built) -> None:
    assert not built.account.problems
    n_heard = 0
    for header, members in samples(built).values():
        if "no_audio" in header["source"]["path"]:
            assert header["missing"]["lyra"] == header["missing"]["mimi"] == "no_audio"
            assert header["tokens"] == {}
            continue
        n_heard += 1
        n = round(header["duration_s"] * 12.5)
        shapes = {"lyra": (46, 4 * n), "dac16x25-untrained": (16, 2 * n), "mimi-untrained": (8, n)}
        assert {name.removesuffix(".npy") for name in header["tokens"]} == set(shapes)
        for name, shape in shapes.items():
            codes, about = array(members, f"{name}.npy"), header["tokens"][f"{name}.npy"]
            assert codes.dtype == np.int16 and codes.shape == shape
            assert codes.min() >= 0 and codes.max() < about["codebook_size"]
            assert about["rate_hz"] * header["duration_s"] == shape[1]
            assert about["trained"] is not name.endswith("untrained")
            assert header["rates_hz"][f"{name}.npy"] == about["rate_hz"]
            assert len(np.unique(codes[0])) > 3, "a constant stream says nothing"
    assert n_heard >= 2


def test_lyra_tokens_sound_like_the_clip(built: Built, models: Path) -> None:
    """Decoded by the codec, against what the shard holds: the loudness of both rises and falls together."""
    from extractors.lyra import Lyra

    header, members = next(one for one in samples(built).values() if one[0]["tokens"])
    spoken, rate_hz = soundfile.read(io.BytesIO(members["native.flac"]), dtype="float32", always_2d=True)
    spoken = soxr.resample(spoken.mean(axis=1), rate_hz, 16_000)
    decoded = Lyra().decode(array(members, "lyra.npy"))
    n_frames = round(header["duration_s"] * 25)
    loudness = [
        np.log10(np.square(one[: 640 * n_frames]).reshape(n_frames, 640).mean(axis=1) + 1e-7)
        for one in (spoken, decoded)
    ]
    shifted = [np.corrcoef(loudness[0][3:-3], np.roll(loudness[1], lag)[3:-3])[0, 1] for lag in (-2, 0, 2)]
    assert shifted[1] > 0.9 and shifted[1] == max(shifted), shifted


def test_neither_the_bundle_nor_other_members_change_a_token(heard: Path, tmp_path: Path) -> None:
    whole = run(heard, tmp_path / "one", "tokenize.codecs=[lyra]")
    alone = run(heard, tmp_path / "two", "tokenize.codecs=[lyra]", "engine.unit_s=0")

    def digests(built: Built) -> dict[str, list[str]]:
        return {row["item"]: [a["sha256"] for a in row["artifacts"]] for row in built.corpus.rows("tokenize")}

    assert digests(whole) == digests(alone)
    more = run(heard, tmp_path / "one", "tokenize.codecs=[lyra]", "cut.members=[native, flac]")
    assert not more.account.problems
    assert more.corpus.folder("tokenize") == whole.corpus.folder("tokenize")
    assert digests(more) == digests(whole)


def test_no_weights_no_work(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="mimi"):
        run(clips, tmp_path / "out", "tokenize.codecs=[mimi]")
    assert not list((tmp_path / "out").glob("steps/*"))


def test_what_cannot_be_is_said_at_once() -> None:
    for override, told in {
        "tokenize.codecs=[opus]": "mimi, dac16",
        "tokenize.batch_s=[1, 2]": "descend",
        "cut.members=[lips]": "native",
    }.items():
        with pytest.raises(ConfigError, match=told):
            load_config(preset="av-dialog", overrides=[override])
