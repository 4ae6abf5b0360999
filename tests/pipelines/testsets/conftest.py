"""A finished corpus of three GRID clips, and small test sets of it."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from set_samples import MakeSet
from small_build import run_build

from pipelines.config import load_config
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter
from pipelines.testsets.corpus import SetCorpus
from pipelines.testsets.grid import GridConfig
from pipelines.testsets.testset import make_set, open_set

SPEAKERS = {"grid_bbaf2n.mpg": "one", "grid_brbk7n.mpg": "two", "grid_lbax4n.mpg": "three"}
TEXTS = {
    "grid_bbaf2n.mpg": "bin blue at f two now",
    "grid_brbk7n.mpg": "bin red by k seven now",
    "grid_lbax4n.mpg": "lay blue at x four now",
}


@pytest.fixture(scope="session")
def clean_corpus(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built once; each clip of another speaker, all of them in the split `test`."""
    clips, out = tmp_path_factory.mktemp("clips"), tmp_path_factory.mktemp("clean-corpus")
    for name in SPEAKERS:
        (clips / name).symlink_to(media / "video" / name)
    with (clips / "sidecar.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", "speaker", "text", "split"])
        rows.writerows([name, speaker, TEXTS[name], "test"] for name, speaker in SPEAKERS.items())
    config = load_config(preset="talking-face", overrides=["listen.events=false"])
    run_build(clips, out, config)
    return out


@pytest.fixture
def make(clean_corpus: Path, tmp_path: Path) -> MakeSet:
    """Make a set of a grid given as plain data; its folder is called `name`."""

    def made(grid: dict[str, Any], name: str = "set") -> SetCorpus:
        corpus = open_set(str(clean_corpus), str(tmp_path / name), GridConfig.model_validate(grid))
        account = make_set(corpus, engine=LocalEngine(), reporter=QuietReporter()).account
        assert not account.problems
        return corpus

    return made
