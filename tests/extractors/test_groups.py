from __future__ import annotations

import numpy as np
import pytest

from extractors.groups import GROUPS, LAYOUTS, group_indices, group_masks, group_of, group_valid

# Counted by hand in the published lists of channels.
SIZES = {
    "arkit52": {"eye_gaze": 14, "head_rotation": 0, "jaw_mouth": 27, "brow": 5, "translation": 0},
    "face61": {"eye_gaze": 14, "head_rotation": 6, "jaw_mouth": 27, "brow": 5, "translation": 3},
    "livelink61": {"eye_gaze": 20, "head_rotation": 3, "jaw_mouth": 28, "brow": 5, "translation": 0},
}


@pytest.mark.parametrize("layout", list(LAYOUTS))
def test_every_channel_is_in_exactly_one_group(layout: str) -> None:
    masks = group_masks(layout)
    assert masks.shape == (len(GROUPS), len(LAYOUTS[layout])) and (masks.sum(axis=0) == 1).all()
    indices = group_indices(layout)
    assert list(indices) == list(GROUPS)
    for row, group in enumerate(GROUPS):
        assert indices[group] == list(np.flatnonzero(masks[row]))
    assert {group: len(indices[group]) for group in SIZES[layout]} == SIZES[layout]
    assert len(indices["cheek_nose"]) == 5
    assert len(indices["neutral"]) == (0 if layout == "livelink61" else 1)


@pytest.mark.parametrize(
    ("channel", "group"),
    [
        ("eyeLookInLeft", "eye_gaze"),
        ("LeftEyeYaw", "eye_gaze"),
        ("HeadPitch", "head_rotation"),
        ("rotation_x1", "head_rotation"),
        ("mouthLeft", "jaw_mouth"),
        ("TongueOut", "jaw_mouth"),
        ("browInnerUp", "brow"),
        ("noseSneerRight", "cheek_nose"),
        ("translation_z_cm", "translation"),
    ],
)
def test_channels_are_where_their_names_say(channel: str, group: str) -> None:
    assert group_of(channel) == group


def test_an_unknown_channel_is_an_error() -> None:
    with pytest.raises(KeyError):
        group_of("earWiggle")


def test_what_is_hidden_takes_only_its_own_group() -> None:
    valid = np.array([True, True, True, False])
    mouth, eyes = np.array([False, True, False, True]), np.array([False, False, True, False])
    trusted = group_valid(valid, occluded_mouth=mouth, closed_eyes=eyes)
    assert trusted.shape == (4, len(GROUPS))
    lost = [[GROUPS[column] for column in np.flatnonzero(~row)] for row in trusted]
    assert lost == [[], ["jaw_mouth"], ["eye_gaze"], list(GROUPS)]
    assert group_valid(valid).all(axis=1).tolist() == valid.tolist()
    with pytest.raises(ValueError, match="flags"):
        group_valid(valid, occluded_mouth=mouth[:3])
