from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth.turns.tokenizers import TextTokenizer, TokenizerError, load_tokenizer


def test_a_tokenizer_json(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    made = Tokenizer(WordLevel({"[UNK]": 0, "yes": 1, "no": 2}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    found = load_tokenizer(tmp_path / "tokenizer.json")
    assert found.encode("no") == [2] and (found.pad_id, found.epad_id) == (3, 4)
    assert load_tokenizer(tmp_path / "tokenizer.json", pad_id=7, epad_id=9).epad_id == 9


@pytest.mark.slow  # it imports transformers
def test_a_folder_of_transformers(tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(WordLevel({"[UNK]": 0, "yes": 1}, unk_token="[UNK]"))
    PreTrainedTokenizerFast(tokenizer_object=made, unk_token="[UNK]").save_pretrained(str(tmp_path))
    assert load_tokenizer(tmp_path).encode("yes") == [1]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.model", "text"), ("b.json", json.dumps({})), pytest.param("folder", None, marks=pytest.mark.slow)],
)
def test_what_is_no_tokenizer(tmp_path: Path, name: str, content: str | None) -> None:
    path = tmp_path / name
    path.mkdir() if content is None else path.write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError, match=name):
        load_tokenizer(path)


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="no tokenizer"):
        load_tokenizer(tmp_path / "gone.model")
    with pytest.raises(ValueError, match="both 1"):
        TextTokenizer("one", lambda text: [], 1, 1)
