"""Voice embeddings: numbers that lie near for two stretches of one voice and far for two voices."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
Windows = NDArray[np.int64]
"""(K, 2): half-open ranges of samples."""

_HOP = 160
_N_FFT = 400
_N_BANDS = 40
_HIDDEN = 256
_QUIET = 10 ** (-30 / 20)
_BATCH = 16  # windows in a call of the network: bounds memory


class VoiceEmbedder(Protocol):
    """Turns stretches of a recording, 16 kHz mono, into numbers.

    Embeddings have length 1 and are compared by their cosine.
    """

    name: str
    dims: int
    window_s: float
    """The stretch that the network was trained on; shorter ones tell less."""

    def __call__(self, pcm: NDArray[np.float32], windows: Windows) -> NDArray[np.float32]:
        """(K, dims) float32 of K `windows` of `pcm` (n,), full scale ±1; zeros are put outside of it.

        A window without any sound has an embedding of zeros. Raises ValueError for sound that is not mono and
        for empty windows.
        """


class ResemblyzerVoice:
    """The voice encoder of resemblyzer (Apache-2.0, github.com/resemble-ai/Resemblyzer), one thread.

    `path` is `pretrained.pt` of the package resemblyzer 0.1.4: three LSTM layers over 40 mel bands, a linear
    layer, a rectifier. The numbers equal those of the package, which is not imported: it would bring
    librosa, numba and webrtcvad. A window quieter than -30 dBFS is made that loud first, as the package does
    with whole recordings; a window here, since two people are seldom equally near to the microphone. Raises
    RuntimeError for weights of another network.
    """

    name = "resemblyzer"
    dims = 256
    window_s = 1.6

    def __init__(self, path: str, *, device: str = "cpu") -> None:
        import torch
        from torch import nn

        torch.set_num_threads(1)  # sums, and so the last bits, depend on the number of threads
        weights = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(weights, dict) or "model_state" not in weights:
            raise RuntimeError(f"{path} is no checkpoint of resemblyzer: it has no model_state")
        layers = nn.ModuleDict(
            {"lstm": nn.LSTM(_N_BANDS, _HIDDEN, 3, batch_first=True), "linear": nn.Linear(_HIDDEN, self.dims)}
        )
        of_training = {"similarity_weight", "similarity_bias"}
        layers.load_state_dict({k: v for k, v in weights["model_state"].items() if k not in of_training})
        self._layers = layers.eval().to(device)
        self._device, self._torch = device, torch

    def __call__(self, pcm: NDArray[np.float32], windows: Windows) -> NDArray[np.float32]:
        """(K, 256). Windows of one length are run together, in their order."""
        check(pcm, windows)
        found = np.zeros((len(windows), self.dims), np.float32)
        by_length: dict[int, list[int]] = {}
        for row, (first, last) in enumerate(windows.tolist()):
            by_length.setdefault(last - first, []).append(row)
        for chosen in by_length.values():
            for start in range(0, len(chosen), _BATCH):
                rows = chosen[start : start + _BATCH]
                found[rows] = self._run(np.stack([mel_frames(pcm, *windows[row]) for row in rows]))
        return found

    def _run(self, mels: NDArray[np.float32]) -> NDArray[np.float32]:
        with self._torch.inference_mode():
            _, (hidden, _) = self._layers["lstm"](self._torch.from_numpy(mels).to(self._device))
            rows = self._layers["linear"](hidden[-1]).relu().cpu().numpy()
        rows[~np.asarray(mels.any(axis=(1, 2)), np.bool_)] = 0  # silence: what the biases alone say
        return unit(rows)


class XVectorVoice:
    """A speaker-verification model of the hub's kind: what transformers loads as `AudioXVector`.

    `path` is a folder with its `config.json`, `preprocessor_config.json` and weights, such as a copy of
    `microsoft/wavlm-base-plus-sv`. Raises OSError when the folder lacks one of them.
    """

    name = "xvector"
    window_s = 2.0

    def __init__(self, path: str, *, device: str = "cpu") -> None:
        import torch

        from extractors.torchaudio_import import import_transformers

        transformers: Any = import_transformers()
        torch.set_num_threads(1)
        self._torch, self._device = torch, device
        self._features = transformers.AutoFeatureExtractor.from_pretrained(path, local_files_only=True)
        model = transformers.AutoModelForAudioXVector.from_pretrained(path, local_files_only=True)
        self._model = model.eval().to(device)
        self.dims = int(model.config.xvector_output_dim)

    def __call__(self, pcm: NDArray[np.float32], windows: Windows) -> NDArray[np.float32]:
        """(K, dims), one window after the other: padding to one length would change the numbers."""
        check(pcm, windows)
        rows = np.zeros((len(windows), self.dims), np.float32)
        for row, (start, stop) in enumerate(windows):
            sound = cut(pcm, int(start), int(stop))
            if sound.any():
                inputs = self._features(sound, sampling_rate=RATE_HZ, return_tensors="pt").to(self._device)
                with self._torch.inference_mode():
                    rows[row] = self._model(**inputs).embeddings[0].cpu().numpy()
        return unit(rows)


def make_voice_embedder(
    name: Literal["resemblyzer", "xvector"], path: str, *, device: str = "cpu"
) -> VoiceEmbedder:
    """Load an embedder from its weights. Raises RuntimeError or OSError when they are not its own."""
    return (
        ResemblyzerVoice(path, device=device) if name == "resemblyzer" else XVectorVoice(path, device=device)
    )


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(K, dims) scaled to length 1; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths == 0, 1, lengths), np.float32)


def cut(pcm: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """(stop - start,) samples, zeros where there are none."""
    before, after = max(0, -start), max(0, stop - len(pcm))
    return np.pad(pcm[max(0, start) : max(0, stop)], (min(before, stop - start), min(after, stop - start)))


def check(pcm: NDArray[np.float32], windows: Windows) -> None:
    """Raise ValueError for what no embedder can take."""
    if pcm.ndim != 1:
        raise ValueError(f"pcm must be mono, (n,), not {pcm.shape}")
    if windows.ndim != 2 or windows.shape[1] != 2 or (windows[:, 1] <= windows[:, 0]).any():
        raise ValueError("windows must be (K, 2) ranges of samples, none of them empty")


def mel_frames(pcm: NDArray[np.float32], start: int, stop: int) -> NDArray[np.float32]:
    """(n // 160 + 1, 40) mel power of the n samples of a window, made at least as loud as -30 dBFS.

    What `librosa.feature.melspectrogram` gives with resemblyzer's settings: frames of 25 ms every 10 ms,
    centred, a Hann window, no logarithm; zeros outside the window.
    """
    sound = cut(pcm, start, stop).astype(np.float64)
    level = np.sqrt(np.mean(sound**2))
    if 0 < level < _QUIET:
        sound *= _QUIET / level
    padded = np.pad(sound, _N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_N_FFT) / _N_FFT)
    power = np.abs(np.fft.rfft(frames * hann)) ** 2
    return np.asarray(power @ _mel_bands().T, np.float32)


@lru_cache(maxsize=1)
def _mel_bands() -> NDArray[np.float64]:
    """(40, 201) triangles on Slaney's mel scale (linear below 1 kHz), each of area 1."""
    step_hz, knee_hz, log_step = 200 / 3, 1000.0, np.log(6.4) / 27
    knee = knee_hz / step_hz
    mels = np.linspace(0, knee + np.log(RATE_HZ / 2 / knee_hz) / log_step, _N_BANDS + 2)
    corners_hz = np.where(
        mels < knee, mels * step_hz, knee_hz * np.exp(log_step * (np.maximum(mels, knee) - knee))
    )
    bins_hz = np.fft.rfftfreq(_N_FFT, 1 / RATE_HZ)
    low, middle, high = corners_hz[:-2, None], corners_hz[1:-1, None], corners_hz[2:, None]
    bands = np.minimum((bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)).clip(min=0)
    return np.asarray(bands * 2 / (high - low), np.float64)
