"""The grid of a test set: which clips, in which conditions. What `duologue testset --config` reads."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, field_validator, model_validator

from pipelines.clip_sections import HypothesesConfig, TokenizeConfig, UnitsConfig
from pipelines.section import Section
from pipelines.sections import EngineConfig
from synth.corruption.draw import SpanRule
from synth.corruption.kinds import Kind
from synth.noise_plan import MAX_ABS_DB, InterfererKind

NAME = r"^[a-z0-9][a-z0-9_]*$"
Snr = Annotated[float, Field(strict=True, ge=-MAX_ABS_DB, le=MAX_ABS_DB)]
Severity = Annotated[int, Field(strict=True, ge=1, le=5)]


RECORDED = ("noise", "music")


class FoldersConfig(Section):
    """Where recordings and pictures lie that a grid does not give a folder of its own."""

    noise: str | None = Field(None, description="noises: MUSAN, DEMAND, WHAM! or any other folder")
    music: str | None = Field(None, description="music")
    occluders: str | None = Field(None, description="RGBA pictures of hands, masks, objects; null: drawn")


class ClipsConfig(Section):
    """Which clips of the corpus the set is made of."""

    split: str | None = Field("test", description="clips of this split; null: of all")
    per_condition: int | None = Field(
        None, ge=1, description="so many clips, drawn by the seed; null: every clip"
    )
    subset: Literal["fixed", "own"] = Field(
        "fixed", description="fixed: the same clips in every condition; own: each condition draws its own"
    )


class ActivityConfig(Section):
    """Where the target of a clip speaks."""

    speech_threshold: float = Field(
        0.5, gt=0, lt=1, description="speech probability of Silero VAD that counts as active"
    )


class SpansConfig(Section):
    """Only parts of a clip are corrupted: `count` spans that together cover a drawn share."""

    count: int = Field(1, ge=1, le=20, description="how many")
    min_share: float = Field(0.1, ge=0, le=1, description="least share of the clip, all spans together")
    max_share: float = Field(0.5, ge=0, le=1, description="largest share")

    @model_validator(mode="after")
    def _ordered(self) -> SpansConfig:
        if self.min_share > self.max_share:
            raise ValueError(f"min_share {self.min_share} is above max_share {self.max_share}")
        return self


class InterfererConfig(Section):
    """One sound that is mixed in."""

    kind: InterfererKind = Field(description=f"one of {', '.join(get_args(InterfererKind))}")
    folder: str | None = Field(
        None, description="folder of recordings (noise, music); null: that of `folders`"
    )
    voices: int = Field(8, ge=1, le=100, description="of babble: so many speakers of the corpus")

    @model_validator(mode="after")
    def _takes_a_folder(self) -> InterfererConfig:
        if self.folder is not None and self.kind not in RECORDED:
            raise ValueError(f"{self.kind} takes no folder: it is made of the corpus' clips, or here")
        return self


class FurtherInterferer(InterfererConfig):
    """One more sound in the same condition, at an SNR of its own."""

    snr_db: Snr = Field(description="SNR of this sound alone, dB")


class AudioConfig(InterfererConfig):
    """A family of audio conditions: one sound at several SNRs."""

    name: str | None = Field(None, pattern=NAME, description="in keys and tables; default: the kind")
    snr_db: tuple[Snr, ...] = Field((), description="SNRs in dB, of which 0 is one like any other")
    also: tuple[FurtherInterferer, ...] = Field((), description="further sounds in each of these conditions")
    noise_only_dbfs: float | None = Field(
        None, ge=-60, le=0, strict=True, description="no speech at all: the sound alone at this level"
    )
    spans: SpansConfig | None = Field(None, description="only parts of the clip; null: all of it")
    rooms: Literal["shoebox"] | str | None = Field(
        None, description="folder of impulse responses, or `shoebox` (pyroomacoustics); null: none"
    )
    t60_s: float | None = Field(None, gt=0, le=3, description="of shoebox rooms; null: drawn, 0.3 to 1.3 s")

    @field_validator("snr_db")
    @classmethod
    def _distinct(cls, snrs: tuple[float, ...]) -> tuple[float, ...]:
        if len(set(snrs)) < len(snrs):
            raise ValueError(f"an SNR is given twice: {', '.join(f'{one:g}' for one in snrs)}")
        return snrs

    @model_validator(mode="after")
    def _something_to_do(self) -> AudioConfig:
        if bool(self.snr_db) == (self.noise_only_dbfs is not None):
            raise ValueError("give either `snr_db` or, for noise without speech, `noise_only_dbfs`")
        if self.noise_only_dbfs is not None and self.also:
            raise ValueError("noise without speech is one sound: `also` has no SNR to keep")
        return self

    @property
    def title(self) -> str:
        """Name of the family."""
        return self.name or self.kind


class VideoConfig(Section):
    """A family of visual conditions: one corruption at several severities."""

    kind: Kind = Field(description="see docs/corruption.md")
    name: str | None = Field(None, pattern=NAME, description="in keys and tables; default: the kind")
    severity: tuple[Severity, ...] = Field((1, 3, 5), min_length=1, description="1 (mild) to 5")
    folder: str | None = Field(None, description="RGBA pictures of occluders; null: that of `folders`")
    spans: SpanRule | SpansConfig = Field("whole", description="where in the clip")

    @property
    def title(self) -> str:
        """Name of the family."""
        return self.name or self.kind


class MaskConfig(Section):
    """A family of conditions that hide tokens, as AVLM is tested."""

    member: str = Field(pattern=r"^[a-z0-9_.-]+\.npy$", description="whose tokens, e.g. units.npy")
    name: str = Field("mask", pattern=NAME, description="in keys and tables")
    share: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field(
        (0.1, 0.3, 0.5, 0.7), min_length=1, description="shares of the tokens that are hidden"
    )

    @property
    def title(self) -> str:
        """Name of the family."""
        return self.name


class PauseConfig(Section):
    """A family of conditions with silence put into the turn: a model that answers there has been fooled."""

    name: str = Field("pause", pattern=NAME, description="in keys and tables")
    count: int = Field(1, ge=1, le=10, description="pauses in a clip, each between two words")
    min_s: float = Field(0.56, ge=0.08, le=10, description="shortest, s; lengths are multiples of 80 ms")
    max_s: float = Field(2.0, ge=0.08, le=10, description="longest, s")
    fill: Literal["blend", "hold"] = Field(
        "blend",
        description="the picture meanwhile: it stands, and (blend) at its end turns into what follows",
    )
    made_dbfs: float | None = Field(
        -65.0, ge=-90, le=-30, description="room tone where the clip has none of its own; null: a failure"
    )

    @property
    def title(self) -> str:
        """Name of the family."""
        return self.name


class MixConfig(Section):
    """How sounds are mixed: what holds for every condition."""

    members: tuple[Literal["flac", "native.flac", "fbank104"], ...] = Field(
        ("flac",),
        min_length=1,
        description="which of a clip's recordings; native.flac is what codecs read, fbank104 is made of flac",
    )
    over: Literal["active_speech", "full_band"] = Field(
        "active_speech", description="what the SNR is taken over: where the target speaks, or everything"
    )
    crossfade_s: float = Field(0.05, ge=0, le=1, description="of a noise that is looped")
    fade_s: float = Field(0.01, ge=0, le=1, description="at the borders of spans")
    stems: bool = Field(False, description="also keep target and interferers apart")
    plans_only: bool = Field(
        False, description="write what would be mixed, not the sound: a trainer calls synth.mixing.apply"
    )

    @model_validator(mode="after")
    def _flac_first(self) -> MixConfig:
        if "fbank104" in self.members and "flac" not in self.members:
            raise ValueError("fbank104 is made of flac: add it to members")
        return self


class CorruptConfig(Section):
    """How pictures are corrupted: what holds for every condition."""

    at: Literal["auto", "source", "crop"] = Field(
        "auto",
        description="source: before the crop, and the face is looked for again; crop: on the finished crops; "
        "auto: the source where it is at hand",
    )
    masks: bool = Field(False, description="also write which pixels of the lip crop were corrupted")


class GridConfig(Section):
    """A whole `duologue testset`."""

    name: str = Field("testset", pattern=NAME, description="name of the set")
    description: str = ""
    seed: int = Field(0, ge=0, description="another seed draws other noises, places and clips")
    folders: FoldersConfig = FoldersConfig()
    clips: ClipsConfig = ClipsConfig()
    activity: ActivityConfig = ActivityConfig()
    clean: bool = Field(True, description="also a condition in which nothing is changed")
    audio: tuple[AudioConfig, ...] = Field((), description="families of audio conditions")
    video: tuple[VideoConfig, ...] = Field((), description="families of visual conditions")
    masks: tuple[MaskConfig, ...] = Field((), description="families of token masks, never combined")
    pauses: tuple[PauseConfig, ...] = Field((), description="families of pauses, never combined")
    combine: Literal["each", "product"] = Field(
        "each", description="each: one modality at a time; product: every audio with every video condition"
    )
    mix: MixConfig = MixConfig()
    corrupt: CorruptConfig = CorruptConfig()
    materialize: bool = Field(False, description="shards with every member, not only those that changed")
    dnsmos: bool = Field(True, description="DNSMOS of every sound that is mixed")
    tokenize: TokenizeConfig = TokenizeConfig()
    units: UnitsConfig = UnitsConfig()
    hypotheses: HypothesesConfig = HypothesesConfig()
    engine: EngineConfig = EngineConfig()

    @model_validator(mode="after")
    def _whole(self) -> GridConfig:
        kinds = ("audio", "video", "masks", "pauses")
        if not any(getattr(self, kind) for kind in kinds):
            raise ValueError(f"a grid needs conditions: give one of {', '.join(kinds)}")
        for kind in kinds:
            families = getattr(self, kind)
            titles = [one.title for one in families]
            twice = sorted({one for one in titles if titles.count(one) > 1})
            if twice:
                raise ValueError(
                    f"{kind}: {', '.join(twice)} is there twice; put all values into one entry, or give "
                    "each a `name`"
                )
        sounds = [one for family in self.audio for one in (family, *family.also)]
        lacking = sorted({one.kind for one in sounds if one.kind in RECORDED and self.folder_of(one) is None})
        if lacking:
            folders = ", ".join(f"folders.{kind}" for kind in lacking)
            raise ValueError(
                f"{' and '.join(lacking)} {'comes' if len(lacking) == 1 else 'come'} from recordings: give "
                f"{folders}, or the entry's `folder`"
            )
        readers = {"tokenize.codecs": ("native.flac", bool(self.tokenize.codecs))}
        readers |= {"units.model": ("flac", self.units.model is not None)}
        readers |= {"hypotheses.asr_model": ("flac", self.hypotheses.asr_model is not None)}
        for name, (member, wanted) in readers.items():
            if wanted and member not in self.mix.members:
                raise ValueError(f"{name} reads the member `{member}`: add it to mix.members")
        if self.mix.plans_only and (self.tokenize.codecs or self.units.model or self.hypotheses.asr_model):
            raise ValueError("mix.plans_only writes no sound, so there is nothing to tokenize or recognise")
        return self

    def folder_of(self, one: InterfererConfig) -> str | None:
        """Where an interferer's recordings lie; None for what is made of clips, or here."""
        return one.folder or getattr(self.folders, one.kind, None)


def shown(value: Any) -> str:
    """A number as part of a name: `m10` for -10, `p2_5` for 2.5, `0` for 0."""
    if not value:
        return "0"
    sign = "m" if value < 0 else "p"
    return sign + f"{abs(value):g}".replace(".", "_")
