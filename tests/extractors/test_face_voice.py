from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from extractors.active_speaker import ActiveSpeaker, smooth
from extractors.audio import AudioReader, to_mono16k
from extractors.diarization import Diarization, diarize
from extractors.face_voice import match_voices
from extractors.landmarks import make_landmarker
from extractors.media import VideoReader
from extractors.probe import probe
from extractors.speaking import TrackScores
from extractors.speech import HOP, SpeechDetector, speech_segments
from extractors.track_crop import TrackCropper
from extractors.voice_embedding import ResemblyzerVoice


def carried(package: str, inside: str) -> str:
    return str(metadata.distribution(package).locate_file(inside))


@pytest.fixture(scope="module")
def dialogue(media: Path, models: Path) -> tuple[Diarization, dict[int, list[TrackScores]]]:
    """Voices and faces of dialogue_grid_2spk.mp4; face 10 is the left one (A), face 11 the right one (B)."""
    path = str(media / "video" / "dialogue_grid_2spk.mp4")
    found = probe(path)
    assert found.video is not None and found.audio is not None
    landmarker = make_landmarker("direct", task_path=str(models / "face_landmarker.task"), max_faces=2)
    croppers, crops = (TrackCropper(), TrackCropper()), ([], [])
    with VideoReader(path, stream_index=found.video.index) as video:
        for number, frame in enumerate(video.frames()):
            if number % 10 == 0:
                faces = landmarker(frame.image, 40 * number)
                boxes = sorted((face.box for face in faces), key=lambda box: box[0])
            for cropper, kept, box in zip(croppers, crops, boxes, strict=True):
                kept.append(cropper(frame.image, box))
    with AudioReader(path, stream_index=found.audio.index) as audio:
        pcm = to_mono16k(np.concatenate(list(audio.blocks()), axis=1), found.audio.rate_hz)
    detector = SpeechDetector(carried("silero-vad", "silero_vad/data/silero_vad_16k_sequence.onnx"))
    segments = speech_segments(detector.feed(np.pad(pcm, (0, -len(pcm) % HOP))))
    speaker = ActiveSpeaker(str(models / "lrasd_pretrain_AVA.model"))
    embedder = ResemblyzerVoice(carried("resemblyzer", "resemblyzer/pretrained.pt"))
    tracks = {
        10 + n: [TrackScores(n, 0.0, smooth(speaker(np.array(kept), pcm)))] for n, kept in enumerate(crops)
    }
    return diarize(pcm, segments, embedder), tracks


def spans_of(found: Diarization) -> dict[int, list[tuple[float, float]]]:
    return {
        voice: [(one.start_s, one.stop_s) for one in found.activities if one.speaker == voice]
        for voice in range(len(found.voices))
    }


def test_the_pairs_of_the_dialogue(
    media: Path, dialogue: tuple[Diarization, dict[int, list[TrackScores]]]
) -> None:
    diarized, faces = dialogue
    described = json.loads((media / "video" / "dialogue_grid_2spk.json").read_text())["turns"]
    assert len(diarized.voices) == 2
    pairs = match_voices(spans_of(diarized), faces)
    for pair in pairs:
        first_s = min(one.start_s for one in diarized.activities if one.speaker == pair.voice)
        (turn,) = [turn for turn in described[:2] if turn["start"] <= first_s + 0.2 <= turn["end"]]
        assert pair.face == {"A": 10, "B": 11}[turn["speaker"]]
        assert pair.confidence > 0.4 and pair.agreement is not None and pair.agreement > 0.8
    swapped = match_voices(spans_of(diarized), {10: faces[11], 11: faces[10]})
    assert [pair.face for pair in swapped] == [pair.face for pair in pairs][::-1]
    assert [pair.confidence for pair in swapped] == [pair.confidence for pair in pairs]


def test_a_face_that_is_not_there_takes_no_voice(
    dialogue: tuple[Diarization, dict[int, list[TrackScores]]],
) -> None:
    diarized, faces = dialogue
    both = match_voices(spans_of(diarized), faces)
    for gone in (10, 11):
        left = match_voices(spans_of(diarized), {face: t for face, t in faces.items() if face != gone})
        for one, other in zip(both, left, strict=True):
            assert other.face == (None if one.face == gone else one.face)
            assert (other.confidence == 0) == (other.face is None)


def scores(*runs: tuple[int, float]) -> np.ndarray:
    return np.concatenate([np.full(n, score, np.float32) for n, score in runs])


def face(*runs: tuple[int, float], start_s: float = 0.0) -> list[TrackScores]:
    return [TrackScores(0, start_s, scores(*runs))]


VOICES = {0: [(0.0, 4.0)], 1: [(4.0, 8.0)]}


def test_clear_evidence_is_sure_and_more_of_it_surer() -> None:
    faces = {5: face((100, 3), (100, -3)), 6: face((100, -3), (100, 3))}
    pairs = match_voices(VOICES, faces)
    assert [(pair.voice, pair.face, pair.agreement, pair.seen_s) for pair in pairs] == [
        (0, 5, 1.0, 4.0),
        (1, 6, 1.0, 4.0),
    ]
    assert [pair.confidence for pair in pairs] == pytest.approx([4 / 5] * 2)
    short = match_voices({0: [(3.0, 4.0)], 1: [(4.0, 5.0)]}, faces)
    assert [pair.confidence for pair in short] == pytest.approx([1 / 2] * 2)


def test_faces_that_tell_the_same_have_no_confidence() -> None:
    alike = face((100, 3), (100, -3))
    first, second = match_voices(VOICES, {5: alike, 6: alike})
    assert first.face in {5, 6} and first.confidence == 0
    assert second.face is None


def test_a_half_right_face_is_half_sure() -> None:
    """The lips are seen to speak in 3 of the voice's 4 s and in 1 of the other's: 0.75, half way to 1."""
    faces = {5: face((75, 3), (50, -3), (25, 3), (50, -3)), 6: face((200, -3))}
    first, second = match_voices(VOICES, faces)
    assert first.face == 5 and first.agreement == pytest.approx(0.75)
    assert first.confidence == pytest.approx(0.5 * 4 / 5)
    assert second.face is None


def test_voices_off_screen_and_odd_inputs() -> None:
    silent = face((200, -3))
    assert [pair.face for pair in match_voices(VOICES, {5: silent})] == [None, None]
    assert [pair.face for pair in match_voices(VOICES, {})] == [None, None]
    assert match_voices({}, {5: silent}) == []
    (alone,) = match_voices({0: [(0.0, 4.0)]}, {5: face((100, 3)), 6: face((100, -3))})
    assert alone.face == 5 and alone.agreement == 1.0
    unseen = face((100, np.nan), (100, np.nan))
    assert match_voices(VOICES, {5: unseen})[0].face is None


def test_only_time_of_one_voice_alone_counts() -> None:
    faces = {5: face((100, 3), (100, -3)), 6: face((50, -3), (150, 3))}
    overlapped = {0: [(0.0, 4.0)], 1: [(2.0, 8.0)]}
    pairs = match_voices(overlapped, faces)
    assert [(pair.face, pair.seen_s, pair.agreement) for pair in pairs] == [(5, 2.0, 1.0), (6, 4.0, 1.0)]


def test_an_identity_of_several_tracks() -> None:
    tracks = [*face((100, 3)), *face((50, -3), start_s=4.0), *face((50, -3), start_s=6.0)]
    (first, _) = match_voices(VOICES, {5: tracks, 6: face((100, -3), (100, 3))})
    assert first.face == 5 and first.agreement == 1.0
