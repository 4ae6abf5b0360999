"""Text tokenizers that a user names: a SentencePiece file, a `tokenizer.json`, a folder, or any function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Encode = Callable[[str], list[int]]

MOSHI_PAD_ID, MOSHI_EPAD_ID = 3, 0
"""Of Moshi's own 32 000-piece SentencePiece (kyutai-labs/moshi e6a55d2: moshi/moshi/models/lm.py,
`existing_text_padding_id`, `existing_text_end_padding_id`)."""


@dataclass(frozen=True)
class TextTokenizer:
    """`encode` maps a word to ids, without sentence marks; `pad_id`, `epad_id` fill frames without text."""

    name: str
    encode: Encode
    pad_id: int
    epad_id: int

    def __post_init__(self) -> None:
        if self.pad_id == self.epad_id:
            raise ValueError(f"{self.name}: PAD and EPAD are both {self.pad_id}")


class TokenizerError(ValueError):
    """A tokenizer that cannot be loaded: which, why, what to do."""


def load_tokenizer(
    path: str | Path, *, pad_id: int | None = None, epad_id: int | None = None
) -> TextTokenizer:
    """A SentencePiece `.model`, a `tokenizer.json` of `tokenizers`, or a folder of `transformers`.

    Unless given, PAD and EPAD are the two ids that follow the vocabulary, so that they can mean nothing
    else. Raises TokenizerError for what is not there or cannot be read, and names the missing package.
    """
    found = Path(path)
    if not found.exists():
        raise TokenizerError(f"there is no tokenizer {found}: name a file or a folder")
    try:
        if found.is_dir():
            encode, size = _transformers(found)
        elif found.suffix == ".json":
            encode, size = _tokenizers(found)
        else:
            encode, size = _sentencepiece(found)
    except ImportError as error:
        raise TokenizerError(f"{found} needs a package: pip install {error.name}") from error
    return TextTokenizer(
        found.name,
        encode,
        size if pad_id is None else pad_id,
        size + 1 if epad_id is None else epad_id,
    )


def _sentencepiece(path: Path) -> tuple[Encode, int]:
    from sentencepiece import SentencePieceProcessor

    try:
        processor = SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise TokenizerError(f"{path} is no SentencePiece model: {error}") from error
    return lambda text: [int(one) for one in processor.encode(text)], int(processor.get_piece_size())


def _tokenizers(path: Path) -> tuple[Encode, int]:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the package raises nothing narrower
        raise TokenizerError(f"{path} is no tokenizer.json: {error}") from error
    return (
        lambda text: [int(one) for one in tokenizer.encode(text, add_special_tokens=False).ids],
        int(tokenizer.get_vocab_size()),
    )


def _transformers(folder: Path) -> tuple[Encode, int]:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError) as error:
        raise TokenizerError(f"{folder} holds no tokenizer of transformers: {error}") from error
    return lambda text: [int(one) for one in tokenizer.encode(text, add_special_tokens=False)], len(tokenizer)
