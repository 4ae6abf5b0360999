"""The section `select` of a config: every threshold, applied to stored measurements."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from pipelines.section import Section


class SelectConfig(Section):
    """Every threshold. Applied to stored measurements, so changing one costs seconds, not hours."""

    need_video: bool = Field(True, description="reject clips without exactly one face to follow")
    need_audio: bool = Field(True, description="reject clips without speech")
    need_text: bool = Field(False, description="reject clips without words")
    whole: Literal["never", "captioned", "all"] = Field(
        "never",
        description="take a recording as a whole, in equal pieces of at most `max_chunk_s`, rather than "
        "where speech is: never, where the corpus gives it a caption, or always",
    )
    emotions: dict[str, tuple[str, ...]] = Field(
        default_factory=dict,
        description="reject clips of other emotions than these: name in KEY.json, and the labels (in any "
        "case) that count as it; {}: keep all, as labelled",
    )
    speech_threshold: float = Field(0.5, gt=0, lt=1, description="speech probability of Silero VAD")
    min_speech_s: float = Field(0.25, ge=0, le=10, description="shorter speech is ignored, seconds")
    min_silence_s: float = Field(0.4, gt=0, le=10, description="silence that ends a chunk, seconds")
    max_audio_gap_share: float = Field(
        0.01, ge=0, le=1, description="share of the audio that was missing or could not be decoded"
    )
    max_pause_s: float = Field(1.0, ge=0, le=60, description="longest pause inside a chunk, seconds")
    pad_s: float = Field(0.2, ge=0, le=2, description="kept before and after speech, seconds")
    max_chunk_s: float = Field(15.0, ge=1, le=600, description="longest clip, seconds")
    min_chunk_s: float = Field(0.8, ge=0.08, le=600, description="shortest clip, seconds")
    max_text_chars: int = Field(
        4000, ge=100, le=1_000_000, description="longest piece of a document of text alone, characters"
    )
    silence_dbfs: float = Field(-60.0, ge=-120, le=0, description="a track never louder is silent, dBFS")
    max_mean_abs_yaw_deg: float = Field(30.0, gt=0, le=180, description="mean |head yaw|, degrees")
    min_face_px: float = Field(60.0, ge=0, le=4096, description="median face height, pixels of the source")
    min_face_coverage: float = Field(0.95, ge=0, le=1, description="share of frames with the face")
    no_face_coverage: float = Field(
        0.1, ge=0, le=1, description="with the face in less of its frames, a clip counts as faceless"
    )
    max_face_gap_s: float = Field(0.4, ge=0, le=60, description="longest stretch without the face, seconds")
    min_speaking_share: float = Field(
        0.5, ge=0, le=1, description="share of the speech during which the face is seen to speak it"
    )
    max_other_speaking_share: float = Field(
        1.0, ge=0, le=1, description="share of the clip during which another visible face speaks as well"
    )
    only_face: bool = Field(False, description="reject clips with another face, even if it is silent")
    max_other_face_coverage: float = Field(
        0.2,
        ge=0,
        le=1,
        description="share of frames with a second face; counts where nobody was asked who speaks, or with "
        "`only_face`",
    )
    max_av_offset_frames: float = Field(
        3.0, ge=0, le=15, description="frames of 40 ms between picture and sound"
    )
    av_offset_confidence: float = Field(
        0.9, ge=0, le=1, description="an offset by the lips that is less sure is not held against a clip"
    )
    syncnet_confidence: float = Field(
        3.0, ge=0, description="the same for an offset by SyncNet, on that network's own scale"
    )
    mouth_hidden_above: float = Field(
        0.5, ge=0, le=1, description="mouth occlusion from which the mouth counts as hidden"
    )
    max_hidden_mouth_share: float = Field(0.2, ge=0, le=1, description="share of frames with a hidden mouth")
    min_sharpness: float = Field(0.0, ge=0, description="median variance of the Laplacian of the face")
    min_face_luma: float = Field(0.0, ge=0, le=1, description="median brightness of the face, 0..1")
    max_jitter: float = Field(
        0.05, ge=0, description="median trembling of the landmarks, in shares of the distance of the eyes"
    )
    min_dnsmos: float = Field(0.0, ge=0, le=5, description="overall DNSMOS of the clip; Emilia keeps 3")
    min_snr_db: float = Field(-20.0, description="speech over the pauses in and round the clip, dB")
    min_bandwidth_hz: float = Field(0.0, ge=0, description="up to where the source has sound, Hz")
    max_clipped_share: float = Field(1.0, ge=0, le=1, description="share of clipped samples of the source")
    max_music_share: float = Field(1.0, ge=0, le=1, description="share of the clip's seconds with music")
    max_singing_share: float = Field(1.0, ge=0, le=1, description="share of the clip's seconds with singing")
    max_other_voice_share: float = Field(
        1.0, ge=0, le=1, description="share of the clip's speech that another voice than the main one speaks"
    )
    max_mix_loss_db: float = Field(
        20.0, ge=0, le=100, description="power that the mono mix loses against the channels, dB"
    )

    @field_validator("emotions")
    @classmethod
    def _counted_once(cls, emotions: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        labels = [label.casefold() for named in emotions.values() for label in named]
        twice = sorted({one for one in labels if labels.count(one) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} cannot count as two emotions")
        return emotions

    def kept_emotion(self, label: str | None) -> str | None:
        """The emotion that a label counts as; None where it is not kept."""
        if not self.emotions or label is None:
            return label
        asked = label.strip().casefold()
        return next(
            (name for name, named in self.emotions.items() if asked in map(str.casefold, named)), None
        )
