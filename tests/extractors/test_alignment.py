from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from extractors.alignment import AlignmentError, ForcedAligner, UnknownWordsError
from extractors.audio import AudioReader, to_mono16k
from extractors.probe import probe
from extractors.spelling import guess_sounds
from extractors.words import Word
from manifests.transcripts import read_transcript

# Northanger Abbey, chapter 12, and Bulfinch, The Adventure of the Cart, as printed
ALLEN = (
    "“Mrs. Allen,” said Catherine the next morning, “will there be any harm in my calling on Miss "
    "Tilney to-day? I shall not be easy till I have explained everything.” “Go, by all means, my "
    "dear; only put on a white gown; Miss Tilney always wears white.”"
)
CART = (
    "The Adventure of the Cart. It befell in the month of May, Queen Guenever called to her knights "
    "of the Table Round, and gave them warning that early upon the morrow she would ride a-maying "
    "into the woods and fields beside Westminster."
)
BOOKS = {"libri_198-209-0000.ogg": ALLEN, "libri_3436-172162-0000.ogg": CART}


@pytest.fixture(scope="module")
def aligner() -> ForcedAligner:
    pytest.importorskip("pocketsphinx")
    return ForcedAligner()


def sound(path: Path) -> NDArray[np.float32]:
    stream = probe(str(path)).audio
    assert stream is not None
    with AudioReader(str(path), stream_index=stream.index) as reader:
        return to_mono16k(np.concatenate(list(reader.blocks()), axis=1), reader.rate_hz)


@pytest.fixture(scope="module")
def grid(media: Path) -> dict[str, tuple[NDArray[np.float32], str]]:
    texts = json.loads((media / "video" / "grid_transcripts.json").read_text())
    return {name: (sound(media / "video" / name), text) for name, text in texts.items()}


def edges(words: list[Word]) -> NDArray[np.float64]:
    return np.array([(word.start_s, word.end_s) for word in words])


def test_agrees_with_a_human(
    media: Path, aligner: ForcedAligner, grid: dict[str, tuple[NDArray[np.float32], str]]
) -> None:
    human = read_transcript(media / "video" / "grid_id2_vcd_swwp2s.align").words
    found = aligner(*grid["grid_id2_vcd_swwp2s.mpg"])
    assert [word.text for word in found] == [word.text for word in human]
    truth = np.array([(float(word.start or 0), float(word.stop or 0)) for word in human])
    errors = np.abs(edges(found) - truth)
    assert errors.mean() < 0.05
    assert errors.max() < 0.1


def test_every_grid_clip_aligns_where_speech_is_heard(
    aligner: ForcedAligner, grid: dict[str, tuple[NDArray[np.float32], str]]
) -> None:
    assert len(grid) == 8
    for pcm, text in grid.values():
        found = aligner(pcm, text)
        assert " ".join(word.text for word in found) == text
        bounds = edges(found)
        assert (bounds[:, 0] < bounds[:, 1]).all()
        assert (bounds[1:, 0] >= bounds[:-1, 1]).all()
        inside = np.zeros(len(pcm), bool)
        inside[round(bounds[0, 0] * 16_000) : round(bounds[-1, 1] * 16_000)] = True
        assert (pcm[inside] ** 2).sum() > 0.97 * (pcm**2).sum()  # the sentence holds the energy of the clip


def test_a_text_that_is_not_said_fits_worse(
    aligner: ForcedAligner, grid: dict[str, tuple[NDArray[np.float32], str]]
) -> None:
    def fit(pcm: NDArray[np.float32], text: str) -> float:
        try:
            return float(np.mean([word.confidence for word in aligner(pcm, text)]))
        except AlignmentError:
            return 0.0

    for name, (pcm, text) in grid.items():
        others = [fit(pcm, other) for key, (_, other) in list(grid.items())[:4] if key != name]
        assert fit(pcm, text) > max(others) + 0.05


@pytest.mark.parametrize("name", BOOKS)
def test_read_books_align_in_order(media: Path, aligner: ForcedAligner, name: str) -> None:
    samples, rate_hz = soundfile.read(media / "audio" / name, dtype="float32", always_2d=True)
    pcm = to_mono16k(samples.T, rate_hz)
    found = aligner(pcm, BOOKS[name])
    assert " ".join(word.text for word in found) == BOOKS[name]
    bounds = edges(found)
    assert (bounds[1:, 0] >= bounds[:-1, 1]).all()
    assert bounds[-1, 1] <= len(pcm) / 16_000
    gaps = [(a.end_s, b.start_s) for a, b in pairwise(found) if b.start_s - a.end_s > 0.3]
    assert gaps  # the reader pauses at full stops, and pauses are quiet
    loud = np.sqrt(np.mean(pcm**2))
    for start_s, stop_s in gaps:
        assert np.sqrt(np.mean(pcm[round(start_s * 16_000) : round(stop_s * 16_000)] ** 2)) < 0.35 * loud


def test_guessed_sounds_keep_the_boundaries(
    aligner: ForcedAligner, grid: dict[str, tuple[NDArray[np.float32], str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    known = [aligner(pcm, text) for pcm, text in grid.values()]
    guessing = ForcedAligner()
    for word in sorted({word for _, text in grid.values() for word in text.split() if len(word) > 1}):
        sounds = guess_sounds(word)
        assert sounds is not None
        guessing._decoder.add_word(
            f"zz{word}", sounds, update=True
        )  # a word of its own, so never from the dictionary
    moved = []
    for (pcm, text), before in zip(grid.values(), known, strict=True):
        strange = " ".join(f"zz{word}" if len(word) > 1 else word for word in text.split())
        moved.append(np.abs(edges(guessing(pcm, strange)) - edges(before)).ravel())
    assert np.concatenate(moved).mean() < 0.03


def test_unknown_words_are_named_and_invented_ones_are_not(
    aligner: ForcedAligner, grid: dict[str, tuple[NDArray[np.float32], str]]
) -> None:
    pcm, _ = grid["grid_bbaf2n.mpg"]
    with pytest.raises(UnknownWordsError) as caught:
        aligner(pcm, "bin привет at 東京 now")
    assert caught.value.words == ["привет", "東京"]
    assert [word.text for word in aligner(pcm, "Bin, bluish at F 2 now!")] == [
        "Bin,",
        "bluish",
        "at",
        "F",
        "2",
        "now!",
    ]


def test_order_changes_nothing(grid: dict[str, tuple[NDArray[np.float32], str]]) -> None:
    pytest.importorskip("pocketsphinx")
    clips = list(grid.values())[:3]
    alone = [ForcedAligner()(*clip) for clip in clips]
    together = ForcedAligner()
    assert [together(*clip) for clip in clips[::-1]][::-1] == alone
    assert [together(*clip) for clip in clips] == alone


def test_what_cannot_be(aligner: ForcedAligner, grid: dict[str, tuple[NDArray[np.float32], str]]) -> None:
    pcm, text = grid["grid_bbaf2n.mpg"]
    with pytest.raises(AlignmentError, match="cannot be laid"):
        aligner(pcm[:4_000], text)  # six words in a quarter of a second
    with pytest.raises(AlignmentError):
        aligner(pcm[:0], text)
    with pytest.raises(AlignmentError, match="silence"):
        aligner(np.zeros(48_000, np.float32), text)
    with pytest.raises(ValueError, match="mono"):
        aligner(np.zeros((2, 100), np.float32), text)
    assert aligner(pcm, " [noise] … ") == []
    speech = pcm[round(0.92 * 16_000) : round(2.1 * 16_000)]  # no silence before or after
    found = aligner(speech, text)
    assert found[0].start_s >= 0
    assert found[-1].end_s <= len(speech) / 16_000
