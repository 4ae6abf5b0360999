"""The sections of a config about dialogues: how they are spoken, laid out in time, labelled and packed."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from pipelines.clip_sections import TokenizeConfig, UnitsConfig
from pipelines.section import Section
from pipelines.sections import EngineConfig, PackConfig
from synth.rewriting.config import RewriteConfig

Share = Annotated[float, Field(ge=0, le=1)]


class VoiceServerConfig(Section):
    """An OpenAI-compatible speech server, for voices called `server:NAME`."""

    base_url: str = Field(description="e.g. http://localhost:8880/v1")
    model: str = Field(description="as the server calls it")
    api_key_env: str | None = Field(None, description="environment variable that holds the key; null: none")
    emotion_field: str | None = Field(
        None, description="where this server takes an emotion, e.g. instructions"
    )
    seed_field: str | None = Field(None, description="where it takes a seed")
    reference_audio_field: str | None = Field(
        None, description="where it takes a clip of whom to imitate, as a data URL, e.g. ref_audio"
    )
    reference_text_field: str | None = Field(
        None, description="where it takes what is said in that clip, e.g. ref_text"
    )
    extra: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="further fields of every request, e.g. {task_type: Base}"
    )
    licence: str = Field("as the server's model", description="of the sound it makes")
    genders: dict[str, Literal["female", "male"]] = Field(
        default_factory=dict, description="by voice; others may speak for anybody"
    )


class CloneConfig(Section):
    """People of a corpus in whose own voices their lines are spoken."""

    corpus: str = Field(
        description="finished corpus of real clips whose speakers are imitated, by their label"
    )
    voice: str = Field(pattern=r"^server:.+", description="server:NAME, a voice that takes a reference clip")
    min_s: float = Field(3.0, gt=0, description="shortest reference clip")
    max_s: float = Field(15.0, gt=0, description="longest")
    max_other_voice_share: Share = Field(0.05, description="of a reference: speech of others, where measured")
    min_similarity: float = Field(
        0.7, ge=-1, le=1, description="to the reference (resemblyzer); less is tried again, then fails"
    )

    @model_validator(mode="after")
    def _ordered(self) -> CloneConfig:
        if self.min_s > self.max_s:
            raise ValueError("min_s exceeds max_s")
        return self


class SpeakConfig(Section):
    """Who speaks, and what the speech must keep to."""

    voices: tuple[str, ...] = Field(
        ("hibari:heart",), min_length=1, description="ENGINE:NAME; see docs/voices.md"
    )
    kokoro_folder: str | None = Field(None, description="folder of Kokoro's voices, NAME.bin")
    server: VoiceServerConfig | None = Field(None, description="for voices called server:NAME")
    one_voice: bool = Field(
        False, description="one voice may speak for both sides and in every split, for want of others"
    )
    seed: int = Field(0, ge=0, description="another seed gives another rendering, where a voice takes one")
    asr_model: str | None = Field(
        None, description="CTranslate2 Whisper that hears what was said (WER); null: not checked"
    )
    max_wer: float = Field(0.25, ge=0, description="more is tried again, then fails")
    min_dnsmos: float = Field(2.3, ge=1, le=5, description="less is tried again, then fails")
    emotion_scorer: str | None = Field(
        None, description="speech-emotion model: a .onnx file, or module:function; null: no emotion is scored"
    )
    emotion_labels: tuple[str, ...] = Field((), description="of the .onnx, in the order of its outputs")
    min_emotion_score: Share | None = Field(
        None, description="of the asked emotion; less is tried again, then fails; null: scored, not judged"
    )
    clone: CloneConfig | None = Field(None, description="whom to imitate; null: nobody")
    tries: int = Field(3, ge=1, le=5, description="renderings of a text until one passes")

    @model_validator(mode="after")
    def _scored(self) -> SpeakConfig:
        if self.min_emotion_score is not None and self.emotion_scorer is None:
            raise ValueError("min_emotion_score needs an emotion_scorer: no score is made up")
        return self

    @model_validator(mode="after")
    def _clonable(self) -> SpeakConfig:
        if self.clone is not None and (self.server is None or self.server.reference_audio_field is None):
            raise ValueError(
                f"clone: {self.clone.voice} imitates nobody until server.reference_audio_field names where "
                "the server takes a reference clip; embedded voices cannot imitate at all"
            )
        return self


class ArrangeConfig(Section):
    """Where in time the turns are laid."""

    seed: int = Field(0, ge=0, description="another seed draws other offsets and pauses")
    offsets: str = Field(
        "deruiter2006", description="floor transfer offsets: deruiter2006, stivers2009, or a file of seconds"
    )
    parameters: str = Field("duologue", description="named turn parameters, see docs/turns.md")
    pause_share: Share = Field(0.0, description="turns with a pause of 0.5 to 2 s inside")
    interruption_share: Share = Field(0.0, description="turns that are cut by the next speaker")
    rate_hz: Literal[16000, 24000, 44100, 48000] = Field(
        24000, description="sample rate of the dialogues, whatever the voices' own; Mimi hears 24 kHz"
    )
    level_dbfs: float = Field(-26.0, ge=-60, le=-6, description="of speech, in both channels")
    tone_dbfs: float = Field(-65.0, ge=-90, le=-30, description="room tone; never digital silence")


class FacesConfig(Section):
    """Faces for people who have none: borrowed of real ones, and called so."""

    corpus: str | None = Field(
        None, description="finished corpus of real clips with face61 and emotions that lends them; null: none"
    )
    seed: int = Field(0, ge=0, description="another seed draws other clips")


class LabelConfig(Section):
    """What is derived of the turns, beside `turns.json`."""

    members: tuple[Literal["speaking", "turn_tokens", "yield", "vap"], ...] = Field(
        ("speaking", "turn_tokens", "yield"), description="see docs/format.md"
    )
    tokenizer: str | None = Field(
        None, description="SentencePiece file or tokenizers folder: text streams of both sides; null: none"
    )
    text_rate_hz: float = Field(12.5, description="rate of the text streams: 12.5 or 25")

    @field_validator("text_rate_hz")
    @classmethod
    def _a_grid(cls, rate_hz: float) -> float:
        if rate_hz not in (12.5, 25.0):
            raise ValueError("12.5 (Mimi) and 25 (video) are the grids of the field")
        return rate_hz


class SynthConfig(Section):
    """A whole `duologue dialogue synth`."""

    name: str = Field("dialogue", pattern=r"^[a-z0-9][a-z0-9-]*$", description="name of the set")
    description: str = ""
    rewrite: RewriteConfig | None = Field(None, description="an LLM that rewrites turns; null: as scripted")
    speak: SpeakConfig = SpeakConfig()
    arrange: ArrangeConfig = ArrangeConfig()
    faces: FacesConfig = FacesConfig()
    labels: LabelConfig = LabelConfig()
    tokenize: TokenizeConfig = TokenizeConfig()
    units: UnitsConfig = UnitsConfig()
    pack: PackConfig = PackConfig()
    engine: EngineConfig = EngineConfig()

    @model_validator(mode="after")
    def _servers(self) -> SynthConfig:
        if any(one.startswith("server:") for one in self.speak.voices) and self.speak.server is None:
            raise ValueError("a voice called server:NAME needs speak.server")
        return self

    @model_validator(mode="after")
    def _variables(self) -> SynthConfig:
        servers = (self.rewrite.server if self.rewrite else None, self.speak.server)
        named = [one.api_key_env for one in servers if one is not None and one.api_key_env is not None]
        if not all(name.isidentifier() for name in named):
            # the message must not repeat it: what stands there may be the key
            raise ValueError("api_key_env is the name of an environment variable, not the key")
        return self

    @model_validator(mode="after")
    def _dialogues(self) -> SynthConfig:
        if self.rewrite is not None and "style" in self.rewrite.kinds:
            raise ValueError(
                "rewrite.kinds: style makes variants of single turns, and no dialogue; leave it out"
            )
        return self
