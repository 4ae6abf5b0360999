from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from extractors.torchaudio_import import import_transformers
from extractors.voice_embedding import ResemblyzerVoice, XVectorVoice, make_voice_embedder, mel_frames

Sound = NDArray[np.float32]
WEIGHTS = str(metadata.distribution("resemblyzer").locate_file("resemblyzer/pretrained.pt"))


@pytest.fixture(scope="module")
def embedder() -> ResemblyzerVoice:
    return ResemblyzerVoice(WEIGHTS)


@pytest.fixture(scope="module")
def speech(media: Path) -> Sound:
    samples, rate_hz = soundfile.read(media / "audio" / "libri_198-209-0000.ogg", dtype="float32")
    assert rate_hz == 16_000
    return np.asarray(samples, np.float32)


def every(n_samples: int, length: int, step: int) -> NDArray[np.int64]:
    starts = np.arange(0, n_samples - length + 1, step)
    return np.stack([starts, starts + length], axis=1)


# Printed by resemblyzer 0.1.4 for 1.6 s of the clip from 3 s on: normalize_volume, wav_to_mel_spectrogram,
# VoiceEncoder; the four largest of the 256 numbers
REFERENCE = {12: 0.25794, 125: 0.25266, 112: 0.19012, 14: 0.18614}


def test_equals_what_the_package_printed(embedder: ResemblyzerVoice, speech: Sound) -> None:
    (row,) = embedder(speech, np.array([[48_000, 73_600]]))
    for number, expected in REFERENCE.items():
        assert abs(row[number] - expected) < 1e-4


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_equals_the_package(embedder: ResemblyzerVoice, speech: Sound) -> None:
    """Truth: resemblyzer 0.1.4, its volume, its librosa spectrogram and its network."""
    package = pytest.importorskip("resemblyzer")
    from resemblyzer.audio import normalize_volume, wav_to_mel_spectrogram

    reference = package.VoiceEncoder("cpu", verbose=False)
    for length in (25_600, 12_800, 9_999):
        windows = every(len(speech), length, 48_000)
        for window, row in zip(windows, embedder(speech, windows), strict=True):
            sound = normalize_volume(speech[slice(*window)], -30, increase_only=True)
            mel = wav_to_mel_spectrogram(sound)
            assert np.abs(mel_frames(speech, *window) - mel).max() < 1e-5 * mel.max()
            with torch.no_grad():
                expected = reference(torch.from_numpy(mel[None])).numpy()[0]
            assert np.abs(row - expected).max() < 1e-4


def test_two_voices_are_apart_and_one_is_not(media: Path, embedder: ResemblyzerVoice, speech: Sound) -> None:
    other, _ = soundfile.read(media / "audio" / "libri_3436-172162-0000.ogg", dtype="float32")
    one, two = (embedder(pcm, every(len(pcm), 25_600, 25_600)) for pcm in (speech, other))
    within, across = np.median(one @ one.T), np.median(one @ two.T)
    assert within - across > 0.2


def test_loudness_does_not_tell_who_it_is(embedder: ResemblyzerVoice, speech: Sound) -> None:
    windows = every(len(speech), 25_600, 48_000)
    quiet = embedder(speech * np.float32(0.01), windows)
    assert (quiet * embedder(speech * np.float32(0.001), windows)).sum(axis=1).min() > 0.999


def test_a_window_does_not_depend_on_the_others(embedder: ResemblyzerVoice, speech: Sound) -> None:
    windows = np.concatenate([every(len(speech), 25_600, 8_000), every(len(speech), 12_800, 30_000)])
    together = embedder(speech, windows)
    assert together.shape == (len(windows), 256) and together.dtype == np.float32
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    for row, window in list(zip(together, windows, strict=True))[::6]:
        part = embedder(speech[slice(*window)], np.array([[0, window[1] - window[0]]]))[0]
        assert np.abs(part - row).max() < 1e-5
    again = ResemblyzerVoice(WEIGHTS)(speech, windows)
    assert again.tobytes() == together.tobytes()


def test_odd_inputs(embedder: ResemblyzerVoice, speech: Sound) -> None:
    assert embedder(speech, np.zeros((0, 2), np.int64)).shape == (0, 256)
    silent = embedder(np.zeros(30_000, np.float32), np.array([[0, 25_600]]))
    assert not silent.any() and silent.shape == (1, 256)
    outside = embedder(speech[:16_000], np.array([[-8_000, 17_600], [90_000, 100_000], [0, 1]]))
    assert np.isfinite(outside).all() and outside[0].any() and not outside[1].any()
    padded = np.pad(speech[:16_000], (8_000, 1_600))
    assert np.abs(embedder(padded, np.array([[0, 25_600]])) - outside[0]).max() < 1e-6
    with pytest.raises(ValueError, match="mono"):
        embedder(speech[None], np.array([[0, 25_600]]))
    with pytest.raises(ValueError, match="none of them empty"):
        embedder(speech, np.array([[5, 5]]))


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pt"
    torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(RuntimeError, match="model_state"):
        ResemblyzerVoice(str(path))
    torch.save({"model_state": {"linear.bias": torch.zeros(256)}}, path)
    with pytest.raises(RuntimeError, match="Missing key"):
        ResemblyzerVoice(str(path))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small WavLM x-vector model as a hub's folder holds one, with seeded random weights."""
    transformers: Any = import_transformers()
    path = tmp_path_factory.mktemp("xvector")
    torch.manual_seed(0)
    config = transformers.WavLMConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        tdnn_dim=(32, 32, 32, 32, 64),
        xvector_output_dim=48,
    )
    transformers.WavLMForXVector(config).save_pretrained(path)
    features = transformers.Wav2Vec2FeatureExtractor(feature_size=1, sampling_rate=16_000, do_normalize=True)
    features.save_pretrained(path)
    return path


def test_a_model_of_the_hub(folder: Path, speech: Sound) -> None:
    """Truth: transformers' own model, called as its card says."""
    transformers: Any = import_transformers()
    windows = every(len(speech), 32_000, 64_000)
    embedder = make_voice_embedder("xvector", str(folder))
    rows = embedder(speech, windows)
    assert embedder.dims == 48 and rows.shape == (len(windows), 48)
    features = transformers.AutoFeatureExtractor.from_pretrained(folder)
    model = transformers.AutoModelForAudioXVector.from_pretrained(folder).eval()
    for row, window in zip(rows, windows, strict=True):
        inputs = features(speech[slice(*window)], sampling_rate=16_000, return_tensors="pt")
        with torch.no_grad():
            expected = torch.nn.functional.normalize(model(**inputs).embeddings, dim=-1)[0]
        assert np.abs(row - expected.numpy()).max() < 1e-5
    assert not embedder(np.zeros(40_000, np.float32), windows[:1]).any()


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"preprocessor_config|config\.json"):
        XVectorVoice(str(tmp_path))
