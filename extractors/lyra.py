"""Lyra V2 (google/lyra, Apache-2.0): a SoundStream whose trained weights may be passed on.

16 kHz, 320 samples a frame: 50 Hz, up to 46 codebooks of 4 bits (3.2, 6 and 9.2 kbit/s are 16, 30 and 46).
The networks are quantized to int8 and keep their past in variables; they take one frame at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from extractors.codec import Codec, CodecSpec, Codes, Pcm, check_batch
from extractors.weights import locate

N_CODEBOOKS = 46
_HOP = 320
_NO_CODE = -1  # what the decoder takes for a codebook that was not sent
_FULL_SCALE = 32768.0


class Lyra:
    """`Codec` on LiteRT, one thread. Samples are rounded to 16 bits first, as the published encoder does.

    Each row begins with networks just loaded (6 ms): that, and not LiteRT's `reset_all_variables`, is the
    state in which a recording begins. So a row's codes depend on nothing but the row, and are causal: what
    follows a frame cannot change it.
    """

    weights = ("lyra_encoder", "lyra_quantizer", "lyra_decoder")
    libraries = ("ai-edge-litert", "numpy")
    version = 1

    def __init__(self, *, n_codebooks: int = N_CODEBOOKS, folder: str | None = None) -> None:
        """The first `n_codebooks` of 46; `folder` with the three files, by default the model store's.

        Raises `WeightsError`, and ValueError for another number of codebooks.
        """
        if not 1 <= n_codebooks <= N_CODEBOOKS:
            raise ValueError(f"n_codebooks={n_codebooks}: Lyra has 1 to {N_CODEBOOKS}")
        files = ("soundstream_encoder.tflite", "quantizer.tflite", "lyragan.tflite")
        paths = [f"{folder}/{name}" if folder else str(locate(key).path)
                 for name, key in zip(files, self.weights, strict=True)]  # fmt: skip
        self._encoder_path, quantizer_path, self._decoder_path = paths
        self._quantizer = _interpreter(quantizer_path)
        self._quantize = self._quantizer.get_signature_runner("encode")
        self._dequantize = self._quantizer.get_signature_runner("decode")
        self._spec = CodecSpec(
            family="lyra",
            rate_hz=16_000,
            hop=_HOP,
            n_codebooks=n_codebooks,
            codebook_size=16,
            trained=True,
        )

    @property
    def spec(self) -> CodecSpec:
        """What its codes are."""
        return self._spec

    def encode(self, batch: Pcm, n_samples: Sequence[int]) -> list[Codes]:
        """See `Codec.encode`; rows are done one after the other, so the batch's shape does not matter."""
        check_batch(self._spec, batch, n_samples)
        return [
            self._codes(row[: self._spec.n_frames(n) * _HOP]) for row, n in zip(batch, n_samples, strict=True)
        ]

    def decode(self, codes: Codes) -> Pcm:
        """(n, frames), n up to 46, to (frames * 320,) samples at 16 kHz."""
        indices = np.full((codes.shape[1], N_CODEBOOKS, 1, 1), _NO_CODE, np.int32)
        indices[:, : len(codes), 0, 0] = codes.T
        features = [self._dequantize(encoding_indices=one)["output_0"] for one in indices]
        return _run(self._decoder_path, features, _HOP).reshape(-1)

    def _codes(self, samples: Pcm) -> Codes:
        whole = np.clip(np.round(samples * np.float32(_FULL_SCALE)), -_FULL_SCALE, _FULL_SCALE - 1)
        frames = (whole / np.float32(_FULL_SCALE)).astype(np.float32).reshape(-1, 1, _HOP)
        features = _run(self._encoder_path, frames, 64)
        n_codebooks = np.int32(self._spec.n_codebooks)
        codes = np.zeros((self._spec.n_codebooks, len(features)), np.int16)
        for at, feature in enumerate(features):
            found = self._quantize(input_frames=feature[None, None], num_quantizers=n_codebooks)
            codes[:, at] = found["output_0"].ravel()[:n_codebooks]
        return codes


def _interpreter(path: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path, num_threads=1)
    interpreter.allocate_tensors()
    return interpreter


def _run(path: str, frames: Sequence[NDArray[Any]] | NDArray[Any], width: int) -> Pcm:
    """(frames, width): a network just loaded, fed frame by frame."""
    network = _interpreter(path)
    taken, given = network.get_input_details()[0]["index"], network.get_output_details()[0]["index"]
    outputs = np.zeros((len(frames), width), np.float32)
    for at, frame in enumerate(frames):
        network.set_tensor(taken, frame)
        network.invoke()
        outputs[at] = network.get_tensor(given).reshape(width)
    return outputs


def _is_a_codec(lyra: Lyra) -> Codec:
    return lyra  # for mypy: the protocol is kept
