"""A finished corpus of four real clips, three people, two splits; built once, and copies are damaged."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from small_build import run_build

from pipelines.config import load_config

sys.path.insert(0, str(Path(__file__).parent))  # so that tests find `plant` and `planted` beside them

CLIPS = {
    "grid_bbaf2n": ("anna", "train"),
    "grid_lbax4n": ("bert", "train"),
    "grid_pwij3p": ("carl", "valid"),
    "grid_id2_vcd_swwp2s": ("carl", "valid"),
}
"""Clip -> speaker and split; the last two show one man."""
CHEAP = (
    "listen.dnsmos=false",
    "listen.events=false",
    "who.model=none",
    "tokenize.codecs=[lyra]",
    "cut.members=[lips, face, flac, native, arkit52, face61, groups, trust, fbank104]",
)
"""What the audit does not need to see is not measured: the build is half as long."""


def build_clips(media: Path, folder: Path) -> Path:
    """The corpus in `folder`/corpus, of links to the clips in `folder`/clips."""
    texts = json.loads((media / "video" / "grid_transcripts.json").read_text())
    clips = folder / "clips"
    clips.mkdir(parents=True)
    with (clips / "sidecar.csv").open("w", newline="") as handle:
        table = csv.writer(handle)
        table.writerow(["path", "speaker", "split", "text", "language", "licence", "consent"])
        for name, (speaker, split) in CLIPS.items():
            (clips / f"{name}.mpg").symlink_to(media / "video" / f"{name}.mpg")
            text = next(text for clip, text in texts.items() if clip.startswith(name))
            table.writerow([f"{name}.mpg", speaker, split, text, "en", "CC-BY-4.0", "GRID participants"])
    run_build(clips, folder / "corpus", load_config(preset="talking-face", overrides=CHEAP))
    return folder / "corpus"


@pytest.fixture(scope="session")
def real_corpus(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Never written to; see `damaged`."""
    return build_clips(media, tmp_path_factory.mktemp("audited"))


@pytest.fixture
def damaged(real_corpus: Path, tmp_path: Path) -> Callable[[], Path]:
    """A function that gives a fresh copy of the corpus."""

    def copy() -> Path:
        return Path(shutil.copytree(real_corpus, tmp_path / f"corpus{len(list(tmp_path.iterdir()))}"))

    return copy
