"""Neural codecs: sound in, small integers out; frame k of a codec stands for an exact interval of time.

A codec is a plain object. It takes batches of padded rows and gives each row's codes; what a row's codes are
depends on that row's samples and on the batch's shape, never on what lies in the other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol

import numpy as np
import soxr
from numpy.typing import NDArray

Pcm = NDArray[np.float32]
Codes = NDArray[np.int16]
"""(rows of codes, frames)."""
Precision = Literal["fp32", "bf16"]
UNTRAINED = "untrained"
_QUALITY = "VHQ"  # 28-bit precision; HQ cuts off at 91 % of the new Nyquist rate, this at 95 %


class BatchTooLargeError(Exception):
    """The device has not the memory for a batch of this shape; a smaller one may do."""


@dataclass(frozen=True, kw_only=True)
class CodecSpec:
    """What a codec's codes are. Frame k covers samples [k * hop, (k + 1) * hop) at `rate_hz`."""

    family: str
    """`mimi`, `dac`, `dac16x25`, `lyra`: what the codec is called, whatever its weights are."""
    rate_hz: int
    hop: int
    """Samples a frame."""
    n_codebooks: int
    """Rows of codes a frame."""
    codebook_size: int
    """Codes are 0 .. codebook_size - 1."""
    trained: bool
    """False for random weights: the codes then have the right shape and carry no meaning."""

    @property
    def name(self) -> str:
        """`mimi`, or `mimi-untrained` for random weights: this is the name for manifests, shards, reports."""
        return self.family if self.trained else f"{self.family}-{UNTRAINED}"

    @property
    def frame_rate(self) -> Fraction:
        """Frames a second, exact."""
        return Fraction(self.rate_hz, self.hop)

    @property
    def bandwidth_hz(self) -> float:
        """What the codec can hear; a source with less gives codes of band-limited sound: report it."""
        return self.rate_hz / 2

    def interval(self, frame: int) -> tuple[Fraction, Fraction]:
        """The time [start, stop) of a frame, exact seconds from the first sample."""
        return Fraction(frame * self.hop, self.rate_hz), Fraction((frame + 1) * self.hop, self.rate_hz)

    def n_frames(self, n_samples: int) -> int:
        """Frames that cover `n_samples`: the last one may reach beyond them, into zeros."""
        return -(-n_samples // self.hop)

    def n_frames_of(self, duration: Fraction) -> int:
        """Frames that cover `duration`, exact seconds: N/25 s is ceil(N/2) frames of 12.5 Hz."""
        return -int(-duration * self.frame_rate // 1)

    def n_samples_of(self, duration: Fraction) -> int:
        """Samples that `n_frames_of(duration)` frames hold: pad a clip to these."""
        return self.n_frames_of(duration) * self.hop


class Codec(Protocol):
    """One codec with its weights, loaded once."""

    @property
    def spec(self) -> CodecSpec:
        """What its codes are."""

    def encode(self, batch: Pcm, n_samples: Sequence[int]) -> list[Codes]:
        """Codes of rows `batch` (B, width) at `rate_hz`, full scale ±1; row i holds `n_samples[i]` samples.

        `width` is a multiple of the hop and what follows a row's samples is zero. Row i gives int16
        `(n_codebooks, n_frames(n_samples[i]))`. Raises `BatchTooLargeError`, and ValueError for a batch
        of another form.
        """

    def decode(self, codes: Codes) -> Pcm:
        """(n_codebooks, frames) back to (frames * hop,) samples."""


def encode_one(codec: Codec, samples: Pcm) -> Codes:
    """Codes of one recording (n,), padded with zeros to whole frames: the plain way, for tests and tools."""
    width = codec.spec.n_frames(len(samples)) * codec.spec.hop
    return codec.encode(np.pad(samples, (0, width - len(samples)))[None], [len(samples)])[0]


def check_batch(spec: CodecSpec, batch: Pcm, n_samples: Sequence[int]) -> None:
    """Raise ValueError unless `batch` is as `Codec.encode` wants it."""
    if batch.ndim != 2 or batch.dtype != np.float32 or batch.shape[1] % spec.hop or not batch.size:
        raise ValueError(
            f"{spec.name} wants float32 (rows, a multiple of {spec.hop}), not {batch.dtype} {batch.shape}"
        )
    if len(n_samples) != len(batch) or not all(0 <= n <= batch.shape[1] for n in n_samples):
        raise ValueError(f"{spec.name}: {list(n_samples)} samples do not fit a batch of {batch.shape}")
    if any(row[n:].any() for row, n in zip(batch, n_samples, strict=True)):
        raise ValueError(f"{spec.name}: what follows a row's samples must be zero")


def to_codec_rate(pcm: Pcm, rate_hz: int, spec: CodecSpec) -> Pcm:
    """(channels, n) at `rate_hz` to (round(n * spec.rate_hz / rate_hz),): the channels' mean, resampled.

    libsoxr at "VHQ", linear phase: it delays nothing, passes up to 95 % of the lower Nyquist rate and
    rejects beyond it by more than 160 dB.
    """
    mono = np.ascontiguousarray(pcm.mean(axis=0, dtype=np.float32))
    if rate_hz == spec.rate_hz:
        return mono
    length = (2 * len(mono) * spec.rate_hz + rate_hz) // (2 * rate_hz)
    found = soxr.resample(mono, rate_hz, spec.rate_hz, quality=_QUALITY)[:length]
    return np.pad(found, (0, length - len(found))).astype(np.float32)
