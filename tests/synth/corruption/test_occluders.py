"""Occluders: what a folder holds, what is refused, what is painted where there is none."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from synth.corruption.kinds import Category
from synth.corruption.occluders import Occluder, category_of, find, load_occluders, names_of
from synth.corruption.painted import painted
from synth.corruption.plan import DRAWN, CorruptError, Fault


def test_real_masks_and_hands_are_told_apart(media: Path) -> None:
    found = load_occluders(media / "occluders")
    masks = {name for name, one in found.items() if one.category == "mask"}
    hands = {name for name, one in found.items() if one.category == "hand"}
    assert masks == {"KN95", "N95", "cloth", "surgical_blue"}
    assert len(hands) == 5 and all(name.startswith("hand_") for name in hands)
    assert names_of(found, "mask") == tuple(sorted(masks))
    assert names_of(found, "object") == (DRAWN,)


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("hands/cloth_blue", "hand"),  # the folder decides
        ("masks/left_hand", "mask"),
        ("set1/surgical", "mask"),
        ("set1/shure_mic", "microphone"),
        ("apple", "object"),
        ("stuff/apple", "object"),
    ],
)
def test_categories_by_folder_then_name(name: str, category: str) -> None:
    assert category_of(name) == category


def test_a_picture_is_cut_to_what_can_be_seen_and_halved() -> None:
    rgba = np.zeros((100, 120, 4), np.uint8)
    rgba[10:74, 20:84] = (200, 100, 50, 255)
    rgba[10:74, 20:52, 3] = 128
    one = Occluder.of("a", "object", rgba)
    assert [level.shape[:2] for level in one.levels] == [(64, 64), (32, 32), (16, 16)]
    assert one.levels[0][0, 0].tolist() == [100, 50, 25, 128]  # colours times alpha
    assert one.levels[1][0, -1].tolist() == [200, 100, 50, 255]


def test_clear_errors(tmp_path: Path) -> None:
    def reason(folder: Path) -> tuple[Fault, str]:
        with pytest.raises(CorruptError) as caught:
            load_occluders(folder)
        return caught.value.reason, caught.value.detail

    assert reason(tmp_path / "gone")[0] == Fault.NO_OCCLUDER
    assert reason(tmp_path)[0] == Fault.NO_OCCLUDER
    file = tmp_path / "apple.png"
    cv2.imwrite(str(file), np.zeros((9, 9, 3), np.uint8))
    assert reason(tmp_path) == (
        Fault.OCCLUDER_UNREADABLE,
        f"{file} has no alpha channel: it would be a rectangle",
    )
    cv2.imwrite(str(file), np.zeros((9, 9, 4), np.uint8))
    assert "no pixel of it is opaque" in reason(tmp_path)[1]
    file.write_bytes(b"no picture")
    assert reason(tmp_path)[0] == Fault.OCCLUDER_UNREADABLE


def test_a_name_that_is_not_there_is_an_error_that_names_what_is() -> None:
    given = {"left": painted("hand")}
    with pytest.raises(CorruptError, match="'right'; there are: left"):
        find(given, "right", "hand")
    with pytest.raises(CorruptError, match="left is a hand, planned is a mask"):
        find(given, "left", "mask")


def test_each_category_can_be_painted() -> None:
    for category in get_args(Category):
        one = find({}, DRAWN, category)
        assert one.category == category and one.alpha.mean() > 0.25
