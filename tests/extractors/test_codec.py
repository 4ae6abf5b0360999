"""What all codecs share: the grid of frames, resampling, and transformers beside a CPU torch."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest

from extractors import torchaudio_import
from extractors.codec import CodecSpec, check_batch, to_codec_rate
from extractors.weights import MissingWeightsError, locate


def spec(rate_hz: int, hop: int, *, trained: bool = True) -> CodecSpec:
    return CodecSpec(
        family="some", rate_hz=rate_hz, hop=hop, n_codebooks=2, codebook_size=16, trained=trained
    )


MIMI, DAC25, LYRA, DAC44 = spec(24_000, 1920), spec(16_000, 640), spec(16_000, 320), spec(44_100, 512)


def test_names_tell_random_weights() -> None:
    assert MIMI.name == "some" and spec(1, 1, trained=False).name == "some-untrained"


def test_rates_and_intervals_are_exact() -> None:
    assert (MIMI.frame_rate, DAC25.frame_rate, LYRA.frame_rate) == (Fraction(25, 2), 25, 50)
    assert DAC44.frame_rate == Fraction(11025, 128)  # 86.1328125 Hz
    assert MIMI.interval(3) == (Fraction(24, 100), Fraction(32, 100))
    # an hour later still no rounding: 100 000 * 512 / 44100
    assert DAC44.interval(100_000)[0] == Fraction(512_000, 441)


@pytest.mark.parametrize(
    ("n_video", "mimi", "dac25", "lyra"), [(1, 1, 1, 2), (2, 1, 2, 4), (3, 2, 3, 6), (75, 38, 75, 150)]
)
def test_a_clip_of_the_video_grid_gives_whole_frames(n_video: int, mimi: int, dac25: int, lyra: int) -> None:
    duration = Fraction(n_video, 25)
    assert [one.n_frames_of(duration) for one in (MIMI, DAC25, LYRA)] == [mimi, dac25, lyra]
    assert DAC25.n_samples_of(duration) == 640 * n_video
    assert MIMI.n_samples_of(duration) == 1920 * mimi
    assert [one.n_frames(int(duration * one.rate_hz)) for one in (MIMI, DAC25, LYRA)] == [mimi, dac25, lyra]


def test_a_sample_more_is_a_frame_more() -> None:
    assert [LYRA.n_frames(n) for n in (0, 1, 320, 321)] == [0, 1, 1, 2]


def test_batches_of_another_form_are_refused() -> None:
    good = np.zeros((2, 640), np.float32)
    check_batch(LYRA, good, [640, 0])
    for batch, n_samples, text in (
        (good[0], [640], "wants float32"),
        (good.astype(np.float64), [1, 1], "wants float32"),
        (good[:, :600], [1, 1], "a multiple of 320"),
        (good, [640], "do not fit"),
        (good, [641, 1], "do not fit"),
        (good + 1, [640, 639], "must be zero"),
    ):
        with pytest.raises(ValueError, match=text):
            check_batch(LYRA, batch, n_samples)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_resampling_keeps_tones_levels_and_times(rate_hz: int) -> None:
    """A tone of 1 kHz in two channels against the formula; the click stays in its place."""
    n = rate_hz + 7
    tone = np.sin(2 * np.pi * 1000 * np.arange(n) / rate_hz)
    found = to_codec_rate(np.array([0.5 * tone, 0.1 * tone], np.float32), rate_hz, MIMI)
    assert len(found) == int(n * 24_000 / rate_hz + 0.5) and found.dtype == np.float32
    expected = 0.3 * np.sin(2 * np.pi * 1000 * np.arange(len(found)) / 24_000)
    assert np.abs(found - expected)[600:-600].max() < 1e-4
    click = np.zeros((1, rate_hz), np.float32)
    click[0, rate_hz // 2] = 1
    assert abs(int(np.abs(to_codec_rate(click, rate_hz, MIMI)).argmax()) - 12_000) <= 1


def test_the_own_rate_is_left_alone() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, (1, 5000)).astype(np.float32)
    assert to_codec_rate(noise, 24_000, MIMI).tobytes() == noise.tobytes()


def test_torchaudio_works_without_its_library() -> None:
    """In a process of its own: what was imported before does not count."""
    if find_spec("torchaudio") is None:
        pytest.skip("torchaudio is not installed")
    code = (
        "from extractors.torchaudio_import import import_torchaudio\n"
        "import torch\n"
        "audio = import_torchaudio()\n"
        "tone = torch.sin(torch.arange(4800) * 0.05)[None]\n"
        "found = audio.transforms.Resample(48000, 24000)(tone)\n"
        "assert found.shape == (1, 2400) and (found[0, 50:-50] - tone[0, 100:-100:2]).abs().max() < 0.02\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_only_the_library_that_does_not_load_is_helped(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> ModuleType:
        raise OSError("no space left on device")

    monkeypatch.setattr(torchaudio_import.importlib, "import_module", fail)
    with pytest.raises(OSError, match="no space"):
        torchaudio_import.import_torchaudio()


def test_naming_the_codecs_loads_no_torch() -> None:
    code = (
        "import sys, extractors.mimi, extractors.dac, extractors.lyra, extractors.token_batches\n"
        "assert not {'torch', 'transformers', 'torchaudio', 'ai_edge_litert'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_cache_of_the_hub_is_searched(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache as huggingface-hub documents it: refs, snapshots, one folder a commit."""
    cache = tmp_path_factory.mktemp("hub")
    commit = "0123456789abcdef0123456789abcdef01234567"
    folder = cache / "models--kyutai--mimi"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text(commit)
    (folder / "snapshots" / commit).mkdir(parents=True)
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.delenv("DUOLOGUE_MODELS", raising=False)
    monkeypatch.delenv("DUOLOGUE_HUB_REVISION", raising=False)
    with pytest.raises(MissingWeightsError, match="hub kyutai/mimi@main: not in the local cache"):
        locate("mimi")
    path = folder / "snapshots" / commit / "model.safetensors"
    path.write_bytes(b"weights")
    assert locate("mimi").path == path
    assert locate("mimi").found_in == f"hub kyutai/mimi@{commit}"
    monkeypatch.setenv("DUOLOGUE_HUB_REVISION", "v2")
    with pytest.raises(MissingWeightsError, match="mimi@v2: not in the local cache"):
        locate("mimi")
