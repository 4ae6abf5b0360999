"""Two finished corpora of made payloads: clips of one person, and dialogues of two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_corpus import MadeCorpus, talk, turns_json, two, write_corpus


@pytest.fixture(scope="session")
def talks(tmp_path_factory: pytest.TempPathFactory) -> MadeCorpus:
    samples = [talk(n, "valid" if n == 4 else "train", n_frames=25 + n) for n in range(6)]
    folder = write_corpus(tmp_path_factory.mktemp("talks") / "corpus", samples)
    return MadeCorpus(str(folder), {one.key: one for one in samples})


@pytest.fixture(scope="session")
def dialogues(tmp_path_factory: pytest.TempPathFactory) -> MadeCorpus:
    samples = [two(n, split, turns=turns_json()) for n, split in ((1, "train"), (2, "train"), (3, "valid"))]
    folder = write_corpus(tmp_path_factory.mktemp("dialogues") / "corpus", samples, per_shard=1)
    return MadeCorpus(str(folder), {one.key: one for one in samples})


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A folder to export to."""
    return tmp_path / "export"


@pytest.fixture(scope="session")
def sentencepiece_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small unigram model of capital letters, trained here."""
    sentencepiece = pytest.importorskip("sentencepiece", reason="needs sentencepiece (extra `exports`)")
    from made_corpus import WORDS

    folder = tmp_path_factory.mktemp("spm")
    text = [" ".join(WORDS[i:] + WORDS[:i]).upper() for i in range(len(WORDS))] * 20
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text),
        model_prefix=str(folder / "unigram40"),
        vocab_size=40,
        model_type="unigram",
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return folder / "unigram40.model"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """`datasets.load_dataset` of a folder, offline."""
    datasets = pytest.importorskip("datasets", reason="HF datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    datasets.disable_progress_bars()
    return lambda path: datasets.load_dataset(str(path), cache_dir=str(tmp_path / "cache"))
