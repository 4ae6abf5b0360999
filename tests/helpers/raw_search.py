"""Searching a folder for words with nothing of the product: bytes, tar members, Parquet through pandas."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pandas as pd


def hits(folder: Path, words: list[str]) -> list[tuple[str, str]]:
    """`(file or member, word)` wherever a word stands in a name or in the content."""
    return [(name, word) for name, text in _texts(folder) for word in words if word.encode() in text]


def _texts(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        yield str(path), str(path.relative_to(folder)).encode()
        yield str(path), path.read_bytes()
        if path.suffix == ".parquet":
            yield str(path), pd.read_parquet(path).to_csv().encode()
        if path.suffix == ".tar":
            with tarfile.open(path) as tar:
                for member in tar.getmembers():
                    content = tar.extractfile(member)
                    assert content is not None
                    yield f"{path}:{member.name}", member.name.encode() + b"\n" + content.read()
