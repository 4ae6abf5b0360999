"""Mimi on seeded random weights of the true architecture: the references' codes, batched or streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import torch
from numpy.typing import NDArray

from extractors.codec import Pcm, encode_one, to_codec_rate
from extractors.mimi import Mimi
from extractors.weights import WeightsError

pytest.importorskip("transformers")

N_FRAMES = 24
N_SAMPLES = N_FRAMES * 1920


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def mimi() -> Mimi:
    return Mimi.untrained(1, device="cpu")


@pytest.fixture(scope="module")
def speech(media: Path, mimi: Mimi) -> Pcm:
    """1.92 s."""
    samples, rate_hz = sf.read(media / "audio" / "lyra_sample1_16k.wav", dtype="float32")
    return to_codec_rate(samples[None, 4000:], rate_hz, mimi.spec)[:N_SAMPLES]


@pytest.fixture(scope="module")
def codes(mimi: Mimi, speech: Pcm) -> NDArray[np.int16]:
    return encode_one(mimi, speech)


def test_shape_name_and_variety(mimi: Mimi, codes: NDArray[np.int16]) -> None:
    assert mimi.spec.name == "mimi-untrained" and float(mimi.spec.frame_rate) == 12.5
    assert codes.shape == (8, N_FRAMES) and codes.dtype == np.int16
    assert codes.min() >= 0 and codes.max() < 2048
    assert all(len(np.unique(row)) > 12 for row in codes), "constant codes would prove nothing below"


def test_one_plain_call_of_transformers_gives_the_same(
    mimi: Mimi, speech: Pcm, codes: NDArray[np.int16]
) -> None:
    with torch.inference_mode():
        plain = mimi._model.encode(torch.from_numpy(speech)[None, None], num_quantizers=8)
    assert (plain.audio_codes[0].numpy() == codes).all()


def test_codes_are_those_of_the_reference_package(mimi: Mimi, speech: Pcm, codes: NDArray[np.int16]) -> None:
    """moshi (installed with --no-deps) with the same weights; the last frame is not whole."""
    loaders = pytest.importorskip("moshi.models.loaders")
    reference = loaders.get_mimi(None, num_codebooks=8)
    with torch.inference_mode():
        copy_weights(mimi._model, reference)
        theirs = reference.encode(torch.from_numpy(speech[None, None, :-300].copy()))[0].numpy()
    assert (encode_one(mimi, speech[:-300]) == theirs).all()
    assert (theirs[:, :-1] == codes[:, :-1]).all()


def copy_weights(source: Any, target: Any) -> None:
    """Convolutions in the order of definition; queries and keys from halves to pairs (RoPE interleaved)."""

    def convolutions(model: torch.nn.Module) -> list[torch.nn.Module]:
        return [one for one in model.modules() if isinstance(one, torch.nn.Conv1d)]

    def pairs(weight: torch.Tensor) -> torch.Tensor:
        return weight.view(8, 2, 32, 512).transpose(1, 2).reshape(512, 512)

    ours = [*convolutions(source.encoder.encoder_seanet), source.encoder.downsample.conv]
    for one, other in zip(
        ours, [*convolutions(target.encoder), *convolutions(target.downsample)], strict=True
    ):
        other.load_state_dict(one.state_dict())
    layers = target.encoder_transformer.transformer.layers
    for one, other in zip(source.encoder.encoder_transformer.layers, layers, strict=True):
        heads = one.self_attn
        qkv = [pairs(heads.q_proj.weight), pairs(heads.k_proj.weight), heads.v_proj.weight]
        other.self_attn.in_projs[0].weight.copy_(torch.cat(qkv))
        other.self_attn.out_projs[0].weight.copy_(heads.o_proj.weight)
        for ours_, theirs in (
            (one.mlp.fc1, other.linear1),
            (one.mlp.fc2, other.linear2),
            (one.input_layernorm, other.norm1),
            (one.post_attention_layernorm, other.norm2),
            (one.self_attn_layer_scale, other.layer_scale_1),
            (one.mlp_layer_scale, other.layer_scale_2),
        ):
            theirs.load_state_dict(ours_.state_dict())
    for name, part in (
        ("semantic", target.quantizer.rvq_first),
        ("acoustic", target.quantizer.rvq_rest),
    ):
        quantizer = source.quantizer.get_submodule(f"{name}_residual_vector_quantizer")
        part.input_proj.load_state_dict(quantizer.input_proj.state_dict())
        for one, other in zip(quantizer.layers, part.vq.layers, strict=True):
            other._codebook.embedding_sum.copy_(one.codebook.embed_sum)
            other._codebook.cluster_usage.copy_(one.codebook.cluster_usage)
            other._codebook._embedding = None


def test_the_seed_decides(speech: Pcm, codes: NDArray[np.int16]) -> None:
    state = torch.get_rng_state()
    again, other = (Mimi.untrained(seed, n_codebooks=2, device="cpu") for seed in (1, 2))
    assert (torch.get_rng_state() == state).all(), "nobody else's random numbers move"
    short = speech[: 8 * 1920]
    assert (encode_one(again, short) == codes[:2, :8]).all()
    assert (encode_one(other, short) != codes[:2, :8]).mean() > 0.5


def test_padding_neighbours_and_the_future_change_no_code(
    mimi: Mimi, speech: Pcm, codes: NDArray[np.int16]
) -> None:
    rows = np.zeros((3, N_SAMPLES), np.float32)
    cut = 13 * 1920 + 700
    rows[0, :cut] = speech[:cut]
    rows[1] = speech
    first, second, empty = mimi.encode(rows, [cut, N_SAMPLES, 0])
    assert (second == codes).all() and empty.shape == (8, 0)
    assert first.shape == (8, 14) and (first == encode_one(mimi, speech[:cut])).all()
    assert (first[:, :13] == codes[:, :13]).all(), "causal: what follows frame 12 is not seen"
    again = mimi.encode(rows[[2, 0, 1]], [0, cut, N_SAMPLES])
    assert (again[1] == first).all() and (again[2] == second).all()


def test_streaming_a_long_recording_gives_the_codes_of_the_whole(
    mimi: Mimi, speech: Pcm, codes: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (5, 16):
        monkeypatch.setattr(mimi, "_chunk_frames", size)
        assert (encode_one(mimi, speech) == codes).all()


@pytest.mark.slow
def test_streaming_beyond_the_window_of_attention(
    mimi: Mimi, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """30 s: attention sees 10 s, so the state handed on has been cut twice."""
    samples, rate_hz = sf.read(media / "audio" / "pyannote_sample.wav", dtype="float32")
    sound = to_codec_rate(samples[None], rate_hz, mimi.spec)
    monkeypatch.setattr(mimi, "_chunk_frames", 1000)
    whole = encode_one(mimi, sound)
    monkeypatch.setattr(mimi, "_chunk_frames", 60)
    pieces = encode_one(mimi, sound)
    assert whole.shape == (8, 375) and (pieces == whole).all()


def test_weights_from_a_file(mimi: Mimi, speech: Pcm, codes: NDArray[np.int16], tmp_path: Path) -> None:
    """Written under the names of the published file: those of `encoder.layers`, flat."""
    from safetensors.torch import load_file, save_file

    mimi._model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    assert {
        "encoder.layers.0.conv.weight",
        "encoder_transformer.layers.7.self_attn.q_proj.weight",
        "downsample.conv.weight",
        "quantizer.acoustic_residual_vector_quantizer.layers.30.codebook.embed_sum",
    } <= set(tensors)
    loaded = Mimi(n_codebooks=3, device="cpu", weights_path=str(path))
    assert loaded.spec.name == "mimi" and (encode_one(loaded, speech) == codes[:3]).all()
    del tensors["downsample.conv.weight"]
    save_file(tensors, path)
    with pytest.raises(WeightsError, match=r"downsample\.conv\.weight is missing"):
        Mimi(device="cpu", weights_path=str(path))


def test_decoding_gives_whole_frames(mimi: Mimi, codes: NDArray[np.int16]) -> None:
    sound = mimi.decode(codes[:, :5])
    assert sound.shape == (5 * 1920,) and np.isfinite(sound).all()


def test_wrong_options() -> None:
    for n in (0, 33):
        with pytest.raises(ValueError, match="1 to 32"):
            Mimi.untrained(1, n_codebooks=n)
    with pytest.raises(ValueError, match="for GPUs"):
        Mimi.untrained(1, device="cpu", precision="bf16")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="no GPU"):
            Mimi.untrained(1, device="cuda")


@pytest.mark.gpu
def test_on_a_gpu(cuda: str, speech: Pcm, codes: NDArray[np.int16]) -> None:
    """Rows alone, together and again; against the CPU nearly all codes, since ties may fall otherwise."""
    on_gpu = Mimi.untrained(1, device="cuda")
    rows = np.stack([speech, speech[::-1]])
    n_samples = [len(speech)] * 2
    first, second = on_gpu.encode(rows, n_samples)
    again = on_gpu.encode(rows[::-1].copy(), n_samples)
    assert (again[1] == first).all() and (again[0] == second).all()
    assert (first[0] == codes[0]).mean() > 0.95
    low = Mimi.untrained(1, device="cuda", precision="bf16").encode(rows, n_samples)[0]
    assert low.shape == first.shape and (low[0] == first[0]).mean() > 0.3
