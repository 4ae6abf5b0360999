"""What auto_avsr's loader asks (mpc001/auto_avsr:datamodule/av_dataset.py, preparation/transforms.py), and
Llama-AVSR's (umbertocappellazzo/Llama-AVSR:datamodule/av_dataset.py).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from made_corpus import MadeCorpus, talk, write_corpus

from manifests.exports.base import ExportError
from manifests.exports.run import run_export
from manifests.exports.text import plain_words


def rows(out: Path, split: str = "train") -> list[list[str]]:
    return [line.split(",") for line in (out / "labels" / f"{split}.csv").read_text().splitlines()]


def test_four_columns_and_media_where_the_loader_looks(
    talks: MadeCorpus, out: Path, sentencepiece_model: Path
) -> None:
    """`dataset, path, length, ids = line.split(",")`; `join(root, dataset, path)`; `path[:-4] + ".wav"`."""
    run_export(talks.path, "auto-avsr", str(out), {"sentencepiece": sentencepiece_model})
    found = rows(out) + rows(out, "valid")
    assert len(found) == len(talks.samples)
    for dataset, path, n_frames, ids in found:
        made = talks.samples[Path(path).stem]
        video = out / dataset / path
        assert video.read_bytes() == made.members["lips.mp4"]
        assert int(n_frames) == round(made.header["duration_s"] * 25)
        sound, rate_hz = soundfile.read(f"{str(video)[:-4]}.wav", dtype="int16")
        assert rate_hz == 16_000
        assert np.array_equal(sound, made.pcm["flac"])
        assert len(sound) == 640 * int(n_frames)  # the loader's `rate_ratio`
        assert ids and all(int(one) >= 1 for one in ids.split())


def test_ids_are_places_in_the_units_and_give_the_text_back(
    talks: MadeCorpus, out: Path, sentencepiece_model: Path
) -> None:
    """`token_list = ["<blank>"] + units + ["<eos>"]`, joined, with `▁` as the space (`post_process`)."""
    run_export(talks.path, "auto-avsr", str(out), {"sentencepiece": sentencepiece_model})
    lines = (out / "labels" / "units.txt").read_text().splitlines()
    assert [int(line.split()[-1]) for line in lines] == list(range(1, len(lines) + 1))
    token_list = ["<blank>", *(line.split()[0] for line in lines), "<eos>"]
    for _, path, _, ids in rows(out):
        told = "".join(token_list[int(one)] for one in ids.split()).replace("▁", " ").strip()
        assert told == talks.samples[Path(path).stem].header["text"].upper()


def test_the_published_model_and_capitals(talks: MadeCorpus, out: Path, models: Path, tmp_path: Path) -> None:
    """Its pieces are capitals: in small letters nearly all is `<unk>`. Units of the user's decide the ids."""
    import sentencepiece

    model = models / "auto_avsr_unigram5000.model"
    own = sentencepiece.SentencePieceProcessor(model_file=str(model))
    pieces = [own.id_to_piece(i) for i in range(own.vocab_size())]
    units = tmp_path / "units.txt"
    units.write_text(
        "<unk> 1\n" + "".join(f"{piece} {n}\n" for n, piece in enumerate(pieces[:2:-1], start=2))
    )
    run_export(talks.path, "auto-avsr", str(out), {"sentencepiece": model, "units": units})
    for _, path, _, ids in rows(out):
        text = talks.samples[Path(path).stem].header["text"].upper()
        assert [pieces[::-1][int(one) - 2] for one in ids.split()] == own.encode(text, out_type=str)


def test_units_without_unk_are_refused(talks: MadeCorpus, out: Path, sentencepiece_model: Path) -> None:
    wrong = out.parent / "units.txt"
    wrong.write_text("A 1\nB 2\n")
    with pytest.raises(ExportError, match="no list of distinct units with <unk> among them"):
        run_export(talks.path, "auto-avsr", str(out), {"sentencepiece": sentencepiece_model, "units": wrong})


def test_llama_avsr_has_five_columns_whatever_the_text_says(tmp_path: Path) -> None:
    """`dataset, path, length, _, text = line.split(",")`."""
    said = ['Well, I — said "no",\nand\ttwo', "it's 5,000 o’clock", "ñandú, straße; naïve"]
    corpus = write_corpus(tmp_path / "corpus", [talk(n, "train", text=text) for n, text in enumerate(said)])
    run_export(str(corpus), "llama-avsr", str(tmp_path / "out"))
    assert [row[4] for row in rows(tmp_path / "out")] == [
        "well i said no and two",
        "it's 5 000 o'clock",
        "ñandú straße naïve",
    ]
    assert {len(row) for row in rows(tmp_path / "out")} == {5}


@given(st.text())
def test_plain_words_have_no_comma_tab_or_newline_and_stay_as_they_are(text: str) -> None:
    words = plain_words(text)
    assert not set(words) & set(',;"\t\n\r\x0b\x0c\x1c\x85\xa0\u2028')
    assert plain_words(words) == words
    assert words == " ".join(words.split())
