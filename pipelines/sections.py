"""The sections of a config: what can be set, its range, its default and what it means."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from manifests.sidecar import LABELS
from pipelines.clip_sections import CutConfig, HypothesesConfig, TokenizeConfig, UnitsConfig
from pipelines.section import Section
from pipelines.select_section import SelectConfig
from synth.captions.config import CaptionConfig


class IngestConfig(Section):
    """How sources are read. Nothing to choose yet."""


class WatchConfig(Section):
    """The one decode of the video: shots, faces, landmarks, blendshapes, head pose, tracks, identity."""

    backend: Literal["direct", "mediapipe"] = Field(
        "direct", description="direct: MediaPipe's networks run by OpenVINO; mediapipe: its Tasks API"
    )
    detector: Literal["yunet", "scrfd", "mediapipe"] = Field(
        "yunet", description="what finds faces; yunet and scrfd find small ones (the direct backend only)"
    )
    detector_px: int = Field(640, ge=64, le=4096, description="longer side of what the detector sees, pixels")
    max_faces: int = Field(4, ge=1, le=16, description="faces followed at a time")
    detect_every: int = Field(5, ge=1, le=100, description="frames between two looks for further faces")
    track_iou: float = Field(0.5, gt=0, lt=1, description="overlap that joins a face to its track")
    track_gap_frames: int = Field(10, ge=0, le=250, description="frames a track may be missing")
    embedder: Literal["dlib", "arcface", "none"] = Field(
        "dlib", description="what tells people apart; none: by boxes alone"
    )
    check_every: int = Field(25, ge=1, le=1000, description="frames between two looks at who a face is")


class ListenConfig(Section):
    """The one decode of the audio: speech probability and level every 32 ms, and quality."""

    dnsmos: bool = Field(True, description="what listeners would say of the sound (DNSMOS P.835)")
    dnsmos_hop_s: float = Field(
        9.01, ge=0.1, le=9.01, description="seconds between its windows of 9.01 s; 1 costs nine times as much"
    )
    events: bool = Field(True, description="where there is music and singing")


class WhoConfig(Section):
    """Which of the faces speaks, and whether picture and sound belong to one instant."""

    model: Literal["lr_asd", "none"] = Field("lr_asd", description="active speaker network")
    offset: Literal["lips", "syncnet", "none"] = Field(
        "lips",
        description="audio-visual offset: by the stored lengths of the mouth, or by SyncNet (bring its "
        "weights; decodes the picture a second time)",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the networks run")


class WordsConfig(Section):
    """What is said and when: from the corpus' own transcripts, or recognised."""

    source: Literal["given", "asr", "none"] = Field(
        "given",
        description="given: word times, text or transcripts that the corpus brings, aligned; asr: where it "
        "brings none, Whisper",
    )
    max_align_s: float = Field(
        120.0, gt=0, description="longest sound over which a text without times is laid, seconds"
    )
    asr_model: str = Field(
        "base", description="folder of a CTranslate2 Whisper, its name (tiny.en, large-v3), or a hub id"
    )
    asr_revision: str | None = Field(None, description="commit or tag on the hub")
    asr_compute_type: Literal["int8", "float32", "float16", "int8_float16"] = Field(
        "int8", description="arithmetic of CTranslate2"
    )
    asr_beam: int = Field(5, ge=1, le=20, description="width of the beam search")
    language: str | None = Field(None, description="language of all recordings; null: as labelled, or told")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where Whisper runs")


class VoicesConfig(Section):
    """Who is heard when, and which face each voice belongs to."""

    mode: Literal["auto", "mono", "channels", "none"] = Field(
        "none",
        description="channels: one person a channel; mono: by the sound of the voices; auto: by channel "
        "where each has a person of its own",
    )
    n_speakers: int | None = Field(
        None, ge=1, le=20, description="people in a recording; null: the faces seen to speak, or a guess"
    )
    embedder: str | None = Field(
        None,
        description="folder of a hub's speaker-verification model (AudioXVector); null: resemblyzer",
    )
    apart_from: float = Field(
        0.42,
        gt=0,
        lt=2,
        description="cosine distance from which voices are two people: chosen for resemblyzer, 0.36 for "
        "telephone sound; another embedder needs its own",
    )
    pyannote: str | None = Field(
        None,
        description="folder of a pyannote.audio pipeline that tells voices apart by their sound: config.yaml "
        "and the checkpoints it names; null: by this project's own means",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the networks run")


class PeopleConfig(Section):
    """Who appears in several sources."""

    same_below: float = Field(
        0.6,
        gt=0,
        le=2,
        description="distance of embeddings under which two faces are one person: 0.6 for dlib, 1.2 for "
        "arcface; lower it for thousands of people",
    )


class PackConfig(Section):
    """How samples are put into shards."""

    max_shard_mb: float = Field(512.0, gt=0, le=65536, description="size at which a new shard begins, MB")
    max_shard_samples: int = Field(1_000, ge=1, description="samples at which a new shard begins")
    shuffle: bool = Field(True, description="seeded shuffle of the samples over the shards")
    shuffle_seed: int = Field(0, ge=0, description="seed of the shuffle")
    split_seed: int = Field(0, ge=0, description="seed of the split")
    split_shares: dict[Annotated[str, Field(pattern=r"^[a-z0-9_]+$")], Annotated[float, Field(gt=0)]] = Field(
        {"train": 0.8, "valid": 0.1, "test": 0.1},
        min_length=1,
        description="shares of people (or sources, where no speaker is known) in each split",
    )


class StepResources(Section):
    """What one worker of a step may take; what is left out keeps the step's own figure."""

    cpus: float | None = Field(None, gt=0)
    gpus: float | None = Field(None, ge=0)
    memory_gb: float | None = Field(None, gt=0)


class EngineConfig(Section):
    """How the work is run. Enters no key: it cannot change a byte of the result."""

    deadline_floor_s: float = Field(120.0, gt=0, description="least time a unit has, seconds")
    deadline_factor: float = Field(20.0, gt=0, description="seconds a unit has for each second of media")
    unit_s: float = Field(
        5.0, ge=0, description="work bundled into a unit, seconds; 0: each item is a unit of its own"
    )
    pool_start_s: float = Field(
        3.0, ge=0, description="a step expected to take less is done without starting a pool; 0: never"
    )
    resources: dict[str, StepResources] = Field(default_factory=dict, description="by step name")


class BuildConfig(Section):
    """A whole `duologue build`."""

    name: str = Field("custom", pattern=r"^[a-z0-9][a-z0-9-]*$", description="name of the preset")
    description: str = ""
    need_labels: tuple[str, ...] = Field(
        (),
        description="labels that the sources must bring (docs/readers.md): where none of them has one, the "
        "build stops before any work",
    )
    ingest: IngestConfig = IngestConfig()
    watch: WatchConfig = WatchConfig()
    listen: ListenConfig = ListenConfig()
    who: WhoConfig = WhoConfig()
    people: PeopleConfig = PeopleConfig()
    words: WordsConfig = WordsConfig()
    voices: VoicesConfig = VoicesConfig()
    select: SelectConfig = SelectConfig()
    cut: CutConfig = CutConfig()
    tokenize: TokenizeConfig = TokenizeConfig()
    units: UnitsConfig = UnitsConfig()
    hypotheses: HypothesesConfig = HypothesesConfig()
    caption: CaptionConfig | None = Field(None, description="captions from a model (docs/captions.md)")
    pack: PackConfig = PackConfig()
    engine: EngineConfig = EngineConfig()

    @field_validator("need_labels")
    @classmethod
    def _are_labels(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(LABELS))
        if unknown:
            raise ValueError(f"no label {', '.join(unknown)}; there are {', '.join(LABELS)}")
        return names

    @model_validator(mode="after")
    def _members_are_there(self) -> BuildConfig:
        readers = {
            "tokenize.codecs": ("native", bool(self.tokenize.codecs)),
            "units.model": ("flac", self.units.model is not None),
            "hypotheses.asr_model": ("flac", self.hypotheses.asr_model is not None),
            "hypotheses.vsr": ("lips", self.hypotheses.vsr is not None),
            "caption.sound": ("flac", self.caption is not None and self.caption.sound is not None),
        }
        for name, (member, wanted) in readers.items():
            if wanted and member not in self.cut.members:
                raise ValueError(f"{name} reads the member `{member}`: add it to cut.members")
        return self
