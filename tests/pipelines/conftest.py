"""Small corpora that several tests read, each built once by the product's own `build` in this process."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from shifted_media import FPS, LATE_START_S, LEADS, Shifted, write_copies
from small_build import run_build

from extractors.extractor import EXTRACTORS
from pipelines.config import load_config, preset_names
from pipelines.steps.members import member_names


@pytest.fixture(scope="session")
def all_weights(models: Path, brought_weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store's weights, and random ones in place of those that nobody may pass on."""
    folder = tmp_path_factory.mktemp("weights")
    for path in [*models.iterdir(), *brought_weights.iterdir()]:
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(
    scope="session",
    params=["unbounded", "lookahead2", pytest.param("everything", marks=pytest.mark.slow)],
)
def shifted(
    request: pytest.FixtureRequest, shifted_media: Path, all_weights: Path, shifted_store: Path
) -> Iterator[Shifted]:
    """Every member that a preset writes, of a GRID clip and its shifted copies.

    `lookahead2` leaves out extractors, which `unbounded` runs as far as a preset names them; `everything` has
    all of them, and all codecs, untrained.
    """
    presets = [load_config(preset=name) for name in preset_names()]
    members = {member for preset in presets for member in preset.cut.members}
    overrides = ["cut.zero_translation=false", "select.min_face_coverage=0.5"]
    if request.param == "lookahead2":
        members -= set(EXTRACTORS)
        overrides.append("cut.lookahead_frames=2")
    if request.param == "everything":
        members |= set(member_names())
        codecs = {codec for preset in presets for codec in preset.tokenize.codecs}
        overrides += [f"tokenize.codecs=[{', '.join(sorted(codecs))}]", "tokenize.allow_untrained=true"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUOLOGUE_MODELS", str(all_weights))
        overrides.append(f"cut.members=[{', '.join(sorted(members))}]")
        config = load_config(preset="talking-face", overrides=overrides)
        keys = run_build(shifted_media, shifted_store, config)
    shift_s = {name: Fraction(frames, FPS) for name, frames in LEADS.items()} | {"late": LATE_START_S}
    yield Shifted(str(shifted_store), config, keys, shift_s)


@pytest.fixture(scope="session")
def shifted_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all: what does not change is measured once."""
    return tmp_path_factory.mktemp("shifted-corpus")


@pytest.fixture(scope="session")
def shifted_media(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shifted-media")
    write_copies(media / "video" / "grid_bbaf2n.mpg", folder)
    return folder
