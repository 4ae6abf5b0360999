from __future__ import annotations

import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from syncnet_weights import brightness_and_loudness, saved, seeded, tensor_shapes

from extractors.av_offset import FRAME_S
from extractors.syncnet import SyncNet, SyncNetwork, compare, cut_face, face_squares
from extractors.weights import WeightsError

# What that repository's own `SyncNetInstance.evaluate` and `forward_*` gave for `seeded(7)` and `material()`
# (torch 2.13 on a CPU, python_speech_features 0.6); embeddings at the columns named
COLUMNS = [0, 1, 500, 1023]
LIPS = {0: [4.51201, 0.75695, -0.32148, 0.50365], 7: [5.20171, -0.06344, -0.02046, 0.83414]}
SOUND = {0: [5.15826, 10.01415, -0.03112, 0.95639], 6: [4.60677, 9.65547, 0.17575, 0.9346]}
OFFSET, MIN_DISTANCE, CONFIDENCE = 15, 119.4543, 0.0  # random weights: zeros past the end come nearest
# its `calc_pdist` for `rolled`: frames by which the sound is late, offset, least distance, median minus that
COMPARED = [(-8, 8, 2.41518, 3.16306), (-1, 1, 2.02544, 3.44164), (4, -4, 2.15020, 3.39291)]


def material() -> tuple[np.ndarray, np.ndarray]:
    """12 pictures of colour blocks, and noise that grows from frame to frame."""
    rng = np.random.default_rng(6)
    crops = rng.integers(0, 256, (12, 7, 7, 3), dtype=np.uint8).repeat(32, axis=1).repeat(32, axis=2)
    pcm = rng.normal(size=12 * 640) * 0.1 * np.linspace(0.1, 1, 12).repeat(640)
    return crops, pcm.astype(np.float32)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> SyncNet:
    return SyncNet(saved(seeded(7), tmp_path_factory.mktemp("weights") / "syncnet_v2.model"))


def test_tensors_are_called_and_shaped_as_published() -> None:
    found = {name: tuple(tensor.shape) for name, tensor in SyncNetwork().state_dict().items()}
    assert found == tensor_shapes()


def test_embeddings_are_those_of_the_reference(network: SyncNet) -> None:
    crops, pcm = material()
    lips, sound = network.embed_lips(crops), network.embed_sound(pcm, 7)
    assert lips.shape == (8, 1024) and sound.shape == (7, 1024)
    for row, expected in LIPS.items():
        assert np.abs(lips[row, COLUMNS].numpy() - expected).max() < 1e-3
    for row, expected in SOUND.items():
        assert np.abs(sound[row, COLUMNS].numpy() - expected).max() < 1e-3


def test_the_whole_is_that_of_the_reference(network: SyncNet) -> None:
    found = network(*material())
    assert found.offset_frames == OFFSET and found.offset_s == pytest.approx(0.6)
    assert found.min_distance == pytest.approx(MIN_DISTANCE, abs=2e-3)
    assert found.confidence == pytest.approx(CONFIDENCE, abs=1e-3)


@pytest.mark.parametrize(("late", "offset", "distance", "confidence"), COMPARED)
def test_offsets_are_those_of_the_reference(
    late: int, offset: int, distance: float, confidence: float
) -> None:
    rng = np.random.default_rng(8)
    lips = rng.normal(size=(40, 16)).astype(np.float32)
    noise = rng.normal(size=(40, 16)).astype(np.float32)
    found = compare(torch.from_numpy(lips), torch.from_numpy(np.roll(lips, late, axis=0) + noise / 2))
    assert found.offset_frames == offset == -late
    assert found.offset_s == pytest.approx(-late * FRAME_S)
    assert found.min_distance == pytest.approx(distance, abs=1e-4)
    assert found.confidence == pytest.approx(confidence, abs=1e-4)


def test_the_sign_through_the_whole_network(tmp_path: Path) -> None:
    flicker = SyncNet(saved(brightness_and_loudness(), tmp_path / "flicker.model"))
    n = 40
    levels = np.random.default_rng(2).uniform(size=n).repeat(2)[: n + 20]
    grey = np.rint(255 * levels[10 : 10 + n]).astype(np.uint8)
    lips = flicker.embed_lips(np.broadcast_to(grey[:, None, None, None], (n, 224, 224, 3)))
    carrier = np.random.default_rng(3).normal(size=n * 640)
    for late in (-8, -3, -1, 0, 1, 3, 8):
        heard = levels[10 - late : 10 - late + n].repeat(640)
        pcm = (0.0005 * np.exp(5 * heard) * carrier).astype(np.float32)  # log energy spans 10
        found = compare(lips[: n - 5], flicker.embed_sound(pcm, n - 5))
        assert found.offset_frames == -late, found
        assert found.confidence > 0.3


def test_squares_are_those_of_the_reference() -> None:
    """From S3FD's box of side 100, which ours is 1.13 times smaller than (`extractors.track_crop`)."""
    side = 100 / 1.13
    middle = 200 + 0.08 * side  # theirs holds as much more of the forehead
    boxes = np.tile([300 - side / 2, middle - side / 2, 300 + side / 2, middle + side / 2], (20, 1))
    boxes[5] += 40  # one frame astray
    squares = face_squares(boxes)
    assert squares.shape == (20, 3)
    assert np.allclose(squares[:, 0], 300)
    # rows 150 … 290: from 0.5 above the middle to 0.9 below
    assert np.abs(squares[:, 1] - 220).max() < 1
    assert np.abs(squares[:, 2] - 140).max() < 3


def test_a_crop_is_the_square_and_grey_outside() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[..., 0] = np.arange(400)[None] % 256
    image[..., 2] = np.arange(300)[:, None] % 256
    whole = cut_face(image, x=150, y=130, side=224)
    assert np.array_equal(whole, image[18:242, 38:262])
    half = cut_face(image, x=150, y=130, side=448)
    assert (half[:47] == 110).all() and (half[:, :36] == 110).all()
    assert abs(int(half[112, 112, 0]) - 150) <= 1 and abs(int(half[112, 112, 2]) - 130) <= 1


def test_batches_change_nothing(network: SyncNet) -> None:
    crops = np.concatenate([material()[0]] * 2)[:21]
    whole = network.embed_lips(crops)
    assert whole.shape == (17, 1024)
    assert torch.allclose(whole[16:], network.embed_lips(crops[16:]), atol=1e-4)


def test_five_frames_are_too_few(network: SyncNet) -> None:
    crops, pcm = material()
    found = network(crops[:5], pcm)
    assert math.isnan(found.offset_frames) and found.confidence == 0
    assert math.isfinite(network(crops[:6], pcm).offset_frames)
    assert math.isnan(network(crops, pcm[: 5 * 640]).offset_frames)


def test_other_shapes_are_refused(network: SyncNet) -> None:
    crops, pcm = material()
    for wrong in ((crops[:, :112], pcm), (crops.astype(np.float32), pcm), (crops, pcm[None])):
        with pytest.raises(ValueError, match="must be"):
            network(*wrong)


def test_other_files_are_refused(tmp_path: Path) -> None:
    text = tmp_path / "text.model"
    text.write_text("not weights")
    with pytest.raises(WeightsError, match="readable"):
        SyncNet(str(text))
    with pytest.raises(WeightsError, match=r"missing\.model"):
        SyncNet(str(tmp_path / "missing.model"))
    tensors = seeded(7)
    del tensors["netfclip.3.bias"]
    with pytest.raises(WeightsError, match=r"netfclip\.3\.bias is missing"):
        SyncNet(saved(tensors, tmp_path / "short.model"))
    tensors = seeded(7) | {"netfcaud.3.weight": torch.zeros(256, 512)}
    with pytest.raises(WeightsError, match=r"netfcaud\.3\.weight is \(256, 512\)"):
        SyncNet(saved(tensors, tmp_path / "narrow.model"))


class Touch:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    trace = tmp_path / "run"
    with (tmp_path / "bad.model").open("wb") as file:
        pickle.dump({"netfclip.0.bias": Touch(trace)}, file)
    with pytest.raises(WeightsError):
        SyncNet(str(tmp_path / "bad.model"))
    assert not trace.exists()


@pytest.mark.gpu
def test_a_gpu_gives_the_same_but_for_the_last_digits(cuda: str, tmp_path: Path, network: SyncNet) -> None:
    crops, pcm = material()
    other = SyncNet(saved(seeded(7), tmp_path / "syncnet_v2.model"), device=cuda)
    assert torch.allclose(other.embed_lips(crops), network.embed_lips(crops), atol=1e-2)
    assert torch.allclose(other.embed_sound(pcm, 7), network.embed_sound(pcm, 7), atol=1e-2)
