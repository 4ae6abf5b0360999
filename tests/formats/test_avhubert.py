"""What AV-HuBERT's loader asks of a list (facebookresearch/av_hubert:avhubert/hubert_dataset.py, utils.py).

Its code is for non-commercial use, so nothing of it runs here: each test is one thing that
`load_audio_visual`, `load_label`, `verify_label_lengths`, `load_feature` or `load_video` asserts or silently
relies on.
"""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_corpus import MadeCorpus
from scipy.io import wavfile

from manifests.exports.run import run_export

Rows = dict[str, list[list[str]]]


@pytest.fixture
def rows(talks: MadeCorpus, out: Path) -> Rows:
    run_export(talks.path, "avhubert", str(out), {"units": True})
    return {split: read_tsv(out / f"{split}.tsv") for split in ("train", "valid")}


def read_tsv(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text().splitlines()[1:]]


def test_the_first_line_is_the_root_and_each_other_has_five_columns(rows: Rows, out: Path) -> None:
    """`root = f.readline().strip()`, then `items = line.strip().split("\\t")`, frames second to last."""
    assert (out / "train.tsv").read_text().splitlines()[0] == "."
    assert {len(row) for mine in rows.values() for row in mine} == {5}
    assert [row[0].split("/")[-1] for row in rows["train"]] == sorted(row[0][6:] for row in rows["train"])


def test_as_many_lines_of_labels_as_of_clips(rows: Rows, out: Path, talks: MadeCorpus) -> None:
    """`assert len(labels) == tot`, in the order of the tsv."""
    for split, mine in rows.items():
        words = (out / f"{split}.wrd").read_text().splitlines()
        assert len(words) == len(mine) == len((out / f"{split}.km").read_text().splitlines())
        assert words == [talks.samples[row[0].split("/")[-1]].header["text"] for row in mine]
        assert all(line == line.lower() and line.strip() for line in words)
    assert sum(map(len, rows.values())) == len(talks.samples)


def test_paths_are_relative_and_existing_and_no_id_has_a_colon_or_dot(rows: Rows, out: Path) -> None:
    """Video: `os.path.join(root, path)`. Audio: `path + ":" + id`, split at the colon, opened as it is."""
    for row in (row for mine in rows.values() for row in mine):
        for path in row[1:3]:
            assert not Path(path).is_absolute()
            assert (out / path).is_file()
        assert ":" not in row[2]
        assert "." not in row[0]


def test_sound_is_16_khz_mono_int16_and_the_corpus_s_own(rows: Rows, out: Path, talks: MadeCorpus) -> None:
    """`assert sample_rate == 16_000 and len(wav_data.shape) == 1`, read with scipy."""
    for row in (row for mine in rows.values() for row in mine):
        rate_hz, found = wavfile.read(out / row[2])
        truth = talks.samples[row[0].split("/")[-1]].pcm["flac"]
        assert (rate_hz, found.dtype, found.ndim, len(found)) == (16_000, np.int16, 1, int(row[4]))
        assert np.array_equal(found, truth)


def test_pictures_are_96_square_as_many_as_told_and_the_corpus_s_own(
    rows: Rows, out: Path, talks: MadeCorpus
) -> None:
    """OpenCV reads until it ends and crops 88 of the height and width it finds; sizes sort the batches."""
    for row in (row for mine in rows.values() for row in mine):
        made = talks.samples[row[0].split("/")[-1]]
        assert (out / row[1]).read_bytes() == made.members["lips.mp4"]
        video, n_frames = cv2.VideoCapture(str(out / row[1])), 0
        while (read := video.read())[0]:
            assert read[1].shape == (96, 96, 3)
            n_frames += 1
        assert n_frames == int(row[3]) == round(made.header["duration_s"] * 25)


def test_unit_streams_are_as_long_as_their_clips(rows: Rows, out: Path, talks: MadeCorpus) -> None:
    """Clips whose labels differ by 0.1 s are dropped without a word; ids fit `dict.km.txt`."""
    known = [line.split() for line in (out / "dict.km.txt").read_text().splitlines()]
    assert known == [[str(unit), "1"] for unit in range(50)]
    for split, mine in rows.items():
        for row, line in zip(mine, (out / f"{split}.km").read_text().splitlines(), strict=True):
            units = [int(one) for one in line.split()]
            made = talks.samples[row[0].split("/")[-1]]
            assert units == np.load(io.BytesIO(made.members["units.npy"])).tolist()
            assert abs(len(units) / 25 - int(row[3]) / 25) < 0.1


def test_the_dictionary_holds_every_word_of_train_most_frequent_first(rows: Rows, out: Path) -> None:
    """fairseq's `Dictionary.load`: `symbol count` in each line, no symbol twice."""
    lines = [line.split(" ") for line in (out / "dict.wrd.txt").read_text().splitlines()]
    words = (out / "train.wrd").read_text().split()
    assert {word: int(count) for word, count in lines} == {word: words.count(word) for word in set(words)}
    assert len(lines) == len({word for word, _ in lines})
    assert [int(count) for _, count in lines] == sorted((int(count) for _, count in lines), reverse=True)


def test_a_root_of_the_user_s_goes_before_both_paths(talks: MadeCorpus, out: Path) -> None:
    run_export(talks.path, "avhubert", str(out), {"root": str(out)})
    root, *lines = (out / "train.tsv").read_text().splitlines()
    for line in lines:
        _, video, audio, _, _ = line.split("\t")
        assert (Path(root) / video).is_file()
        assert Path(audio).is_file()


def test_the_dictionary_of_a_sentencepiece_model(
    talks: MadeCorpus, out: Path, sentencepiece_model: Path
) -> None:
    """Fine-tuning reads the pieces but the special ones (av_hubert:avhubert/preparation/gen_subword.py)."""
    run_export(talks.path, "avhubert", str(out), {"sentencepiece": sentencepiece_model})
    pieces = [line.split()[0] for line in (out / "dict.wrd.txt").read_text().splitlines()]
    assert "▁BLUE" in pieces
    assert not {"<unk>", "<s>", "</s>"} & set(pieces)
