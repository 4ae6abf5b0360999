from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.config import ConfigError, dump_config, load_config, preset_names
from pipelines.sections import BuildConfig


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_carry_their_own_name(name: str) -> None:
    config = load_config(preset=name)
    assert config.name == name and config.description


def test_file_and_overrides_lie_over_the_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("select: {min_face_px: 80, max_chunk_s: 10}\n")
    config = load_config(preset="talking-face", path=path, overrides=["select.max_chunk_s=12"])
    assert (config.select.min_face_px, config.select.max_chunk_s) == (80, 12)
    assert config.select.need_audio is True


def test_a_dump_is_a_config(tmp_path: Path) -> None:
    config = load_config(preset="any-modality")
    path = tmp_path / "dump.yaml"
    path.write_text(dump_config(config))
    assert load_config(path=path) == config


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("select.max_yaw=3", ["select.max_yaw", "unknown key", "max_mean_abs_yaw_deg"]),
        ("selekt.min_face_px=3", ["selekt", "unknown key", "'select'"]),
        ("select.min_face_px=-3", ["select.min_face_px", "-3", "greater than or equal to 0", "pixels"]),
        ("select.max_mean_abs_yaw_deg=30deg", ["max_mean_abs_yaw_deg", "30deg", "valid number", "degrees"]),
        ("cut.face_px=225", ["cut.face_px", "225", "multiple of 2"]),
        ("cut.members=[lips, tongue]", ["cut.members", "tongue", "arkit52"]),
        ("pack.split_shares={train: -1}", ["pack.split_shares.train", "-1", "greater than 0"]),
        ("watch.backend=dlib", ["watch.backend", "dlib", "'direct' or 'mediapipe'"]),
        ("nonsense", ["expected section.key=value"]),
    ],
)
def test_errors_name_the_key_the_value_and_what_is_allowed(override: str, parts: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(preset="talking-face", overrides=[override])
    for part in parts:
        assert part in str(caught.value)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("select: {min_face_px: -1, max_chunk_s: 0}\nwatch: {detect_every: 0}\n")
    with pytest.raises(ConfigError) as caught:
        load_config(path=path)
    assert all(key in str(caught.value) for key in ("bad.yaml", "min_face_px", "max_chunk_s", "detect_every"))


@pytest.mark.parametrize("text", ["- a\n- b\n", "a: [\n", "just text"])
def test_a_file_that_is_no_config_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.yaml"):
        load_config(path=path)


def test_unknown_preset_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"any-modality, av-dialog, av-dialog-stage1, avlm, .*, tavid"):
        load_config(preset="avhubert")


def test_thresholds_stand_in_select_alone() -> None:
    """So that moving one cannot re-key an expensive step."""
    schema = json.loads(json.dumps(BuildConfig.model_json_schema()))["$defs"]
    for section in ("WatchConfig", "ListenConfig", "CutConfig", "IngestConfig"):
        names = schema[section].get("properties", {})
        assert not [name for name in names if name.startswith(("min_", "max_")) and name != "max_faces"]
