"""DAC on seeded random weights of the true architecture: the reference's codes, batched, in pieces."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from numpy.typing import NDArray

from extractors.codec import Pcm, encode_one, to_codec_rate
from extractors.dac import Dac, stack_frames, unstack_frames
from extractors.torchaudio_import import import_torchaudio
from extractors.weights import WeightsError

pytest.importorskip("transformers")


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def dac() -> Dac:
    return Dac.untrained(1, "dac16", device="cpu")


@pytest.fixture(scope="module")
def speech(media: Path) -> Pcm:
    """1.2 s: 60 frames of 50 Hz."""
    samples, _ = sf.read(media / "audio" / "lyra_sample1_16k.wav", dtype="float32")
    found: Pcm = samples[8000 : 8000 + 60 * 320]
    return found


@pytest.fixture(scope="module")
def codes(dac: Dac, speech: Pcm) -> NDArray[np.int16]:
    return encode_one(dac, speech)


def test_shape_name_and_variety(dac: Dac, codes: NDArray[np.int16]) -> None:
    assert dac.spec.name == "dac16-untrained" and dac.spec.frame_rate == 50
    assert codes.shape == (12, 60) and codes.dtype == np.int16
    assert codes.min() >= 0 and codes.max() < 1024
    assert all(len(np.unique(row)) > 20 for row in codes), "constant codes would prove nothing below"


def test_codes_are_those_of_the_reference_package(dac: Dac, speech: Pcm, codes: NDArray[np.int16]) -> None:
    """descript-audio-codec with the same weights, called as its README says."""
    if find_spec("dac") is None or find_spec("torchaudio") is None:
        pytest.skip("the extra dac is not installed")
    import_torchaudio()
    dac_package = pytest.importorskip("dac")
    reference = dac_package.DAC(
        encoder_rates=[2, 4, 5, 8], decoder_rates=[8, 5, 4, 2], n_codebooks=12, sample_rate=16_000
    ).eval()
    copy_weights(dac._model, reference)
    with torch.inference_mode():
        padded = reference.preprocess(torch.from_numpy(speech[None, None, :-77].copy()), 16_000)
        latents, theirs, *_ = reference.encode(padded)
        sound = reference.decode(latents)[0, 0].numpy()
    ours = encode_one(dac, speech[:-77])
    assert (ours == theirs[0].numpy()).all() and (ours != codes).any(), "the 77 samples matter"
    assert np.abs(dac.decode(ours)[: len(sound)] - sound).max() < 1e-6


def copy_weights(source: torch.nn.Module, target: torch.nn.Module) -> None:
    """In the order of definition, which both packages share; weight norm is folded first."""
    for part in ("encoder", "quantizer", "decoder"):
        layers = [
            [
                one
                for one in model.get_submodule(part).modules()
                if type(one).__name__ in ("Conv1d", "ConvTranspose1d", "Embedding", "Snake1d")
            ]
            for model in (source, target)
        ]
        for one, other in zip(*layers, strict=True):
            assert type(one).__name__ == type(other).__name__
            if hasattr(other, "weight_g"):
                torch.nn.utils.remove_weight_norm(other)
            other.load_state_dict(one.state_dict())


def test_padding_and_neighbours_change_no_code(dac: Dac, speech: Pcm, codes: NDArray[np.int16]) -> None:
    """Three rows of one width; what is left of a row's end is another row's sound or nothing."""
    rows = np.zeros((3, 60 * 320), np.float32)
    rows[0, : 40 * 320 + 9] = speech[: 40 * 320 + 9]
    rows[1] = speech
    n_samples = [40 * 320 + 9, 60 * 320, 0]
    first, second, empty = dac.encode(rows, n_samples)
    assert (second == codes).all() and empty.shape == (12, 0)
    assert (first == encode_one(dac, speech[: 40 * 320 + 9])).all()
    again = dac.encode(rows[[2, 0, 1]], [0, *n_samples[:2]])
    assert (again[1] == first).all() and (again[2] == second).all()


def test_the_end_of_a_row_is_not_silence(dac: Dac, speech: Pcm, codes: NDArray[np.int16]) -> None:
    """The masks do something: without them the last frames of a padded row would be others."""
    with_silence = encode_one(dac, np.concatenate([speech[: 40 * 320], np.zeros(20 * 320, np.float32)]))
    alone = encode_one(dac, speech[: 40 * 320])
    assert (with_silence[:, :30] == alone[:, :30]).all() and (with_silence[:, :40] != alone).any()


def test_pieces_of_a_long_recording_give_the_codes_of_the_whole(
    dac: Dac, speech: Pcm, codes: NDArray[np.int16], monkeypatch: pytest.MonkeyPatch
) -> None:
    for size in (17, 33):
        monkeypatch.setattr(dac, "_chunk_frames", size)
        assert (encode_one(dac, speech) == codes).all()


def test_the_reach_is_exact(dac: Dac, speech: Pcm) -> None:
    """Frame 30 by gradient: it depends on the first and last sample of its reach and on none beyond."""
    first, last = dac.reach
    samples = torch.from_numpy(speech.copy())[None, None].requires_grad_()
    with torch.enable_grad():
        dac._convolutions(samples, [60 * 320])[0, :, 30].double().square().sum().backward()
    moved = np.flatnonzero(samples.grad[0, 0].numpy())
    assert (moved[0], moved[-1]) == (30 * 320 + first, 30 * 320 + last)


def test_stacking_by_hand() -> None:
    plain = np.array([[0, 1, 2, 3], [10, 11, 12, 13]], np.int16)
    stacked = stack_frames(plain, 2)
    assert stacked.tolist() == [[0, 2], [10, 12], [1, 3], [11, 13]]
    assert (unstack_frames(stacked, 2) == plain).all() and (stack_frames(plain, 1) == plain).all()


def test_dac16x25_is_two_frames_of_eight_codebooks(dac: Dac, speech: Pcm, codes: NDArray[np.int16]) -> None:
    stacked = Dac.untrained(1, "dac16x25", device="cpu")
    assert stacked.spec.name == "dac16x25-untrained" and stacked.spec.frame_rate == 25
    found = encode_one(stacked, speech)
    assert found.shape == (16, 30)
    assert (found[:8] == codes[:8, 0::2]).all() and (found[8:] == codes[:8, 1::2]).all()
    odd = encode_one(stacked, speech[: 29 * 320])  # the second half of the last frame is zeros
    assert odd.shape == (16, 15)
    assert stacked.decode(odd).shape == (15 * 640,)


@pytest.mark.parametrize(
    ("variant", "rate_hz", "shape"), [("dac24", 24_000, (32, 38)), ("dac44", 44_100, (9, 44))]
)
def test_other_rates(speech: Pcm, variant: str, rate_hz: int, shape: tuple[int, int]) -> None:
    """Half a second: 37.5 frames of 75 Hz, 43.1 of 86.13 Hz."""
    made = Dac.untrained(2, variant, device="cpu")
    found = encode_one(made, to_codec_rate(speech[None, :8000], 16_000, made.spec))
    assert made.spec.rate_hz == rate_hz and found.shape == shape


def test_weights_from_a_file_and_files_that_do_not_fit(
    dac: Dac, speech: Pcm, codes: NDArray[np.int16], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    dac._model.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    loaded = Dac("dac16", device="cpu", weights_path=str(path))
    assert loaded.spec.name == "dac16" and (encode_one(loaded, speech) == codes).all()
    tensors = load_file(path)
    lacking = {name: one for name, one in tensors.items() if name != "encoder.conv1.bias"}
    for content, text in (
        (lacking, "encoder.conv1.bias is missing"),
        (tensors | {"extra": torch.zeros(1)}, "extra is unknown"),
        (tensors | {"encoder.conv1.bias": torch.zeros(3)}, "encoder.conv1.bias"),
    ):
        save_file(content, path)
        with pytest.raises(WeightsError, match=text):
            Dac("dac16", device="cpu", weights_path=str(path))
    path.write_bytes(b"no safetensors")
    with pytest.raises(WeightsError, match="no readable safetensors"):
        Dac("dac16", device="cpu", weights_path=str(path))


def test_wrong_options() -> None:
    with pytest.raises(ValueError, match="1 to 12"):
        Dac.untrained(1, "dac16", n_codebooks=13)
    with pytest.raises(KeyError):
        Dac.untrained(1, "dac25")


@pytest.mark.gpu
def test_on_a_gpu(cuda: str, dac: Dac, speech: Pcm, codes: NDArray[np.int16]) -> None:
    """Rows alone, together and again; against the CPU nearly all codes, since ties may fall otherwise."""
    on_gpu = Dac.untrained(1, "dac16", device="cuda")
    rows = np.stack([speech, speech[::-1]])
    n_samples = [len(speech)] * 2
    first, second = on_gpu.encode(rows, n_samples)
    again = on_gpu.encode(rows[::-1].copy(), n_samples)
    assert (again[1] == first).all() and (again[0] == second).all()
    assert (first[0] == codes[0]).mean() > 0.95
    low = Dac.untrained(1, "dac16", device="cuda", precision="bf16").encode(rows, n_samples)[0]
    assert low.shape == first.shape and (low[0] == first[0]).mean() > 0.3
