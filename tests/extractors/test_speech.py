from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.audio import AudioReader, to_mono16k
from extractors.probe import probe
from extractors.speech import HOP, HOP_S, SpeechDetector, speech_segments


def carried(name: str) -> str:
    spec = find_spec("silero_vad")  # found, not imported: importing it would ask for torch
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("the package silero-vad, which carries the network, is not installed")
    return str(Path(spec.submodule_search_locations[0]) / "data" / name)


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector(carried("silero_vad_16k_sequence.onnx"))


def read(path: Path) -> NDArray[np.float32]:
    samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    return to_mono16k(samples.T, rate_hz)


def probabilities(detector: SpeechDetector, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    detector.reset()
    return detector.feed(np.pad(samples, (0, -len(samples) % HOP)))


def test_agrees_with_human_labels(media: Path, detector: SpeechDetector) -> None:
    labelled = np.zeros(3000, bool)  # 30 s in steps of 10 ms
    for line in (media / "audio" / "pyannote_sample.rttm").read_text().splitlines():
        start_s, length_s = (float(word) for word in line.split()[3:5])
        labelled[round(start_s * 100) : round((start_s + length_s) * 100)] = True
    heard = np.zeros(3000, bool)
    for start_s, stop_s in speech_segments(
        probabilities(detector, read(media / "audio" / "pyannote_sample.wav"))
    ):
        heard[round(start_s * 100) : round(stop_s * 100)] = True
    assert (labelled == heard).mean() > 0.98


def test_finds_the_sentence_of_each_grid_clip(media: Path, detector: SpeechDetector) -> None:
    aligned = json.loads((media / "video" / "grid_alignments_pocketsphinx.json").read_text())["clips"]
    checked = 0
    for name, words in aligned.items():
        path = media / "video" / name
        if not path.exists():
            continue
        audio = probe(str(path)).audio
        assert audio is not None
        with AudioReader(str(path), stream_index=audio.index) as reader:
            samples = to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)
        (segment,) = speech_segments(probabilities(detector, samples), min_silence_s=0.4)
        assert segment[0] == pytest.approx(words[0][1], abs=0.15)
        assert segment[1] == pytest.approx(words[-1][2], abs=0.2)
        checked += 1
    assert checked >= 7


def test_noise_and_silence_are_not_speech(media: Path, detector: SpeechDetector) -> None:
    assert probabilities(detector, np.zeros(16_000 * 3, np.float32)).max() < 0.5
    bark = read(media / "noise" / "esc10_dog_1-100032-A-0.wav")
    assert speech_segments(probabilities(detector, bark)) == []


def test_equals_the_stateful_network_hop_by_hop(media: Path, detector: SpeechDetector) -> None:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        carried("silero_vad.onnx"), options, providers=["CPUExecutionProvider"]
    )
    samples = read(media / "audio" / "pyannote_sample.wav")[: 300 * HOP]
    state, context, expected = np.zeros((2, 1, 128), np.float32), np.zeros(64, np.float32), []
    for hop in samples.reshape(-1, HOP):
        window = np.concatenate([context, hop])[None]
        found, state = session.run(None, {"input": window, "state": state, "sr": np.array(16_000, np.int64)})
        expected.append(found[0, 0])
        context = hop[-64:]
    np.testing.assert_array_equal(probabilities(detector, samples), np.array(expected))


def test_cutting_the_input_changes_nothing(media: Path, detector: SpeechDetector) -> None:
    samples = read(media / "audio" / "lyra_sample1_16k.wav")
    samples = samples[: len(samples) // HOP * HOP]
    whole = probabilities(detector, samples)
    detector.reset()
    cuts = np.sort(np.random.default_rng(5).integers(0, len(samples), 40))
    parts = [detector.feed(part) for part in np.split(samples, cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_other_networks_are_refused() -> None:
    with pytest.raises(ValueError, match="sequence"):
        SpeechDetector(carried("silero_vad.onnx"))


def in_hops(segments: list[tuple[float, float]]) -> list[tuple[int, int]]:
    return [(round(start_s / HOP_S), round(stop_s / HOP_S)) for start_s, stop_s in segments]


def test_leaving_needs_a_lower_probability_than_entering() -> None:
    probs = [0.1] * 5 + [0.6] * 5 + [0.4] * 20 + [0.1] * 10
    assert in_hops(speech_segments(probs, min_speech_s=0, pad_s=0)) == [(5, 30)]
    assert in_hops(speech_segments([0.4] * 20, min_speech_s=0, pad_s=0)) == []


def test_short_silence_does_not_end_speech() -> None:
    probs = [0.9] * 10 + [0.0] * 3 + [0.9] * 10 + [0.0] * 8 + [0.9] * 10
    assert in_hops(speech_segments(probs, min_silence_s=5 * HOP_S, pad_s=0, min_speech_s=0)) == [
        (0, 23),
        (31, 41),
    ]


def test_short_speech_is_dropped() -> None:
    probs = [0.0] * 10 + [0.9] * 3 + [0.0] * 10 + [0.9] * 12 + [0.0] * 10
    assert in_hops(speech_segments(probs, min_speech_s=0.25, pad_s=0)) == [(23, 35)]


def test_padding_stops_at_the_edges_and_half_way_to_the_neighbour() -> None:
    probs = [0.9] * 10 + [0.0] * 6 + [0.9] * 10
    found = speech_segments(probs, min_silence_s=HOP_S, min_speech_s=0, pad_s=1.0)
    assert in_hops(found) == [(0, 13), (13, 26)]


def test_no_hops_no_segments() -> None:
    assert speech_segments([]) == []
