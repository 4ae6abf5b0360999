from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.asr import Recogniser
from extractors.audio import to_mono16k
from extractors.weights import MissingWeightsError, WeightsError
from extractors.whisper_weights import find_whisper
from extractors.words import plain_words, word_error_rate

# Northanger Abbey, chapter 12, as printed
ALLEN = (
    "“Mrs. Allen,” said Catherine the next morning, “will there be any harm in my calling on Miss "
    "Tilney today? I shall not be easy till I have explained everything.” “Go, by all means, my dear; "
    "only put on a white gown; Miss Tilney always wears white.”"
)


def located(model: str) -> str:
    pytest.importorskip("faster_whisper")
    try:
        return str(find_whisper(model).folder)
    except MissingWeightsError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def tiny() -> Recogniser:
    return Recogniser(located("tiny.en"))


@pytest.fixture(scope="module")
def allen(media: Path) -> NDArray[np.float32]:
    return sound(media / "audio" / "libri_198-209-0000.ogg")


def sound(path: Path) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return to_mono16k(samples.T, rate_hz)


def test_reads_a_book(tiny: Recogniser, allen: NDArray[np.float32]) -> None:
    found = tiny(allen)
    assert word_error_rate(ALLEN, found.text) < 0.1
    assert (found.language, found.language_probability) == ("en", 1.0)
    assert found.no_speech_probability < 0.3
    assert -1 < found.mean_logprob < 0
    assert 1 < found.compression_ratio < 2.4
    bounds = [(word.start_s, word.end_s) for word in found.words]
    assert all(start <= stop for start, stop in bounds)
    assert all(before[1] <= after[0] for before, after in pairwise(bounds))
    assert bounds[-1][1] <= len(allen) / 16_000
    assert all(0 < word.confidence <= 1 for word in found.words if word.confidence is not None)


def test_n_best_differ_and_come_best_first(tiny: Recogniser, media: Path) -> None:
    from extractors.audio import AudioReader
    from extractors.probe import probe

    path = str(media / "video" / "grid_id2_vcd_swwp2s.mpg")
    stream = probe(path).audio
    assert stream is not None
    with AudioReader(path, stream_index=stream.index) as reader:
        pcm = to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)
    found = tiny.n_best(pcm, n=4)
    assert 2 <= len(found) <= 4
    assert len({tuple(plain_words(one.text)) for one in found}) == len(found)
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.score < 0 for one in found)
    assert plain_words(found[0].text)[:3] == ["set", "white", "with"]
    assert tiny.n_best(pcm, n=4) == found
    assert tiny(pcm) == tiny(pcm)
    assert tiny.n_best(np.zeros(16_000, np.float32)) == []


def test_times_of_a_known_text(tiny: Recogniser, allen: NDArray[np.float32]) -> None:
    from extractors.alignment import ForcedAligner

    pytest.importorskip("pocketsphinx")
    found = tiny.align(allen, ALLEN, language="en")
    other = ForcedAligner()(allen, ALLEN)  # another model, another method
    assert [word.text for word in found] == [word.text for word in other] == ALLEN.split()
    gaps = [abs(a.start_s - b.start_s) for a, b in zip(found, other, strict=True)]
    assert np.median(gaps) < 0.15
    wrong = tiny.align(allen, ALLEN[::-1], language="en")
    assert np.mean([word.confidence or 0 for word in found]) > 2 * np.mean(
        [word.confidence or 0 for word in wrong]
    )


def test_nothing_is_invented_over_digital_silence(tiny: Recogniser) -> None:
    found = tiny(np.zeros(32_000, np.float32))
    assert (found.words, found.text, found.no_speech_probability) == ((), "", 1.0)


def test_wrong_sound_and_languages_are_refused(tiny: Recogniser) -> None:
    with pytest.raises(ValueError, match="mono float32"):
        tiny(np.zeros((2, 100), np.float32))
    with pytest.raises(ValueError, match="30 s"):
        tiny.n_best(np.ones(31 * 16_000, np.float32))
    with pytest.raises(ValueError, match="no language 'xx'"):
        tiny.align(np.ones(16_000, np.float32), "hi", language="xx")


@pytest.mark.slow
def test_the_language_is_told(media: Path) -> None:
    pcm = sound(media / "audio" / "katiesteve_mono.wav")[: 8 * 16_000]
    base = Recogniser(located("base"))
    found = base(pcm)
    assert found.language == "en"
    assert 0.8 < found.language_probability < 1
    assert plain_words(found.text)[:3] == ["good", "morning", "steve"]
    assert base(pcm, language="en").language_probability == 1.0


@pytest.mark.slow
def test_loops_are_short_and_can_be_told(media: Path) -> None:
    base = Recogniser(located("base"))
    loop = base(np.random.default_rng(0).normal(0, 0.01, 48_000).astype(np.float32))
    assert loop.compression_ratio > 2.4  # the bound of the reference
    assert len(loop.words) < 80
    speech = base(sound(media / "audio" / "pyannote_sample.wav"))  # 30 s with crosstalk
    assert speech.compression_ratio < 2.4
    assert 60 < len(speech.words) < 100


def test_weights_that_are_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("faster_whisper")
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    with pytest.raises(MissingWeightsError, match="whisper nobody/none at abc123 was not found") as caught:
        find_whisper("nobody/none", revision="abc123")
    assert "hub's cache at abc123" in str(caught.value)
    assert f"DUOLOGUE_MODELS: {tmp_path}" in str(caught.value)
    with pytest.raises(MissingWeightsError, match="is no folder"):
        find_whisper("/nowhere/model")
    with pytest.raises(WeightsError, match="no known name"):
        find_whisper("enormous")


def test_a_folder_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "whisper-mine"
    folder.mkdir()
    with pytest.raises(WeightsError, match=r"lacks model\.bin, config\.json"):
        find_whisper(str(folder))
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_text(json.dumps({"of": name}))
    by_path = find_whisper(str(folder))
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    by_name = find_whisper("mine")
    assert by_name.sha256 == by_path.sha256
    assert by_name.found_in == "DUOLOGUE_MODELS"
    (folder / "vocabulary.txt").write_text("a")
    assert find_whisper("mine").sha256 != by_path.sha256
    pytest.importorskip("faster_whisper")
    with pytest.raises(ValueError, match="no CTranslate2 conversion"):
        Recogniser(str(folder))
