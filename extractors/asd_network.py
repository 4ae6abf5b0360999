"""LR-ASD's network for inference: Liao et al., "LR-ASD: Lightweight and Robust Network for Active Speaker
Detection" (IJCV 2025), weights github.com/Junhua-Liao/LR-ASD (MIT).

Two encoders of three blocks, each two convolutions over space (of the picture; over the cepstra) and two over
time, all with batch normalisation and ReLU. Pictures keep their 25 Hz, sound comes at 100 Hz and is halved
twice. The two embeddings of a frame pass a gate; two GRUs, one of them backwards, see the whole track.

The published file has three-dimensional kernels with one side of length 1 for the pictures. Here they run as
two-dimensional ones, and the normalisations are folded into them: 6 ms of CPU a frame instead of 10.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, relu
from torch.nn.utils.fusion import fuse_conv_bn_eval

N_CEPSTRA = 13
CEPSTRA_A_FRAME = 4
N_EMBEDDING = 256
"""Numbers a frame that reach the GRUs: 128 of the sound, 128 of the picture."""
REACH_FRAMES = 9
"""Frames on either side that an embedding depends on: 2 + 1 in each of three blocks. The sound reaches 24 of
its 100 Hz frames (3 + 1 at 100 Hz, 3 + 1 at 50 Hz, 3 at 25 Hz), so six pictures."""
TRAINING_ONLY = frozenset({"lossV.FC.weight", "lossV.FC.bias"})
"""Tensors of the published file that inference leaves aside: a head that judges the picture alone."""

_WIDTHS = (1, 32, 64, 128)
_GREY_MEAN, _GREY_STD = 0.4161, 0.1688  # of full scale
_EPS = 1e-3  # of every batch normalisation


def load_network(weights_path: str, *, device: str = "cpu") -> LrAsd:
    """The network with the published weights, ready to run on `device`.

    Raises RuntimeError for a tensor that is missing, of another shape, or unexpected (`TRAINING_ONLY` are
    expected and left out).
    """
    published = torch.load(weights_path, map_location="cpu", weights_only=True)
    network = LrAsd()
    network.load_state_dict(
        {name: _flat(name, tensor) for name, tensor in published.items() if name not in TRAINING_ONLY}
    )
    network.eval()
    for block in network.modules():
        if isinstance(block, _Block):
            block.fuse()
    return network.to(device)


def _flat(name: str, tensor: Tensor) -> Tensor:
    """A kernel of the pictures (out, in, time, height, width) without its side of length 1."""
    if tensor.ndim != 5:
        return tensor
    return tensor.squeeze(2 if ".s_" in name else 4)


class LrAsd(nn.Module):
    """Embeddings of a window of frames, and scores of a whole track made of them.

    Attributes here and below are called as the tensors of the published file.
    """

    def __init__(self) -> None:
        super().__init__()
        parts = {
            "visualEncoder": _PictureEncoder(),
            "audioEncoder": _SoundEncoder(),
            "fusion": _Gate(N_EMBEDDING),
            "detector": _Detector(),
        }
        self.model = nn.ModuleDict(parts)
        self.lossAV = nn.ModuleDict({"FC": nn.Linear(N_EMBEDDING // 2, 2)})

    def embed(self, crops: Tensor, cepstra: Tensor) -> Tensor:
        """(T, 112, 112) grey levels 0..255 and (4 T, 13) cepstra to (T, 256)."""
        pictures = (crops.float() / 255 - _GREY_MEAN) / _GREY_STD
        return torch.cat([self.model["audioEncoder"](cepstra), self.model["visualEncoder"](pictures)], dim=1)

    def score(self, embeddings: Tensor) -> Tensor:
        """(T, 256) embeddings of a whole track to (T,) logits of "speaks"."""
        logits: Tensor = self.lossAV["FC"](self.model["detector"](self.model["fusion"](embeddings)))
        return logits[:, 1]


class _Block(nn.ModuleDict):
    """Convolutions called `{space}_1`, `{space}_2`, `t_1` and `t_2`, each with its normalisation."""

    def __init__(self, space: str, n_in: int, n_out: int, shapes: list[tuple[int, int]], stride: int) -> None:
        super().__init__()
        names = (f"{space}_1", f"{space}_2", "t_1", "t_2")
        widths = (n_in, n_out // 2, n_out, n_out, n_out)
        for number, (name, (high, wide)) in enumerate(zip(names, shapes, strict=True)):
            self[name] = nn.Conv2d(
                widths[number],
                widths[number + 1],
                (high, wide),
                stride=stride if number == 0 else 1,
                padding=(high // 2, wide // 2),
                bias=False,
            )
            self[_norm(name)] = nn.BatchNorm2d(widths[number + 1], eps=_EPS)

    def fuse(self) -> None:
        """Fold the normalisations into the convolutions."""
        for name, convolution in list(self.items()):
            if isinstance(convolution, nn.Conv2d):
                norm = self[_norm(name)]
                assert isinstance(norm, nn.BatchNorm2d)
                self[name], self[_norm(name)] = fuse_conv_bn_eval(convolution, norm), nn.Identity()

    def along(self, axis: str, x: Tensor) -> Tensor:
        """Both convolutions over space (`axis` "s" or "m") or time ("t")."""
        for name in (f"{axis}_1", f"{axis}_2"):
            x = relu(self[_norm(name)](self[name](x)), inplace=True)
        return x


def _norm(name: str) -> str:
    return name.replace("_", "_norm_")


class _PictureEncoder(nn.Module):
    """(T, 112, 112) to (T, 128)."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [(5, 5), (3, 3), (5, 1), (3, 1)]
        self.block1, self.block2, self.block3 = (
            _Block("s", _WIDTHS[n], _WIDTHS[n + 1], shapes, stride=2 if n == 0 else 1) for n in range(3)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        x = _block_of_pictures(self.block1, pictures[:, None])
        x = _block_of_pictures(self.block2, max_pool2d(x, 3, stride=2, padding=1))
        x = _block_of_pictures(self.block3, max_pool2d(x, 3, stride=2, padding=1))
        return x.amax(dim=(2, 3))


def _block_of_pictures(block: _Block, x: Tensor) -> Tensor:
    """(T, channels, H, W): a batch of T pictures over space, then one of T rows and H W columns over time.

    Channels lie innermost in memory throughout, which takes a sixth less time and makes the views free.
    """
    x = block.along("s", x.contiguous(memory_format=torch.channels_last))
    n_frames, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(1, n_frames, height * width, channels)
    x = block.along("t", rows.permute(0, 3, 1, 2))
    return x.permute(0, 2, 3, 1).reshape(n_frames, height, width, -1).permute(0, 3, 1, 2)


class _SoundEncoder(nn.Module):
    """(4 T, 13) to (T, 128)."""

    def __init__(self) -> None:
        super().__init__()
        shapes = [(5, 1), (3, 1), (1, 5), (1, 3)]
        self.block1, self.block2, self.block3 = (
            _Block("m", _WIDTHS[n], _WIDTHS[n + 1], shapes, stride=1) for n in range(3)
        )

    def forward(self, cepstra: Tensor) -> Tensor:
        x = cepstra.T[None, None]
        for block in (self.block1, self.block2):
            x = block.along("t", block.along("m", x))
            x = max_pool2d(x, (1, 3), stride=(1, 2), padding=(0, 1))
        x = self.block3.along("t", self.block3.along("m", x))
        return x.mean(dim=2)[0].T


class _Gate(nn.Module):
    """Each number times a weight of 0..1 that all numbers of its frame decide."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention = nn.Conv1d(width, width, 1, bias=False)
        self.bn = nn.BatchNorm1d(width, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        columns = x.T[None]
        weights = torch.sigmoid(self.bn(self.attention(columns)))
        return (columns * weights)[0].T


class _Detector(nn.Module):
    """(T, 256) to (T, 128): what came before a frame and what comes after it."""

    def __init__(self) -> None:
        super().__init__()
        self.gru_forward = nn.GRU(N_EMBEDDING, N_EMBEDDING // 4)
        self.gru_backward = nn.GRU(N_EMBEDDING, N_EMBEDDING // 4)
        self.attention = _Gate(N_EMBEDDING // 2)

    def forward(self, x: Tensor) -> Tensor:
        before, _ = self.gru_forward(x)
        after, _ = self.gru_backward(x.flip(0))
        gated: Tensor = self.attention(torch.cat([before, after.flip(0)], dim=1))
        return gated
