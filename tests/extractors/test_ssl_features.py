from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.kmeans_units import fit_kmeans
from extractors.ssl_features import SslFeatures, _without_broken_companions, download, folder_digest
from extractors.weights import WeightsError

Pcm = NDArray[np.float32]
KINDS = ["hubert", "xlsr"]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Seeded random weights: the layers of HuBERT base and XLS-R 1B as published, narrower and four deep."""
    pytest.importorskip("transformers", reason="the extra tokens is not installed")
    import torch

    with _without_broken_companions():
        from transformers import HubertConfig, HubertModel, Wav2Vec2Config, Wav2Vec2Model
    narrow: dict[str, Any] = {
        "hidden_size": 96, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 192,
        "conv_dim": (48,) * 7, "num_conv_pos_embedding_groups": 8,
    }  # fmt: skip
    torch.manual_seed(3)
    models = {
        "hubert": HubertModel(HubertConfig(**narrow)),  # group norm, norm after
        "xlsr": Wav2Vec2Model(
            Wav2Vec2Config(**narrow, feat_extract_norm="layer", conv_bias=True, do_stable_layer_norm=True)
        ),
        "hubert25": HubertModel(  # mhubert-base-25hz, SpiritLM's: one more halving
            HubertConfig(
                **narrow | {"conv_dim": (48,) * 8},
                conv_stride=(5, 2, 2, 2, 2, 2, 2, 2),
                conv_kernel=(10, 3, 3, 3, 3, 2, 2, 2),
            )
        ),
    }
    folders = {}
    for name, model in models.items():
        folders[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(folders[name])
    return folders


@pytest.fixture(scope="module")
def speech(media: Path) -> Pcm:
    samples, rate_hz = soundfile.read(media / "audio" / "lyra_sample1_16k.wav", dtype="float32")
    assert rate_hz == 16_000
    return np.asarray(samples, np.float32)


def by_transformers(folder: Path, pcm: Pcm, layer: int) -> Pcm:
    import torch

    with _without_broken_companions():
        from transformers import AutoModel, Wav2Vec2FeatureExtractor

        model = AutoModel.from_pretrained(folder).eval()
        values = Wav2Vec2FeatureExtractor(do_normalize=True)(pcm, sampling_rate=16_000).input_values[0]
    with torch.inference_mode():
        told = model(torch.from_numpy(np.asarray(values, np.float32))[None], output_hidden_states=True)
    return np.asarray(told.hidden_states[layer][0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layer", [1, 3])
def test_equals_transformers(checkpoints: dict[str, Path], speech: Pcm, kind: str, layer: int) -> None:
    extractor = SslFeatures(str(checkpoints[kind]), layer=layer)
    (found,) = extractor([speech])
    expected = by_transformers(checkpoints[kind], speech, layer)
    assert (extractor.hop, extractor.field, extractor.rate_hz) == (320, 400, 50)
    assert found.shape == expected.shape == (extractor.n_frames(len(speech)), 96)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert expected.std() > 0.1


def test_last_layer_is_before_the_final_norm(checkpoints: dict[str, Path], speech: Pcm) -> None:
    import torch

    with _without_broken_companions():
        from transformers import AutoModel

        model = AutoModel.from_pretrained(checkpoints["xlsr"]).eval()
    extractor = SslFeatures(str(checkpoints["xlsr"]), layer=4)
    extractor._normalise = False
    (found,) = extractor([speech[:16_000]])
    with torch.inference_mode():
        expected = model(torch.from_numpy(speech[None, :16_000])).last_hidden_state[0]
        normed = model.encoder.layer_norm(torch.from_numpy(found))
    np.testing.assert_allclose(normed, expected, atol=1e-4)
    assert np.abs(found - np.asarray(expected)).max() > 0.1


@pytest.mark.parametrize("kind", KINDS)
def test_company_changes_nothing(checkpoints: dict[str, Path], speech: Pcm, kind: str) -> None:
    clips = [
        speech[start : start + n] for start, n in [(0, 16_000), (9_000, 16_000), (3, 12_345), (0, 16_000)]
    ]
    one = SslFeatures(str(checkpoints[kind]), layer=3)
    alone = [one([clip])[0] for clip in clips]
    for found, expected in zip(one(clips), alone, strict=True):
        np.testing.assert_array_equal(found, expected)
    batched = SslFeatures(str(checkpoints[kind]), layer=3, batch=8)(clips)
    for found, expected in zip(batched, alone, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-4 * expected.std())


def test_windows_differ_only_by_what_attention_sees(checkpoints: dict[str, Path], speech: Pcm) -> None:
    folder = str(checkpoints["xlsr"])
    (whole,) = SslFeatures(folder, layer=1)([speech])
    errors = []
    for context_s in (0.0, 1.0, 4.0):
        (found,) = SslFeatures(folder, layer=1, window_s=1.0, context_s=context_s)([speech])
        assert found.shape == whole.shape
        errors.append(float(np.abs(found - whole).mean() / whole.std()))
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 1e-6  # all of the clip's 3.5 s


def test_windows_stand_at_fixed_places(checkpoints: dict[str, Path], speech: Pcm) -> None:
    """What comes later than a window's context changes nothing in it (but for the level of the whole)."""
    extractor = SslFeatures(str(checkpoints["xlsr"]), layer=2, window_s=1.0, context_s=0.5)
    extractor._normalise = False
    (long,) = extractor([speech])
    (short,) = extractor([speech[:32_400]])  # 101 frames; the first window and its context are 75
    np.testing.assert_array_equal(long[:50], short[:50])


@pytest.mark.parametrize("n_samples", [0, 399, 400, 719, 720, 16_000, 16_079, 16_080])
def test_number_of_frames(checkpoints: dict[str, Path], n_samples: int) -> None:
    extractor = SslFeatures(str(checkpoints["hubert"]), layer=1, window_s=0.5, context_s=0.1)
    pcm = np.random.default_rng(1).standard_normal(n_samples).astype(np.float32)
    expected = 0 if n_samples < 400 else (n_samples - 400) // 320 + 1
    assert extractor([pcm])[0].shape == (expected, 96)


def test_a_network_of_25_hz(checkpoints: dict[str, Path], speech: Pcm) -> None:
    extractor = SslFeatures(str(checkpoints["hubert25"]), layer=2)
    assert (extractor.hop, extractor.rate_hz, extractor.dims) == (640, 25, 96)
    (found,) = extractor([speech])
    np.testing.assert_allclose(found, by_transformers(checkpoints["hubert25"], speech, 2), atol=1e-5)


def test_units_do_not_depend_on_the_batch(checkpoints: dict[str, Path], speech: Pcm) -> None:
    clips = [speech[start : start + 16_000] for start in range(0, 32_000, 4_000)]
    folder = str(checkpoints["xlsr"])
    features = SslFeatures(folder, layer=3)(clips)
    units = fit_kmeans(np.concatenate(features), 50, seed=1)
    batched = SslFeatures(folder, layer=3, batch=8)(clips)
    for one, other in zip(features, batched, strict=True):
        np.testing.assert_array_equal(units.assign(one), units.assign(other))


def test_normalises_as_the_checkpoint_says(checkpoints: dict[str, Path], speech: Pcm, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        (tmp_path / name).symlink_to(checkpoints["xlsr"] / name)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": False}))
    plain, normal = SslFeatures(str(tmp_path), layer=1), SslFeatures(str(checkpoints["xlsr"]), layer=1)
    assert plain.digest != normal.digest == folder_digest(str(checkpoints["xlsr"]))
    np.testing.assert_allclose(normal([speech])[0], normal([0.1 * speech])[0], atol=1e-3)
    assert np.abs(plain([speech])[0] - plain([0.1 * speech])[0]).max() > 0.1


def test_refusals(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"layer=5 must be in 1\.\.4"):
        SslFeatures(str(checkpoints["hubert"]), layer=5)
    with pytest.raises(WeightsError, match=r"no config\.json"):
        SslFeatures(str(tmp_path), layer=1)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(WeightsError, match="is a bert"):
        SslFeatures(str(tmp_path), layer=1)
    (tmp_path / "config.json").write_bytes((checkpoints["hubert"] / "config.json").read_bytes())
    with pytest.raises(WeightsError, match="holds no weights"):
        SslFeatures(str(tmp_path), layer=1)
    from safetensors.numpy import load_file, save_file

    tensors = load_file(checkpoints["hubert"] / "model.safetensors")
    tensors.pop("encoder.layers.0.attention.q_proj.weight")
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(WeightsError, match=r"lacks 1 tensors, first encoder\.layers\.0"):
        SslFeatures(str(tmp_path), layer=1)
    with pytest.raises(ValueError, match="40 hex digits"):
        download("facebook/wav2vec2-xls-r-1b", revision="main")


@pytest.mark.slow  # the imports of both take 10 s
def test_companions_are_hidden_only_meanwhile(checkpoints: dict[str, Path]) -> None:
    """In a process of its own, with timm (of SMIRK) imported after it."""
    script = (
        "import sys\n"
        "from extractors.ssl_features import SslFeatures\n"
        f"SslFeatures({str(checkpoints['hubert'])!r}, layer=1)\n"
        "assert sys.modules.get('torchvision', 0) is not None\n"
        "from extractors.smirk_network import SmirkEncoder\n"
        "SmirkEncoder()\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=Path(__file__).parents[2])
