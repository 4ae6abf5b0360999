from __future__ import annotations

from pathlib import Path

import pytest
import trees

from manifests.sources.dyads import list_dyads


@pytest.mark.parametrize(
    ("first", "second", "dialogue"),
    [
        ("talk_a.mp4", "talk_b.mp4", "talk"),
        ("d/talk-1.wav", "d/talk-2.wav", "d/talk"),
        ("talk7/left.wav", "talk7/right.wav", "talk7"),
        ("x.ch0.wav", "x.ch1.wav", "x"),
        ("x.ch1.wav", "x.ch2.wav", "x"),
    ],
)
def test_two_halves_are_one_dialogue(tmp_path: Path, first: str, second: str, dialogue: str) -> None:
    found = list_dyads(trees.lay(tmp_path, {first: "", second: ""}))
    assert trees.labels_of(found) == {
        first: {"dialogue": dialogue, "role": "main"},
        second: {"dialogue": dialogue, "role": "other"},
    }
    assert not found.complaints
    assert trees.labels_of(list_dyads(tmp_path, main="b"))[second]["role"] == "main"


def test_what_is_no_pair(tmp_path: Path) -> None:
    files = {
        "alone_a.wav": "",
        "stereo.wav": "",
        "hood.wav": "",
        "sidecar.csv": "path,role\nstereo.wav,both\n",
    }
    found = list_dyads(trees.lay(tmp_path, dict(files)))
    assert trees.labels_of(found) == {
        "alone_a.wav": {"dialogue": "alone"},
        "hood.wav": {"dialogue": "hood"},
        "stereo.wav": {"dialogue": "stereo", "role": "both"},
    }
    assert trees.told(found) == [("corpus_part_missing", "alone_a.wav")]
