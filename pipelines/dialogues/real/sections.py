"""The sections of a config about dialogues that were recorded."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from pipelines.clip_sections import CutConfig, TokenizeConfig, UnitsConfig
from pipelines.dialogues.sections import LabelConfig
from pipelines.section import Section
from pipelines.sections import (
    EngineConfig,
    IngestConfig,
    ListenConfig,
    PackConfig,
    PeopleConfig,
    VoicesConfig,
    WatchConfig,
    WhoConfig,
    WordsConfig,
)
from synth.turns.parameters import PRESETS


class DyadVoicesConfig(VoicesConfig):
    """As in a build, but asked for."""

    mode: Literal["auto", "mono", "channels", "none"] = Field(
        "auto",
        description="channels: one person a channel; mono: by the sound of the voices; auto: which fits",
    )


class SidesConfig(CutConfig):
    """As in a build, of both people."""

    members: tuple[str, ...] = Field(
        ("lips", "face", "flac", "native", "arkit52", "face61", "groups", "trust"),
        min_length=1,
        description="what to write of each side; flac and native always",
    )


class DyadsConfig(Section):
    """Which two people, and how a long dialogue is cut."""

    max_s: float = Field(300.0, ge=10, le=3600, description="longest window of a dialogue, seconds")
    parameters: str = Field("duologue", description="named turn parameters, see docs/turns.md")
    max_difference_s: float = Field(
        2.0, ge=0, description="two recordings of a dialogue may differ in length by this, seconds"
    )
    silence_dbfs: float = Field(-60.0, ge=-120, le=0, description="a side never louder is silent, dBFS")
    max_leak_db: float = Field(
        -6.0, ge=-60, le=0, description="two recordings that hear the other voice no softer are refused"
    )

    @field_validator("parameters")
    @classmethod
    def _named(cls, name: str) -> str:
        if name not in PRESETS:
            raise ValueError(f"there are {', '.join(PRESETS)}")
        return name


class RealConfig(Section):
    """A whole `duologue dialogue real`. What measures is configured as in a build."""

    name: str = Field("dialogue", pattern=r"^[a-z0-9][a-z0-9-]*$", description="name of the set")
    description: str = ""
    ingest: IngestConfig = IngestConfig()
    watch: WatchConfig = WatchConfig()
    listen: ListenConfig = ListenConfig()
    who: WhoConfig = WhoConfig()
    people: PeopleConfig = PeopleConfig()
    words: WordsConfig = WordsConfig()
    voices: DyadVoicesConfig = DyadVoicesConfig()
    dyads: DyadsConfig = DyadsConfig()
    cut: SidesConfig = SidesConfig()
    labels: LabelConfig = LabelConfig()
    tokenize: TokenizeConfig = TokenizeConfig()
    units: UnitsConfig = UnitsConfig()
    pack: PackConfig = PackConfig()
    engine: EngineConfig = EngineConfig()

    @model_validator(mode="after")
    def _two_streams(self) -> RealConfig:
        if self.voices.mode == "none":
            raise ValueError("voices.mode: a dialogue needs to know who speaks: auto, mono or channels")
        lacking = {"flac", "native"} - set(self.cut.members)
        if lacking:
            raise ValueError(f"cut.members: both sides need {', '.join(sorted(lacking))}")
        return self
