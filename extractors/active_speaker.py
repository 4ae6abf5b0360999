"""Who speaks: for each frame of a face track, whether this face makes the sound that is heard (LR-ASD)."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from extractors.mfcc import cepstra

FPS = 25
SIDE_PX = 112
WINDOW_FRAMES = 64
SPEAKS_FROM = 0.0
"""The published threshold on the score (Junhua-Liao/LR-ASD, `Columbia_test.py`)."""


class Crops(Protocol):
    """Crops of a track: an array (T, 112, 112) uint8, or anything that makes slices of one on demand."""

    def __len__(self) -> int: ...

    def __getitem__(self, frames: slice, /) -> Any: ...


class ActiveSpeaker:
    """LR-ASD (MIT, github.com/Junhua-Liao/LR-ASD), one thread.

    `weights_path` is `lrasd_pretrain_AVA.model`; `device` is what torch calls it ("cpu", "cuda"). Raises
    RuntimeError for weights of another network.
    """

    def __init__(self, weights_path: str, *, device: str = "cpu") -> None:
        import torch

        from extractors.asd_network import load_network

        torch.set_num_threads(1)  # sums, and so the last bits, depend on the number of threads
        self._torch = torch
        self._device = device
        self._network = load_network(weights_path, device=device)

    def __call__(
        self, crops: Crops, pcm: NDArray[np.float32], *, window_frames: int = WINDOW_FRAMES
    ) -> NDArray[np.float32]:
        """(T,) float32 scores of T grey crops at 25 fps: above 0 the face speaks, ±5 is sure.

        `crops` (T, 112, 112) uint8 as `extractors.track_crop` makes them; `pcm` (n,) float32, 16 kHz mono,
        full scale ±1, its first sample at the instant of the first crop. Frame t sees the sound of
        [40 t, 40 t + 55) ms, and its neighbours. Where `pcm` has ended there is silence; what it has beyond
        the last frame's 55 ms is left aside.

        The convolutions run over `window_frames` at a time with as many frames round them as they see, so
        that memory grows by 1 KB a frame only; the recurrent layers run over the whole track. The score of a
        frame hence depends on the track, and not on the windows (`test_windows_change_nothing`).
        Raises ValueError for crops or sound of another shape or type.
        """
        if pcm.ndim != 1:
            raise ValueError(f"pcm must be mono, (n,), not {pcm.shape}")
        if not len(crops):
            return np.zeros(0, np.float32)
        with self._torch.inference_mode():
            starts = range(0, len(crops), window_frames)
            parts = [self._embed(crops, pcm, start, start + window_frames) for start in starts]
            scores = self._network.score(self._torch.cat(parts))
        return np.asarray(scores.cpu().numpy(), np.float32)

    def _embed(self, crops: Crops, pcm: NDArray[np.float32], start: int, stop: int) -> Any:
        """Embeddings of the frames [start, stop), of their true neighbours on both sides."""
        from extractors.asd_network import CEPSTRA_A_FRAME, REACH_FRAMES

        low, high = max(0, start - REACH_FRAMES), min(len(crops), stop + REACH_FRAMES)
        seen = np.ascontiguousarray(crops[low:high])
        if seen.shape[1:] != (SIDE_PX, SIDE_PX) or seen.dtype != np.uint8:
            raise ValueError(f"crops must be (T, {SIDE_PX}, {SIDE_PX}) uint8, not {seen.shape} {seen.dtype}")
        heard = cepstra(pcm, CEPSTRA_A_FRAME * low, CEPSTRA_A_FRAME * high).astype(np.float32)
        pictures, sound = (self._torch.from_numpy(array).to(self._device) for array in (seen, heard))
        return self._network.embed(pictures, sound)[start - low : stop - low]


def smooth(scores: NDArray[np.float32], *, reach_frames: int = 2) -> NDArray[np.float32]:
    """Mean of each score and up to `reach_frames` on either side, as LR-ASD's and TalkNet's demos show it.

    (Theirs leave out the very last frame of a track.) Windows are cut off at the ends.
    """
    if not len(scores):
        return scores
    window = np.ones(2 * reach_frames + 1)
    middle = slice(reach_frames, reach_frames + len(scores))
    counts = np.convolve(np.ones(len(scores)), window)[middle]
    return (np.convolve(scores, window)[middle] / counts).astype(np.float32)
