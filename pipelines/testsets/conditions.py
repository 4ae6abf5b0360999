"""Conditions: the cells of a grid, each with a name of its own and reproducible alone."""

from __future__ import annotations

from dataclasses import dataclass

from manifests.ids import digest
from pipelines.testsets.grid import (
    AudioConfig,
    GridConfig,
    MaskConfig,
    PauseConfig,
    VideoConfig,
    shown,
)

CLEAN = "clean"


@dataclass(frozen=True)
class AudioCell:
    """One family at one SNR (dB); None: the sound alone, without speech."""

    family: AudioConfig
    snr_db: float | None

    @property
    def name(self) -> str:
        """`babble_m10db`, `noise_0db`, `music_only`."""
        if self.snr_db is None:
            return f"{self.family.title}_only"
        return f"{self.family.title}_{shown(self.snr_db)}db"


@dataclass(frozen=True)
class VideoCell:
    """One family at one severity."""

    family: VideoConfig
    severity: int

    @property
    def name(self) -> str:
        """`hand_s3`."""
        return f"{self.family.title}_s{self.severity}"


@dataclass(frozen=True)
class MaskCell:
    """One family at one share of hidden tokens."""

    family: MaskConfig
    share: float

    @property
    def name(self) -> str:
        """`mask_p0_3`: 0.3 of the tokens."""
        return f"{self.family.title}_{shown(self.share)}"


@dataclass(frozen=True)
class PauseCell:
    """One family of pauses."""

    family: PauseConfig

    @property
    def name(self) -> str:
        """That of the family."""
        return self.family.title


@dataclass(frozen=True)
class Condition:
    """What is done to the sound, the picture, the tokens and the time of a clip; None: nothing."""

    audio: AudioCell | None = None
    video: VideoCell | None = None
    mask: MaskCell | None = None
    pause: PauseCell | None = None

    @property
    def name(self) -> str:
        """Their names, `clean` where nothing is changed: part of keys and of shard names."""
        return "__".join(one.name for one in (self.audio, self.video, self.mask, self.pause) if one) or CLEAN


def audio_cells(grid: GridConfig) -> list[AudioCell]:
    """Every audio condition, in the grid's order."""
    return [AudioCell(family, snr) for family in grid.audio for snr in (family.snr_db or (None,))]


def video_cells(grid: GridConfig) -> list[VideoCell]:
    """Every visual condition, in the grid's order."""
    return [VideoCell(family, severity) for family in grid.video for severity in family.severity]


def conditions(grid: GridConfig) -> list[Condition]:
    """The cells of the grid, clean first."""
    audio: list[AudioCell | None] = list(audio_cells(grid))
    video: list[VideoCell | None] = list(video_cells(grid))
    found = [Condition()] if grid.clean else []
    found += [Condition(audio=cell) for cell in audio] + [Condition(video=cell) for cell in video]
    if grid.combine == "product":
        found += [Condition(sound, picture) for sound in audio for picture in video]
    found += [Condition(mask=MaskCell(one, share)) for one in grid.masks for share in one.share]
    return found + [Condition(pause=PauseCell(one)) for one in grid.pauses]


def drawn(keys: list[str], grid: GridConfig, condition: str) -> list[str]:
    """The clips of a condition: all, or the first few in an order that the seed draws.

    An order by digests: a clip that joins the corpus displaces one of the set at most.
    """
    count = grid.clips.per_condition
    if count is None:
        return sorted(keys)
    part = "" if grid.clips.subset == "fixed" else condition
    return sorted(sorted(keys, key=lambda key: (digest("subset", grid.seed, part, key), key))[:count])


def wanted_cells(grid: GridConfig, keys: list[str]) -> dict[str, list[str]]:
    """By name of an audio, visual or pause cell the clips that some condition with it holds, sorted."""
    found: dict[str, set[str]] = {}
    for condition in conditions(grid):
        chosen = drawn(keys, grid, condition.name)
        for cell in (condition.audio, condition.video, condition.pause):
            if cell is not None:
                found.setdefault(cell.name, set()).update(chosen)
    return {name: sorted(chosen) for name, chosen in found.items()}
