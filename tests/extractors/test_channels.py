from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.channels import Channels, Finding, Settings, channel_activity, swapped
from extractors.speech import HOP, SpeechDetector

Sound = NDArray[np.float32]
VAD = str(metadata.distribution("silero-vad").locate_file("silero_vad/data/silero_vad_16k_sequence.onnx"))


@pytest.fixture(scope="module")
def detector() -> SpeechDetector:
    return SpeechDetector(VAD)


@pytest.fixture(scope="module")
def dyad(media: Path) -> Sound:
    """(2, n): A left, B right; silent in between."""
    samples, rate_hz = soundfile.read(media / "audio" / "dialogue_grid_2spk_stereo.wav", dtype="float32")
    assert rate_hz == 16_000
    return np.ascontiguousarray(samples.T)


@pytest.fixture(scope="module")
def turns(media: Path) -> tuple[list[tuple[float, float]], ...]:
    described = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text())["turns"]
    return tuple([(t["start"], t["end"]) for t in described if t["speaker"] == who] for who in "AB")


def measured(detector: SpeechDetector, pcm: Sound, settings: Settings | None = None) -> Channels:
    rows = []
    for row in pcm:
        detector.reset()
        rows.append(detector.feed(np.pad(row, (0, -len(row) % HOP))))
    return channel_activity(pcm, np.stack(rows), settings=settings)


def with_leak(pcm: Sound, db: float, delay_s: float) -> Sound:
    """Each channel also hears the other one, `db` softer and `delay_s` later."""
    late = np.roll(pcm[::-1], round(delay_s * 16_000), axis=1)
    late[:, : round(delay_s * 16_000)] = 0
    return np.asarray(pcm + late * 10 ** (db / 20), np.float32)


def agreement(found: Channels, turns: tuple[list[tuple[float, float]], ...]) -> float:
    """Share of 10 ms steps of 17 s in which both channels are told right."""
    steps = np.zeros((2, 2, 1700), bool)
    for row, parts in enumerate((turns, found.segments)):
        for channel, spans in enumerate(parts):
            for start_s, stop_s in spans:
                steps[row, channel, round(start_s * 100) : round(stop_s * 100)] = True
    return float((steps[0] == steps[1]).all(axis=0).mean())


def test_clean_channels(
    detector: SpeechDetector, dyad: Sound, turns: tuple[list[tuple[float, float]], ...]
) -> None:
    found = measured(detector, dyad)
    assert agreement(found, turns) > 0.94
    assert [len(one) for one in found.segments] == [3, 3] and found.findings == ()
    assert found.suppressed_s == (0.0, 0.0)


@pytest.mark.parametrize(("db", "delay_s"), [(-20, 0.008), (-20, 0.0), (-10, 0.015), (-30, 0.04)])
def test_cross_talk_is_not_speech_of_its_channel(
    detector: SpeechDetector,
    dyad: Sound,
    turns: tuple[list[tuple[float, float]], ...],
    db: float,
    delay_s: float,
) -> None:
    leaking = with_leak(dyad, db, delay_s)
    found = measured(detector, leaking)
    assert agreement(found, turns) > 0.93
    assert [len(one) for one in found.segments] == [3, 3], "the overlapped pair is in both channels"
    assert found.leak_db == pytest.approx((db, db), abs=2.5)
    assert found.findings == ()
    if db >= -20:  # the detector hears the leak; without suppression it would be speech
        assert min(found.suppressed_s) > 3


def test_one_channel_recorded_20_db_softer(
    detector: SpeechDetector, dyad: Sound, turns: tuple[list[tuple[float, float]], ...]
) -> None:
    softer = with_leak(dyad, -30, 0.008) * np.array([[0.1], [1]], np.float32)
    assert agreement(measured(detector, softer), turns) > 0.93


def test_swapped_channels_swap_everything(detector: SpeechDetector, dyad: Sound) -> None:
    one, other = (
        measured(detector, with_leak(dyad, -20, 0.008)),
        measured(detector, np.ascontiguousarray(with_leak(dyad, -20, 0.008)[::-1])),
    )
    assert one.segments == other.segments[::-1] and one.leak_db == other.leak_db[::-1]


def test_a_swap_shows_in_the_voices(media: Path, detector: SpeechDetector, dyad: Sound) -> None:
    """The expected voices are those of other clips: A's of another sentence of the same man."""
    from extractors.audio import AudioReader, to_mono16k
    from extractors.diarization import voice_of
    from extractors.probe import probe
    from extractors.voice_embedding import ResemblyzerVoice

    path = "resemblyzer/pretrained.pt"
    embedder = ResemblyzerVoice(str(metadata.distribution("resemblyzer").locate_file(path)))
    found = measured(detector, dyad)
    voices = [voice_of(row, spans[:1], embedder) for row, spans in zip(dyad, found.segments, strict=True)]
    expected = []
    for clip in ("grid_id2_vcd_swwp2s.mpg", "grid_brbk7n.mpg"):
        audio = probe(str(media / "video" / clip)).audio
        assert audio is not None
        with AudioReader(str(media / "video" / clip), stream_index=audio.index) as reader:
            pcm = to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)
        expected.append(voice_of(pcm, [(0.5, 2.2)], embedder))
    similarity = np.array(voices) @ np.array(expected).T
    assert swapped(similarity) is False
    assert swapped(similarity[::-1]) is True
    assert swapped(np.full((2, 2), 0.7)) is None


def test_a_silent_channel(detector: SpeechDetector, dyad: Sound) -> None:
    dyad = dyad * np.array([[1], [0]], np.float32)
    found = measured(detector, dyad)
    assert found.findings == ((Finding.SILENT_CHANNEL, 1),)
    assert len(found.segments[0]) == 3 and found.segments[1] == ()


def test_a_channel_of_cross_talk_only(detector: SpeechDetector, dyad: Sound) -> None:
    noise = np.random.default_rng(0).normal(0, 1e-4, dyad.shape)
    alone = with_leak(dyad * np.array([[1], [0]], np.float32), -20, 0.008) + noise
    found = measured(detector, alone.astype(np.float32))
    assert found.findings == ((Finding.NO_SPEECH, 1),)
    assert len(found.segments[0]) == 3 and found.segments[1] == ()


@pytest.mark.parametrize(("gain", "delay"), [(1.0, 0), (-0.5, 0), (0.7, 160)])
def test_dual_mono(detector: SpeechDetector, dyad: Sound, gain: float, delay: int) -> None:
    mono = dyad.mean(axis=0)
    noise = np.random.default_rng(0).normal(0, 1e-4, dyad.shape)
    found = measured(detector, (np.stack([mono, gain * np.roll(mono, delay)]) + noise).astype(np.float32))
    assert found.findings == ((Finding.DUAL_MONO, None),)
    assert found.segments == ((), ())


def test_odd_inputs(detector: SpeechDetector, dyad: Sound) -> None:
    for pcm in (dyad[:, :0], np.zeros((2, 16_000), np.float32)):
        found = measured(detector, pcm)
        assert [finding for finding, _ in found.findings] == [Finding.SILENT_CHANNEL] * 2
        assert found.segments == ((), ())
    second = measured(detector, dyad[:, 8_000:24_000])
    assert second.segments[0][-1][1] <= 1.0 and second.segments[1] == ()
    with pytest.raises(ValueError, match="two channels"):
        channel_activity(dyad[:1], np.zeros((1, 532), np.float32))
    with pytest.raises(ValueError, match="two channels"):
        channel_activity(dyad, np.zeros((2, 3), np.float32))


NOD_S = (7.7, 7.82)
"""In the middle of A's second turn, where B is silent."""


def with_nod(pcm: Sound) -> Sound:
    """0.12 s of a vowel of B's, the loudest, as a nod."""
    start, stop = (round(edge * 16_000) for edge in NOD_S)
    power = np.convolve(pcm[1, : 6 * 16_000] ** 2, np.ones(stop - start), "valid")
    first = int(power.argmax())
    nod = pcm[1, first : first + stop - start] * np.hanning(stop - start) ** 0.25
    found = pcm.copy()
    found[1, start:stop] += nod
    return found


@pytest.mark.parametrize(("db", "heard"), [(None, True), (-20, True), (-10, False)])
def test_a_short_nod_is_heard_where_cross_talk_leaves_nothing_as_short(
    detector: SpeechDetector, dyad: Sound, db: float | None, heard: bool
) -> None:
    nodding = with_nod(dyad)
    pcm = nodding if db is None else with_leak(nodding, db, 0.008)
    spans = measured(detector, pcm).segments[1]
    assert any(start < NOD_S[1] and NOD_S[0] < stop for start, stop in spans) == heard
    assert len(spans) == 3 + heard
    deaf = measured(detector, pcm, Settings(min_speech_s=0.25)).segments[1]
    assert len(deaf) == 3, "Silero's own limit loses it"
