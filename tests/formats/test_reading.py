"""The code of docs/reading.md, run as it stands, and webdataset's view of the shards."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from made_corpus import MadeCorpus

pytestmark = pytest.mark.alone  # the page's DataLoader forks, which the threads of other tests do not survive
PAGE = Path(__file__).parents[2] / "docs" / "reading.md"


@pytest.fixture(scope="module")
def page(
    talks: MadeCorpus, dialogues: MadeCorpus, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, object]]:
    """What the page's blocks leave behind, run one after the other beside a corpus and dialogues."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "corpus").symlink_to(talks.path)
    (folder / "dialogues").symlink_to(dialogues.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield _run_blocks()


def _run_blocks() -> dict[str, object]:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 5
    # DataLoader's workers are forked, so they know the functions without importing this page
    left: dict[str, object] = {"__name__": "reading_page"}
    for number, block in enumerate(blocks):
        exec(compile(block, f"docs/reading.md block {number}", "exec"), left)
    return left


def test_every_block_runs_and_decodes_what_is_there(page: dict[str, object], talks: MadeCorpus) -> None:
    seen = {}
    for sample in page["train"]:  # type: ignore[attr-defined]
        made = talks.samples[sample["__key__"]]
        seen[made.key] = made
        assert np.array_equal(np.rint(sample["flac"][0] * 32768), made.pcm["flac"])
        assert sample["lips.mp4"].shape == (round(made.header["duration_s"] * 25), 96, 96)
        assert sample["face.mp4"].shape[1:] == (256, 256, 3)
        assert np.array_equal(sample["face61.npy"], np.load(io.BytesIO(made.members["face61.npy"])))
        assert sample["json"] == made.header
    assert set(seen) == {key for key, made in talks.samples.items() if made.split == "train"}


def test_two_workers_give_every_sample_once(page: dict[str, object], talks: MadeCorpus) -> None:
    keys = [key for batch in page["loader"] for key in batch["keys"]]  # type: ignore[attr-defined]
    assert sorted(keys) == sorted(key for key, made in talks.samples.items() if made.split == "train")


def test_windows_of_dialogues_show_who_is_heard(page: dict[str, object], dialogues: MadeCorpus) -> None:
    """By hand: in the first 20 s main is heard 4.5-9 and 11.5-16 s, other 0.5-2, 2.6-4, 8-11 and 17-19 s."""
    windows = list(page["windows"](page["pairs"]))  # type: ignore[operator]
    assert len(windows) == 2 * 3  # two dialogues of 40 s in train; 20 s every 10 s
    for key, sound, active in windows[:1]:
        truth = np.stack([dialogues.samples[key].pcm[f"{side}.flac"] for side in ("main", "other")])
        assert np.array_equal(np.rint(sound * 32768), truth[:, : 250 * 1280])
        spans = [[(4.5, 9), (11.5, 16)], [(0.5, 2), (2.6, 4), (8, 11), (17, 19)]]
        for row, mine in zip(active, spans, strict=True):
            for k in range(250):
                begin, end = 0.08 * k + 1e-9, 0.08 * (k + 1) - 1e-9
                assert row[k] == any(start < end and begin < stop for start, stop in mine), k
