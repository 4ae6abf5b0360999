"""What VSP-LLM's loader asks beyond AV-HuBERT's (Sally-SH/VSP-LLM:src/vsp_llm_dataset.py, src/vsp_llm.py)."""

from __future__ import annotations

import io
from itertools import chain, pairwise, repeat
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_corpus import MadeCorpus, npy, talk, write_corpus

from manifests.exports.run import run_export
from manifests.exports.vsp_llm import on_frames, run_lengths


@given(st.lists(st.integers(0, 3), min_size=1))
def test_run_lengths_give_the_units_back(units: list[int]) -> None:
    """Lengths alone lose the values, so the first unit of each run is looked up."""
    lengths = run_lengths(units)
    starts = np.cumsum([0, *lengths[:-1]])
    values = [units[start] for start in starts]
    assert list(chain.from_iterable(map(repeat, values, lengths))) == units
    assert all(one != following for one, following in pairwise(values))


def test_counts_stand_line_for_line_and_sum_to_the_frames(talks: MadeCorpus, out: Path) -> None:
    """`cluster_counts_list[ind]` beside the tsv; the features of `n_frames` are averaged over the runs."""
    run_export(talks.path, "vsp-llm", str(out))
    for split in ("train", "valid"):
        rows = [line.split("\t") for line in (out / f"{split}.tsv").read_text().splitlines()[1:]]
        counts = [
            [int(one) for one in line.split(" ")]
            for line in (out / f"{split}.cluster_counts").read_text().splitlines()
        ]
        assert len(rows) == len(counts)
        for row, runs in zip(rows, counts, strict=True):
            units = np.load(io.BytesIO(talks.samples[row[0].split("/")[-1]].members["units.npy"]))
            assert sum(runs) == int(row[3])
            assert len(runs) == 1 + np.count_nonzero(np.diff(units))


def test_the_id_s_second_part_is_a_pair_of_languages(talks: MadeCorpus, out: Path) -> None:
    """`src_lang, tgt_lang = fid.split('/')[1].split('-')`, both among five languages."""
    run_export(talks.path, "vsp-llm", str(out))
    ids = [line.split("\t")[0] for line in (out / "train.tsv").read_text().splitlines()[1:]]
    assert {tuple(one.split("/")[1].split("-")) for one in ids} == {("en", "en")}


@pytest.mark.parametrize(("language", "reason"), [("de", {"no_language": 1}), ("fr-CA", {})])
def test_a_language_that_the_trainer_does_not_know(
    tmp_path: Path, language: str, reason: dict[str, int]
) -> None:
    corpus = write_corpus(tmp_path / "corpus", [talk(1, "train", language=language)])
    assert run_export(str(corpus), "vsp-llm", str(tmp_path / "out")).reasons == reason


def test_units_of_another_rate_are_looked_up_in_the_middle_of_each_frame(tmp_path: Path) -> None:
    """At 50 Hz frame i spans units 2i and 2i + 1; its middle is the start of the second."""
    assert on_frames([0, 1, 2, 3, 4, 5], 50.0, 3) == [1, 3, 5]
    assert on_frames([7, 8, 9], 25.0, 3) == [7, 8, 9]
    assert on_frames([7, 8, 9], 24.99, 4) == [7, 8, 9, 9]
    made = talk(1, "train", n_frames=5, tokens={"units.npy": {"rate_hz": 50.0, "codebook_size": 50}})
    made.members["units.npy"] = npy(np.repeat(np.arange(5), 4).astype(np.int32))
    run_export(str(write_corpus(tmp_path / "corpus", [made])), "vsp-llm", str(tmp_path / "out"))
    assert (tmp_path / "out" / "train.cluster_counts").read_text() == "2 2 2 2 2\n"


def test_units_that_do_not_fit_the_picture_fail(tmp_path: Path) -> None:
    made = talk(1, "train", n_frames=30)
    made.members["units.npy"] = npy(np.zeros(55, np.int32))
    corpus = write_corpus(tmp_path / "corpus", [made])
    assert run_export(str(corpus), "vsp-llm", str(tmp_path / "out")).reasons == {"units_misfit": 1}
