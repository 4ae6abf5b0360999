from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from extractors.weights import MissingWeightsError
from extractors.whisper_weights import find_whisper
from extractors.words import word_error_rate
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.accounting import account
from pipelines.build import Built, build, build_steps, recall
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.look import read_sample
from pipelines.reporter import QuietReporter
from pipelines.steps.samples import words_inside

ALLEN = (
    "“Mrs. Allen,” said Catherine the next morning, “will there be any harm in my calling on Miss "
    "Tilney today? I shall not be easy till I have explained everything.” “Go, by all means, my dear; "
    "only put on a white gown; Miss Tilney always wears white.”"
)
SWWP2S = "grid_id2_vcd_swwp2s"
HEARD_ONLY = ("watch.embedder=none", "who.model=none", "who.offset=none", "cut.members=[native]")


def run(clips: Path, out: Path, *overrides: str) -> Built:
    config = load_config(preset="any-modality", overrides=[*HEARD_ONLY, *overrides])
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


@pytest.fixture(scope="module")
def clips(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sound of GRID with what a corpus may bring: a human alignment, text, nothing, a broken file."""
    folder = tmp_path_factory.mktemp("clips")
    texts = json.loads((media / "video" / "grid_transcripts.json").read_text())
    lines = ["path,text,transcript"]
    sound_of(media / "video" / f"{SWWP2S}.mpg", folder / "aligned.wav")
    (folder / "aligned.align").write_bytes((media / "video" / f"{SWWP2S}.align").read_bytes())
    sound_of(media / "video" / f"{SWWP2S}.mpg", folder / "texted.wav")
    lines.append(f"texted.wav,{text_of(texts, SWWP2S)},")
    sound_of(media / "video" / "grid_bbaf2n.mpg", folder / "bare.wav")
    sound_of(media / "video" / "grid_lbbc2a.mpg", folder / "broken.wav")
    lines.append("broken.wav,,notes.srt")
    (folder / "notes.srt").write_text("1\n00:00:01,000 --> never\nhello\n")
    (folder / "sidecar.csv").write_text("\n".join(lines))
    return folder


def text_of(texts: dict[str, Any], name: str) -> str:
    return next(str(text) for key, text in texts.items() if name in key)


def sound_of(video: Path, wav: Path) -> None:
    import soundfile

    from extractors.audio import AudioReader, to_mono16k
    from extractors.probe import probe

    found = probe(str(video)).audio
    assert found is not None and found.start is not None and found.stop is not None
    with AudioReader(str(video), stream_index=found.index) as reader:
        pcm = to_mono16k(reader.read_span(reader.start, found.stop), reader.rate_hz)
    soundfile.write(wav, pcm, 16_000)


def headers(built: Built) -> dict[str, dict[str, Any]]:
    found = {}
    for row in built.account.rows:
        if row["kind"] == "clip" and row["status"] == "ok":
            header = json.loads(read_sample(built.corpus.store, row["key"])[1]["json"])
            found[header["source"]["path"]] = header
    return found


@pytest.fixture(scope="module")
def built(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return run(clips, tmp_path_factory.mktemp("out"))


def test_human_times_reach_the_sample(built: Built, media: Path) -> None:
    lines = (media / "video" / f"{SWWP2S}.align").read_text().split("\n")
    truth = [line.split() for line in lines if line.strip() and not line.endswith(("sil", "sp"))]
    header = headers(built)["aligned.wav"]
    start_s = eval_fraction(header["source"]["start"])
    assert header["words_from"] == "given"
    assert [word for word, _, _ in header["words"]] == [word for _, _, word in truth]
    for (_, first_s, last_s), (first, last, _) in zip(header["words"], truth, strict=True):
        assert start_s + first_s == pytest.approx(int(first) / 25_000, abs=1e-5)
        assert start_s + last_s == pytest.approx(int(last) / 25_000, abs=1e-5)
    assert header["text"] == " ".join(word for _, _, word in truth)


def test_a_text_is_laid_over_its_sound(built: Built) -> None:
    """Against the human's times, which the aligner has not seen: within 50 ms in the mean."""
    human, machine = (headers(built)[name] for name in ("aligned.wav", "texted.wav"))
    assert machine["words_from"] == "aligned" and machine["text"] == human["text"]
    offset_s = eval_fraction(machine["source"]["start"]) - eval_fraction(human["source"]["start"])
    off = [
        abs(mine + offset_s - theirs)
        for one, other in zip(machine["words"], human["words"], strict=True)
        for mine, theirs in zip(one[1:], other[1:], strict=True)
    ]
    assert sum(off) / len(off) < 0.05, off


def eval_fraction(text: str) -> float:
    numerator, _, denominator = text.partition("/")
    return int(numerator) / int(denominator)


def test_no_words_are_made_up(built: Built) -> None:
    header = headers(built)["bare.wav"]
    assert "words" not in header and "text" not in header


def test_a_transcript_that_cannot_be_read_ends_its_source(built: Built) -> None:
    (row,) = [row for row in built.account.rows if row["path"] == "broken.wav" and row["kind"] == "source"]
    assert (row["status"], row["reason"]) == ("failed", "transcript_unreadable")
    assert "notes.srt line 2" in row["detail"]
    assert not built.account.problems


def test_a_preset_may_need_text(clips: Path, built: Built) -> None:
    again = run(clips, Path(built.corpus.store.url), "select.need_text=true")
    ends = {row["path"]: row["reason"] for row in again.account.rows if row["kind"] == "source"}
    assert ends == {
        "aligned.wav": None,
        "texted.wav": None,
        "bare.wav": "no_text",
        "broken.wav": "transcript_unreadable",
    }


def test_a_mended_transcript_is_read_again(clips: Path, tmp_path: Path) -> None:
    for name in ("bare.wav", "broken.wav", "sidecar.csv"):
        (tmp_path / name).write_bytes((clips / name).read_bytes())
    (tmp_path / "notes.srt").write_text("broken")
    first = run(tmp_path, tmp_path / "out")
    assert "broken.wav" not in headers(first)
    (tmp_path / "notes.srt").write_text("1\n00:00:00,000 --> 00:00:03,000\nlay blue by c two again\n")
    assert headers(run(tmp_path, tmp_path / "out"))["broken.wav"]["text"] == "lay blue by c two again"


def test_what_brings_no_words_can_be_recognised(media: Path, models: Path, tmp_path: Path) -> None:
    try:
        find_whisper("tiny.en")
    except MissingWeightsError as error:
        pytest.skip(str(error))
    sound = (media / "audio" / "libri_198-209-0000.ogg").read_bytes()
    (tmp_path / "allen.ogg").write_bytes(sound)
    built = run(tmp_path, tmp_path / "out", "words.source=asr", "words.asr_model=tiny.en")
    header = headers(built)["allen.ogg"]
    assert header["words_from"] == "asr" and header["language"] == "en"
    assert word_error_rate(ALLEN, header["text"]) < 0.2, header["text"]
    assert [word[1:] for word in header["words"]] == sorted(word[1:] for word in header["words"])


def test_no_whisper_no_work(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="no-such-model"):
        run(clips, tmp_path / "out", "words.source=asr", "words.asr_model=./no-such-model")
    assert not list((tmp_path / "out").glob("steps/*"))


def test_an_empty_subtitle_file_costs_no_recording(clips: Path, tmp_path: Path) -> None:
    """It lies there, nobody named it: the clip is kept, and says what it lacks."""
    (tmp_path / "bare.wav").write_bytes((clips / "bare.wav").read_bytes())
    (tmp_path / "bare.srt").write_text("")
    built = run(tmp_path, tmp_path / "out")
    header = headers(built)["bare.wav"]
    assert header["words_missing"] == "transcript_unreadable" and "words" not in header
    again = run(tmp_path, tmp_path / "out", "select.need_text=true")
    assert {row["reason"] for row in again.account.rows if row["kind"] == "source"} == {
        "transcript_unreadable"
    }


def test_a_corpus_whose_clips_are_gone_can_still_be_asked(clips: Path, tmp_path: Path) -> None:
    inside = tmp_path / "clips"
    inside.mkdir()
    for name in ("bare.wav", "aligned.wav", "aligned.align"):
        (inside / name).write_bytes((clips / name).read_bytes())
    run(inside, tmp_path / "out")
    inside.rename(tmp_path / "elsewhere")
    corpus, _ = recall(str(tmp_path / "out"))
    assert not account(corpus).problems


def test_a_word_across_a_cut_is_in_one_clip() -> None:
    words = [["one", 0.0, 1.0], ["two", 1.0, 2.2], ["three", 2.2, 3.0]]
    left, right = words_inside(words, 0.0, 1.9), words_inside(words, 1.9, 3.0)
    assert [word for word, _, _ in left] == ["one", "two"] and [word for word, _, _ in right] == ["three"]
    assert left[1] == ["two", 1.0, 1.9], "its end lies in the clip"
