from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from extractors.brought import brought, every
from extractors.weights import MissingWeightsError


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    (folder / "network").mkdir(parents=True)
    (folder / "network" / "config.json").write_text("{}")
    (folder / "centres.npz").write_bytes(b"x")
    monkeypatch.setenv("DUOLOGUE_MODELS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


def test_a_path_comes_before_the_models_folder(models: Path, tmp_path: Path) -> None:
    assert brought("centres.npz", setting="units.centres") == models / "centres.npz"
    (tmp_path / "centres.npz").write_bytes(b"y")
    assert brought("centres.npz", setting="units.centres") == Path("centres.npz")
    assert brought(str(models / "centres.npz"), setting="units.centres") == models / "centres.npz"


def test_a_folder_without_what_it_should_hold_is_passed_over(models: Path, tmp_path: Path) -> None:
    (tmp_path / "network").mkdir()
    assert brought("network", setting="units.model", holds="config.json") == models / "network"


@pytest.mark.parametrize("is_set", [True, False])
def test_what_is_not_there_is_told_with_the_places(
    is_set: bool, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not is_set:
        monkeypatch.delenv("DUOLOGUE_MODELS")
    with pytest.raises(MissingWeightsError) as caught:
        brought("xls-r", setting="units.model", holds="config.json", get_it="hf download it")
    told = str(caught.value)
    for part in ("units.model", "'xls-r'", "xls-r/config.json", "hf download it", "--set units.model=PATH"):
        assert part in told
    assert (str(models / "xls-r") in told) == is_set and ("is not set" in told) != is_set


def test_all_that_is_missing_is_told_once(models: Path) -> None:
    looks = {
        "there": partial(brought, "centres.npz", setting="a"),
        "one": partial(brought, "one.npz", setting="b"),
        "two": partial(brought, "two.npz", setting="c"),
        "again": partial(brought, "two.npz", setting="c"),
    }
    with pytest.raises(MissingWeightsError) as caught:
        every(looks)
    assert str(caught.value).count("is not there") == 2
    assert every({"there": looks["there"]}) == {"there": models / "centres.npz"}
