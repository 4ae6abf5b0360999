"""The audio-visual offset by SyncNet: Chung and Zisserman, "Out of time: automated lip sync in the wild"
(ACCV 2016 workshops), as joonson/syncnet_python (MIT) computes it. Importing this module imports torch.

The user brings `syncnet_v2.model`. With other weights the numbers mean nothing: the tests show that they are
the reference's numbers, on random weights, and not that they are good.

The sign is that of `extractors.av_offset`: **positive, the sound is early** (`docs/av-offset.md`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import median_filter
from torch import Tensor, nn
from torch.nn.functional import pad, pairwise_distance

from extractors import track_crop
from extractors.av_offset import FRAME_S
from extractors.mfcc import N_CEPSTRA, cepstra
from extractors.smirk_network import fill_network, read_tensors

FPS = 25
SIDE_PX = 224
WINDOW_FRAMES = 5
MAX_SHIFT_FRAMES = 15
N_EMBEDDING = 1024
STEADY_FRAMES = 13
_CEPSTRA_A_FRAME = 4
_SAMPLES_A_FRAME = 640
_BATCH = 16


@dataclass(frozen=True)
class SyncNetOffset:
    """What SyncNet found. A track shorter than 6 frames: NaN, with a confidence of 0."""

    offset_frames: float
    """Whole frames of 40 ms, within ±15; positive: the sound is early."""
    offset_s: float
    """The same in seconds: delay the audio by this much."""
    min_distance: float
    """Mean distance of the embeddings at that offset."""
    confidence: float
    """Median over the offsets minus `min_distance`: no probability, on the network's own scale. LatentSync
    keeps clips from 3 on."""


class SyncNetwork(nn.Module):
    """The published layers; attributes are called as the tensors of the published file."""

    def __init__(self) -> None:
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_flat(1, 64, 3, pad=1),
            nn.Identity(),  # a pooling over 1x1 in the published definition, which keeps its number
            *_flat(64, 192, 3, pad=1),
            nn.MaxPool2d(3, (1, 2)),
            *_flat(192, 384, 3, pad=1),
            *_flat(384, 256, 3, pad=1),
            *_flat(256, 256, 3, pad=1),
            nn.MaxPool2d(3, 2),
            *_flat(256, 512, (5, 4), pad=0),
        )
        self.netfcaud = _head()
        self.netcnnlip = nn.Sequential(
            *_deep(3, 96, (5, 7, 7), stride=2, pad=0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(96, 256, (1, 5, 5), stride=2, pad=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_deep(256, 256, (1, 3, 3), stride=1, pad=1),
            *_deep(256, 256, (1, 3, 3), stride=1, pad=1),
            *_deep(256, 256, (1, 3, 3), stride=1, pad=1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_deep(256, 512, (1, 6, 6), stride=1, pad=0),
        )
        self.netfclip = _head()

    def lips(self, crops: Tensor) -> Tensor:
        """(T, 3, 224, 224) BGR, 0..255, to (T - 4, 1024): row i sees the crops i … i + 4.

        Only the first layer reaches over time, so the windows share the work.
        """
        maps: Tensor = self.netcnnlip(crops.movedim(0, 1)[None])  # (1, 512, T - 4, 1, 1)
        embedded: Tensor = self.netfclip(maps[0, :, :, 0, 0].T)
        return embedded

    def sound(self, windows: Tensor) -> Tensor:
        """(N, 13, 20) cepstra to (N, 1024)."""
        embedded: Tensor = self.netfcaud(self.netcnnaud(windows[:, None]).flatten(1))
        return embedded


class SyncNet:
    """SyncNet on `device` ("cpu", "cuda"), one CPU thread.

    Raises `extractors.weights.WeightsError` for a file that is not `syncnet_v2.model`.
    """

    def __init__(self, weights_path: str, *, device: str = "cpu") -> None:
        torch.set_num_threads(1)  # sums, and so the last bits, depend on the number of threads
        self._device = device
        self._network = SyncNetwork()
        fill_network(self._network, read_tensors(weights_path), weights_path)
        self._network.to(device).eval()

    def __call__(self, crops: NDArray[np.uint8], pcm: NDArray[np.float32]) -> SyncNetOffset:
        """Offset of the sound against T face crops at 25 fps.

        `crops` (T, 224, 224, 3) uint8 RGB, as `face_squares` and `cut_face` make them; `pcm` (N,) float32,
        16 kHz mono, full scale ±1, its first sample at the instant of the first crop. What one has beyond the
        other is left aside. Raises `ValueError` for other shapes.
        """
        if crops.shape[1:] != (SIDE_PX, SIDE_PX, 3) or crops.dtype != np.uint8 or pcm.ndim != 1:
            raise ValueError(
                f"crops must be (T, {SIDE_PX}, {SIDE_PX}, 3) uint8 and pcm (N,), "
                f"not {crops.shape} {crops.dtype} and {pcm.shape}"
            )
        n_windows = min(len(crops), len(pcm) // _SAMPLES_A_FRAME) - WINDOW_FRAMES  # one fewer than there are
        if n_windows < 1:
            return SyncNetOffset(math.nan, math.nan, math.nan, 0.0)
        return compare(self.embed_lips(crops)[:n_windows], self.embed_sound(pcm, n_windows))

    def embed_lips(self, crops: NDArray[np.uint8]) -> Tensor:
        """(T - 4, 1024) float32, on the CPU; see `SyncNetwork.lips`."""
        reach = WINDOW_FRAMES - 1
        return self._rows(
            lambda low, high: torch.from_numpy(
                np.ascontiguousarray(crops[low : high + reach, :, :, ::-1]).transpose(0, 3, 1, 2)
            ),
            self._network.lips,
            len(crops) - reach,
        )

    def embed_sound(self, pcm: NDArray[np.float32], n_windows: int) -> Tensor:
        """(n_windows, 1024) float32, on the CPU; row i hears 0.2 s from i * 40 ms on."""
        span = WINDOW_FRAMES * _CEPSTRA_A_FRAME
        heard = cepstra(pcm, 0, (n_windows - 1) * _CEPSTRA_A_FRAME + span).astype(np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(heard, span, axis=0)[::_CEPSTRA_A_FRAME]
        assert windows.shape == (n_windows, N_CEPSTRA, span)
        return self._rows(
            lambda low, high: torch.from_numpy(windows[low:high].copy()), self._network.sound, n_windows
        )

    def _rows(
        self, cut: Callable[[int, int], Tensor], embed: Callable[[Tensor], Tensor], n_rows: int
    ) -> Tensor:
        """`embed` of `cut(low, high)`, the input of those rows, a bounded number at a time."""
        # The flags hold inside the block only: TF32 would cost three digits
        flags = torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        )
        with torch.inference_mode(), flags:
            parts = [
                embed(cut(low, min(low + _BATCH, n_rows)).to(self._device).float()).cpu()
                for low in range(0, n_rows, _BATCH)
            ]
        return torch.cat(parts)


def compare(lips: Tensor, sound: Tensor) -> SyncNetOffset:
    """The offset at which embeddings (N, D) of lips and of sound are nearest on average.

    As in the reference, the ends are compared with zeros where there is no sound: tracks of less than a
    second or two say little.
    """
    n, reach = len(lips), MAX_SHIFT_FRAMES
    padded = pad(sound, (0, 0, reach, reach))
    # entry k compares lips with sound k - reach frames later
    distances = torch.stack([pairwise_distance(lips, padded[k : k + n]).mean() for k in range(2 * reach + 1)])
    nearest = int(distances.argmin())
    least = float(distances[nearest])
    offset = reach - nearest
    return SyncNetOffset(offset, offset * FRAME_S, least, float(distances.median()) - least)


def face_squares(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 3) middle x, y and side, px, of what SyncNet sees of a face; `boxes` (N, 4) of the landmarks.

    The reference cuts 1.4 times the larger side S of S3FD's box, from 0.5 S above its middle to 0.9 S below:
    twice the side of what LR-ASD keeps of it (`extractors.track_crop`, with the size of our boxes), round the
    same middle. As there, the median of 13 frames of the track holds it steady.
    """
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    larger = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True)
    x, y, size = median_filter(np.hstack([middle, larger]), size=(STEADY_FRAMES, 1), mode="nearest").T
    return np.stack([x, y + track_crop.DOWN * size, 2 * track_crop.SIDE * size], axis=1)


def cut_face(image: NDArray[np.uint8], *, x: float, y: float, side: float) -> NDArray[np.uint8]:
    """(224, 224, 3) of the square of `side` px round (x, y) of `image` (H, W, 3) RGB; grey outside it."""
    scale = SIDE_PX / side
    # pixel i covers [i, i + 1): its middle lies at i + 0.5
    left, top = x - side / 2, y - side / 2
    matrix = np.array([[scale, 0, (0.5 - left) * scale - 0.5], [0, scale, (0.5 - top) * scale - 0.5]])
    grey = (track_crop.OUTSIDE_GREY,) * 3
    cut = cv2.warpAffine(image, matrix, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR, borderValue=grey)
    return np.asarray(cut, np.uint8)


def _flat(n_in: int, n_out: int, kernel: int | tuple[int, int], *, pad: int) -> list[nn.Module]:
    return [nn.Conv2d(n_in, n_out, kernel, padding=pad), nn.BatchNorm2d(n_out), nn.ReLU(inplace=True)]


def _deep(n_in: int, n_out: int, kernel: tuple[int, int, int], *, stride: int, pad: int) -> list[nn.Module]:
    """A convolution whose stride and padding are those of the picture; time has none."""
    convolution = nn.Conv3d(n_in, n_out, kernel, stride=(1, stride, stride), padding=(0, pad, pad))
    return [convolution, nn.BatchNorm3d(n_out), nn.ReLU(inplace=True)]


def _head() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(inplace=True), nn.Linear(512, N_EMBEDDING)
    )
