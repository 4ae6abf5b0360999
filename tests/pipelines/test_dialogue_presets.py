"""Presets of the commands after `build`: what they write of dialogues, and what they say is missing.

Members, types, shapes and rates are written out by hand, as in `test_presets.py`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brought_models import write_models
from decoding import decoded
from set_samples import samples
from typer.testing import CliRunner

from manifests.sources.folder import list_folder
from pipelines.cli import app
from pipelines.config import preset_names
from pipelines.dialogues.dialogues import PRESETS as SYNTH
from pipelines.dialogues.dialogues import load_synth, make_dialogues, open_synth
from pipelines.dialogues.real.real import PRESETS as REAL
from pipelines.dialogues.real.real import load_real, make_real, open_real
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter
from pipelines.testsets.testset import GRIDS, load_grid

LLM = ["rewrite.server.base_url=http://localhost:9/v1", "rewrite.model=any"]
SCRIPT: dict[str, Any] = {
    "id": "tea",
    "speakers": {"A": {}, "B": {}},
    "turns": [
        {"speaker": "A", "text": "Would you like a cup of tea?"},
        {"speaker": "B", "text": "Yes please, with milk and a little sugar."},
        {"speaker": "A", "text": "Here it is."},
    ],
}
Shape = tuple[str, tuple[int, ...], float]  # dtype, shape, Hz

EACH: dict[
    str, dict[str, Shape]
] = {  # of main and of other; a shape's -k stands for k elements a frame of 80 ms
    "av-dialog": {
        "dac16x25-untrained.npy": ("int16", (16, -2), 25.0),
        "turn_tokens.npy": ("uint8", (-2,), 25.0),
        "text.npy": ("int32", (-2,), 25.0),
        "flac": ("int16", (-1280, 1), 16_000.0),
    },
    "face-turns": {
        "mimi-untrained.npy": ("int16", (8, -1), 12.5),
        "speaking.npy": ("bool", (-2,), 25.0),
        "flac": ("int16", (-1280, 1), 16_000.0),
    },
    "tavid": {"text.npy": ("int32", (-2,), 25.0), "flac": ("int16", (-1280, 1), 16_000.0)},
}
BOTH: dict[str, dict[str, Shape]] = {
    "av-dialog": {},
    "face-turns": {
        "yield.npy": ("bool", (-1,), 12.5),
        "yield_valid.npy": ("bool", (-1,), 12.5),
        "yield_holder.npy": ("int8", (-1,), 12.5),
    },
    "tavid": {},
}
SEEN: dict[str, dict[str, Shape]] = {  # of recordings only
    "av-dialog": {"lips.mp4": ("uint8", (-2, 96, 96), 25.0)},
    "face-turns": {
        "face61.npy": ("float32", (-1, 61), 12.5),
        "face61_valid.npy": ("bool", (-1,), 12.5),
        "group_valid.npy": ("bool", (-2, 7), 25.0),
    },
    "tavid": {
        "face.mp4": ("uint8", (-2, 512, 512), 25.0),
        "exclusion.npy": ("bool", (-2,), 25.0),
        "embedding512.npy": ("float32", (-2, 512), 25.0),
    },
}
BROUGHT = {
    "av-dialog": ("text-tokenizer", "labels.tokenizer", "dac_16khz", "huggingface.co/descript/dac_16khz"),
    "face-turns": ("mimi", "huggingface.co/kyutai/mimi"),
    "tavid": ("bert-base-uncased", "wav2vec2-xls-r-1b", "units.centres", "fit-units"),
}


@pytest.fixture(scope="module")
def everything(all_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that users bring but the codecs, in form only."""
    folder = tmp_path_factory.mktemp("brought-by-users")
    for path in all_weights.iterdir():
        (folder / path.name).symlink_to(path)
    write_models(folder)
    return folder


@pytest.fixture
def brought(preset: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """`DUOLOGUE_MODELS`: as much as the preset needs."""
    name = "models" if preset == "face-turns" else "everything"
    monkeypatch.setenv("DUOLOGUE_MODELS", str(request.getfixturevalue(name)))


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("scripts") / "scripts.jsonl"
    path.write_text(json.dumps(SCRIPT) + "\n")
    return path


def check(folder: Path, preset: str, *, seen: bool) -> dict[str, dict[str, bytes]]:
    """Every promised member of both views; returns the samples."""
    found = samples(folder)
    assert len(found) == 2, "each dyad twice"
    each = EACH[preset] | (SEEN[preset] if seen else {})
    promised = BOTH[preset] | {
        f"{side}.{name}": shape for side in ("main", "other") for name, shape in each.items()
    }
    for key, members in found.items():
        header = json.loads(members["json"])
        n = round(header["duration_s"] * 12.5)
        for name, (dtype, shape, rate_hz) in promised.items():
            if seen and name.endswith("text.npy"):
                continue  # the recording's words were not given
            array = decoded(name, members[name])
            exact = tuple(-one * n if one < 0 else one for one in shape)
            assert (array.dtype, array.shape) == (dtype, exact), (key, name)
            assert header["rates_hz"][name] == rate_hz, (key, name)
    return found


@pytest.mark.parametrize(
    "preset",
    ["face-turns", *(pytest.param(one, marks=pytest.mark.slow) for one in ("av-dialog", "tavid"))],
)
def test_dialogues_that_are_made_have_every_field(
    preset: str, scripts: Path, brought: None, tmp_path: Path
) -> None:
    pytest.importorskip("hibari", reason="hibari-tts is not installed")
    options = ["speak.one_voice=true", "tokenize.allow_untrained=true"]
    corpus = open_synth(
        scripts, str(tmp_path / "out"), load_synth(preset=preset, path=None, overrides=options)
    )
    books = make_dialogues(corpus, engine=LocalEngine(), reporter=QuietReporter()).account
    assert not books.problems and books.sources == {"ok": 1}
    found = check(tmp_path / "out", preset, seen=False)
    first, second = found["tea-a"], found["tea-b"]
    for name in EACH[preset]:  # the two views are each other's mirror
        assert first[f"main.{name}"] == second[f"other.{name}"]
    if preset == "av-dialog":  # A has two turns in the script, B one
        starts = {
            side: (decoded("x.npy", first[f"{side}.turn_tokens.npy"]) == 1).sum()
            for side in ("main", "other")
        }
        assert starts == {"main": 2, "other": 1}
        text = decoded("x.npy", first["main.text.npy"])
        told = json.loads(first["json"])["labels"]["main.text.npy"]
        placed = (text != told["pad_id"]) & (text != told["epad_id"])
        assert placed.sum() >= sum(len(turn["text"].split()) for turn in SCRIPT["turns"][::2])
    if preset == "tavid":
        for side in ("main", "other"):
            units = decoded("x.npy", first[f"{side}.units.npy"])
            seconds = json.loads(first["json"])["duration_s"]
            assert units.dtype == np.int32 and len(units) == pytest.approx(50 * seconds, abs=1.01)
            assert units.min() >= 0 and units.max() < 10_000
    if preset == "face-turns":
        valid, holder = (decoded("x.npy", first[f"yield_{name}.npy"]) for name in ("valid", "holder"))
        assert valid.any() and not valid[holder == -1].any(), "nobody can yield what nobody holds"


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["av-dialog", "face-turns", "tavid"])
def test_dialogues_that_were_recorded_have_every_field(
    preset: str, media: Path, brought: None, tmp_path: Path
) -> None:
    folder = tmp_path / "dyads"
    folder.mkdir()
    (folder / "dialogue.mp4").symlink_to(media / "video" / "dialogue_grid_2spk.mp4")
    options = ["tokenize.allow_untrained=true", "listen.dnsmos=false", "listen.events=false"]
    config = load_real(preset=preset, overrides=options)
    corpus = open_real(list_folder(folder), str(folder), str(tmp_path / "out"), config)
    books = make_real(corpus, config, engine=LocalEngine(), reporter=QuietReporter()).account
    assert not books.problems
    found = check(tmp_path / "out", preset, seen=True)
    if preset == "face-turns":
        for members in found.values():
            coefficients = decoded("x.npy", members["other.face61.npy"])
            assert not coefficients[:, 58:].any() and coefficients[:, :52].std() > 0


@pytest.fixture
def nothing_brought(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(models))
    monkeypatch.setenv("DUOLOGUE_HUB_REVISION", "no-such-revision")  # whatever this machine has cached


@pytest.mark.parametrize("preset", BROUGHT)
def test_what_must_be_brought_is_told_before_any_work(
    preset: str, scripts: Path, media: Path, nothing_brought: None, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["dialogue", "synth", str(scripts), "--out", str(out), "--preset", preset, "--engine", "local"]
    )
    assert done.exit_code == 2, done.output
    assert all(part in done.output for part in BROUGHT[preset]), done.output
    dyads = tmp_path / "dyads"
    dyads.mkdir()
    (dyads / "dialogue.mp4").symlink_to(media / "video" / "dialogue_grid_2spk.mp4")
    command = ["dialogue", "real", str(dyads), "--out", str(tmp_path / "real"), "--reader", "folder"]
    done = CliRunner().invoke(app, [*command, "--preset", preset, "--engine", "local"])
    assert done.exit_code == 2, done.output
    assert all(part in done.output for part in BROUGHT[preset]), done.output
    assert not list(tmp_path.rglob("*.parquet")), "work was done"


def test_without_an_llm_nothing_begins(scripts: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["dialogue", "synth", str(scripts), "--out", str(tmp_path / "out"), "--preset", "avlm-dialogue"]
    )
    assert done.exit_code == 2 and "rewrite.server" in done.output and "rewrite.model" in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("preset", ["cav2vec", "dualhyp", "mohave"])
def test_without_noise_nothing_begins(preset: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["testset", str(tmp_path), "--out", str(tmp_path / "x"), "--preset", preset]
    )
    assert done.exit_code == 2 and "folders.noise" in done.output


def test_presets_carry_their_own_names() -> None:
    for name in preset_names(SYNTH):
        overrides = LLM if name == "avlm-dialogue" else []
        assert load_synth(preset=name, path=None, overrides=overrides).name == name
    for name in preset_names(REAL):
        assert load_real(preset=name).name == name
    folders = ["folders.noise=/noise", "folders.music=/music"]
    for name in preset_names(GRIDS):
        grid = load_grid(preset=name, path=None, overrides=folders)
        assert grid.name == name.replace("-", "_") and grid.description


def test_the_sets_have_the_conditions_of_the_papers() -> None:
    """SNRs of each family, by hand from the papers."""
    folders = ["folders.noise=/noise", "folders.music=/music"]
    wanted = {
        "av-dialog": {"speech": [-8, -4, 0, 4, 8]},
        "mohave": {kind: [-10, -5, 0, 5, 10] for kind in ("babble", "speech", "music", "noise")},
        "cav2vec": {"noise": [-10, -5, 0, 5, 10]},
        "dualhyp": {"babble": [-10, -5, 0, 5, 10], "noise": [-10, -5, 0, 5, 10]},
        "avlm": {"white": [10, 5, 2, 0]},
    }
    for name, families in wanted.items():
        grid = load_grid(preset=name, path=None, overrides=folders)
        assert {one.title: list(one.snr_db) for one in grid.audio} == families
    masks = load_grid(preset="avlm", path=None, overrides=[]).masks
    assert [list(one.share) for one in masks] == [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]]
    (pauses,) = load_grid(preset="av-dialog", path=None, overrides=[]).pauses
    assert 0.5 <= pauses.min_s < pauses.max_s <= 2.0
    assert set(load_grid(preset="cav2vec", path=None, overrides=folders).mix.members) >= {"flac", "fbank104"}
