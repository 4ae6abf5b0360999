"""What a grid may say, and what a user is told of one that says something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.config import ConfigError, preset_names
from pipelines.testsets.conditions import conditions, drawn
from pipelines.testsets.grid import GridConfig
from pipelines.testsets.testset import GRIDS, load_grid

NOISE = {"kind": "white", "snr_db": [-10, 0, 2.5]}


def _load(tmp_path: Path, text: str) -> GridConfig:
    path = tmp_path / "grid.yaml"
    path.write_text(text)
    return load_grid(preset=None, path=path)


def test_a_condition_has_a_name_without_dots() -> None:
    grid = GridConfig.model_validate({"audio": [NOISE], "video": [{"kind": "blur", "severity": [2]}]})
    names = [one.name for one in conditions(grid)]
    assert names == ["clean", "white_m10db", "white_0db", "white_p2_5db", "blur_s2"]


def test_product_crosses_both_modalities() -> None:
    grid = GridConfig.model_validate(
        {"audio": [NOISE], "video": [{"kind": "blur", "severity": [1, 5]}], "combine": "product"}
    )
    names = [one.name for one in conditions(grid)]
    assert len(names) == len(set(names)) == 1 + 3 + 2 + 3 * 2
    assert "white_0db__blur_s5" in names


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("audio: [{kind: white, snr_db: ['0']}]", ["audio.0.snr_db.0", "'0' is not allowed", "number"]),
        ("audio: [{kind: white, snr_db: [true]}]", ["audio.0.snr_db.0", "True is not allowed"]),
        ("audio: [{kind: white, snr_db: [5, 5]}]", ["an SNR is given twice: 5, 5"]),
        ("audio: [{kind: white, snr_db: [5]}, {kind: white, snr_db: [0]}]", ["white is there twice"]),
        ("audio: [{kind: white}]", ["give either `snr_db` or"]),
        ("audio: [{kind: music, snr_db: [0]}]", ["music comes from recordings: give folders.music"]),
        ("audio: [{kind: speech, folder: x, snr_db: [0]}]", ["speech takes no folder"]),
        ("audio: [{kind: wite, snr_db: [0]}]", ["audio.0.kind", "'wite'"]),
        ("audio: [{kind: white, snr: [0]}]", ["audio.0.snr: unknown key", "did you mean 'snr_db'"]),
        ("video: [{kind: blurr}]", ["video.0.kind", "'blurr' is not allowed", "blur"]),
        ("video: [{kind: blur, severity: [6]}]", ["video.0.severity.0", "6 is not allowed"]),
        ("name: x", ["a grid needs conditions"]),
        ("audio: [{kind: white, snr_db: [0]}]\ntokenize: {codecs: [lyra]}", ["add it to mix.members"]),
    ],
)
def test_what_a_grid_must_not_say(tmp_path: Path, text: str, told: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        _load(tmp_path, text)
    for part in told:
        assert part in str(error.value)


def test_a_subset_stays_when_a_clip_joins() -> None:
    grid = GridConfig.model_validate({"audio": [NOISE], "clips": {"per_condition": 4}})
    keys = [f"clip{number}" for number in range(10)]
    before = drawn(keys, grid, "a")
    assert len(before) == 4
    assert before == drawn(keys[::-1], grid, "b")  # the same in every condition, whatever the order
    assert len(set(before) - set(drawn([*keys, "another"], grid, "a"))) <= 1


def test_own_subsets_differ_by_condition() -> None:
    grid = GridConfig.model_validate({"audio": [NOISE], "clips": {"per_condition": 4, "subset": "own"}})
    keys = [f"clip{number}" for number in range(50)]
    assert drawn(keys, grid, "a") != drawn(keys, grid, "b")


@pytest.mark.parametrize("name", preset_names(GRIDS))
def test_presets_load(name: str) -> None:
    folders = ["folders.noise=n", "folders.music=m"]
    grid = load_grid(preset=name, path=None, overrides=folders)
    assert grid.name == name.replace("-", "_")
    assert conditions(grid)
