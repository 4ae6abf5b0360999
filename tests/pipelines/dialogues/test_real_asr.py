"""Words of recordings without a transcript: each side is recognised by itself."""

from __future__ import annotations

from pathlib import Path

import pytest
from real_dyads import Grid, both_views, put, run_real

from extractors.weights import MissingWeightsError
from extractors.whisper_weights import find_whisper
from extractors.words import plain_words
from pipelines.dialogues.real.channel_words import ChannelWords
from pipelines.sections import WordsConfig
from pipelines.steps.words import Words

LEAK_DB, LATE = -20, 128
"""The other voice in each channel, and 8 ms later."""


@pytest.fixture(scope="module")
def out(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run over a stereo recording with cross-talk, and its channels as two files."""
    pytest.importorskip("faster_whisper")
    try:
        find_whisper("tiny.en")
    except MissingWeightsError as error:
        pytest.skip(str(error))
    grid = Grid.read(media)
    leaking = grid.pcm.copy()
    leaking[LATE:] += grid.pcm[:-LATE, ::-1] * 10 ** (LEAK_DB / 20)
    root, found = tmp_path_factory.mktemp("dyads"), tmp_path_factory.mktemp("out")
    put(root, "stereo", leaking)
    for side, name in enumerate("ab"):
        put(root, f"pair_{name}", leaking[:, side])
    assert run_real(root, found, "words.source=asr", "words.asr_model=tiny.en").account.problems == ()
    return found


@pytest.mark.parametrize("dialogue", ["stereo", "pair"])
def test_both_have_their_own_words_where_both_speak(media: Path, out: Path, dialogue: str) -> None:
    """A says "… white … please", "… soon" in three turns, B "… now"; the last two are said at once.

    What Whisper writes for the rest ("Been read" for "bin red") is not looked at.
    """
    turns = Grid.read(media).turns
    last = {name: [one["words"][-1][0] for one in turns if one["speaker"] == name] for name in "AB"}
    for view, names in zip(both_views(out, dialogue), ("AB", "BA"), strict=True):
        assert view.header["words_from"] == "asr" and view.header["words_ambiguous"] == 0
        for side, name in zip(("main", "other"), names, strict=True):
            said = [plain_words(" ".join(words)) for words in view.words_of_turns(side)]
            assert [words[-1] for words in said] == last[name]
            assert [("white" in words) for words in said] == [name == "A"] * 3
            assert sum(map(len, said)) == len(view.words(side) or []), "every word is in a turn"


def test_words_that_are_given_are_those_of_a_build() -> None:
    """The same step key: recordings that a build has measured are not measured anew."""

    def key(step: Words) -> str:
        return step.key(step.upstream)

    given, none = WordsConfig(source="given"), WordsConfig(source="none")
    assert key(ChannelWords(given)) == key(Words(given)) and key(ChannelWords(none)) == key(Words(none))
    assert ChannelWords(WordsConfig(source="asr")).upstream == ("listen", "voices")
    assert ChannelWords(given).upstream == Words.upstream and "channel" not in Words.table.names
