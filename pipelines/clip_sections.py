"""The sections of a config about kept clips: what is written of them, and what is made of that."""

from __future__ import annotations

import inspect
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.section import Section


class CutConfig(Section):
    """What is written of a kept clip."""

    lip_preset: Literal["avhubert", "auto_avsr"] = Field(
        "avhubert", description="whose alignment of lip crops: AV-HuBERT's or auto_avsr's"
    )
    lip_landmarks: Literal["mesh", "dlib68"] = Field(
        "mesh", description="68 points taken from the face mesh, or dlib's own (trained on data for research)"
    )
    lookahead_frames: int | None = Field(
        None, ge=0, le=100, description="frames of 40 ms that may be seen ahead; null: as many as it takes"
    )
    zero_translation: bool = Field(False, description="write the head's place in face61 as 0")
    mouth_hidden_above: float = Field(
        0.5, ge=0, le=1, description="mouth occlusion from which masks call the mouth hidden"
    )
    face_px: int = Field(224, ge=32, le=1024, multiple_of=2, description="side of the face crop, pixels")
    face_scale: float = Field(1.6, ge=1, le=4, description="crop side over the larger face side")
    members: tuple[str, ...] = Field(
        ("lips", "face", "flac", "native", "arkit52", "face61"),
        min_length=1,
        description="what to write; further ones are the extractors of `extractors/extractor.py`",
    )
    options: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="by extractor: its own options, such as `smirk: {scale: 1.6}`"
    )

    @field_validator("members")
    @classmethod
    def _known(cls, members: tuple[str, ...]) -> tuple[str, ...]:
        from pipelines.steps.members import member_names

        unknown = [name for name in members if name not in member_names()]
        if unknown:
            raise ValueError(f"no member {', '.join(unknown)}; there are {', '.join(member_names())}")
        return members

    @field_validator("options")
    @classmethod
    def _taken(cls, options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        from extractors.extractor import EXTRACTORS, extractor_class

        for name, chosen in options.items():
            if name not in EXTRACTORS:
                raise ValueError(f"no extractor {name!r}; there are {', '.join(EXTRACTORS)}")
            parameters = inspect.signature(extractor_class(name)).parameters
            known = sorted(set(parameters) - {"weights_path"})  # a file's digest must enter the step key
            unknown = sorted(set(chosen) - set(known))
            if unknown:
                raise ValueError(f"{name} has no option {', '.join(unknown)}; it has {', '.join(known)}")
        return options


class TokenizeConfig(Section):
    """Codec tokens of each clip's audio."""

    codecs: tuple[str, ...] = Field(
        (), description="mimi, dac16x25, dac16, dac24, dac44, lyra: which tokens a sample gets"
    )
    n_codebooks: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="by codec: its first codebooks; else as many as is usual"
    )
    allow_untrained: bool = Field(
        False,
        description="run a codec whose weights are missing with random ones, to try things out: its tokens "
        "are called CODEC-untrained",
    )
    device: Literal["cpu", "cuda"] = Field("cpu", description="where the codecs run")
    precision: Literal["fp32", "bf16"] = Field("fp32", description="bf16: faster on a GPU, other codes")
    batch_s: tuple[Annotated[float, Field(ge=0)], ...] = Field(
        (0.0,),
        min_length=1,
        description="seconds of sound in a batch, the largest that fits is used; 0: clip by clip, best on "
        "a CPU",
    )

    @field_validator("codecs")
    @classmethod
    def _known(cls, codecs: tuple[str, ...]) -> tuple[str, ...]:
        from extractors.codecs import CODECS

        unknown = [name for name in codecs if name not in CODECS]
        if unknown:
            raise ValueError(f"no codec {', '.join(unknown)}; there are {', '.join(CODECS)}")
        return codecs

    @field_validator("n_codebooks")
    @classmethod
    def _of_a_codec(cls, counts: dict[str, int]) -> dict[str, int]:
        from extractors.codecs import CODECS, MOST_CODEBOOKS

        for name, count in counts.items():
            if name not in CODECS:
                raise ValueError(f"no codec {name}; there are {', '.join(CODECS)}")
            if count > MOST_CODEBOOKS[name]:
                raise ValueError(f"{name} has {MOST_CODEBOOKS[name]} codebooks, not {count}")
        return counts

    @field_validator("batch_s")
    @classmethod
    def _descending(cls, batch_s: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for high, low in pairwise(batch_s)):
            raise ValueError("sizes must descend")
        return batch_s


class HypothesesConfig(Section):
    """N-best of a speech recogniser and of a lip reader, for each clip."""

    asr_model: str | None = Field(
        None, description="folder of a CTranslate2 Whisper, its name or a hub id; null: no hypotheses"
    )
    asr_revision: str | None = Field(None, description="commit or tag on the hub")
    asr_compute_type: Literal["int8", "float32", "float16", "int8_float16"] = Field(
        "int8", description="arithmetic of CTranslate2"
    )
    language: str | None = Field(None, description="language of all clips; null: told by Whisper")
    vsr: Annotated[str, Field(pattern=r"^(json|onnx):.+")] | None = Field(
        None, description="lip reader: json:FILE (hypotheses by key) or onnx:FILE (a CTC network); null: none"
    )
    n: int = Field(5, ge=1, le=50, description="hypotheses of each")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where Whisper runs")


class UnitsConfig(Section):
    """Semantic units of each clip's speech, by a network and centres that you bring."""

    model: str | None = Field(
        None, description="folder of a HuBERT, wav2vec 2.0 or XLS-R checkpoint; null: no units"
    )
    layer: int = Field(11, ge=1, description="its layer, from 1; TAVID: 35 of XLS-R 1B")
    centres: str | None = Field(None, description="k-means centres of that layer (duologue fit-units)")
    pitch_centres: str | None = Field(None, description="centres of pitch, for the interleaved line")
    style_centres: str | None = Field(None, description="centres of style, for the interleaved line")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="arithmetic of the network")
    device: Literal["cpu", "cuda"] = Field("cpu", description="where it runs")

    @model_validator(mode="after")
    def _has_centres(self) -> UnitsConfig:
        if self.model is not None and self.centres is None:
            raise ValueError("units.model needs units.centres: duologue fit-units makes them")
        if (self.pitch_centres is None) != (self.style_centres is None):
            raise ValueError("the interleaved line needs both pitch_centres and style_centres")
        return self
