"""Documents are read strictly and cut where a reader would cut them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.documents import pieces, read_document
from manifests.reasons import ItemError

CHARACTERS = st.sampled_from([*"aé字。. \n\t\r!?"]) | st.sampled_from(["\u0301", "\n\n", " \n \n", "word"])


def cut(text: str, max_chars: int) -> list[str]:
    return [text[start:stop] for start, stop in pieces(text, max_chars=max_chars)]


@given(st.lists(CHARACTERS, max_size=400).map("".join), st.integers(100, 200))
def test_nothing_but_white_space_is_lost_and_no_piece_is_too_long(text: str, max_chars: int) -> None:
    spans = pieces(text, max_chars=max_chars)
    found = [text[start:stop] for start, stop in spans]
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(0 < len(one) <= max_chars and one == one.strip() for one in found)
    assert all(stop <= later for (_, stop), (later, _) in pairwise(spans))
    assert all(later - start >= max_chars / 2 for (start, _), (later, _) in pairwise(spans))
    assert len(found) < 2 or len(text.strip()) > max_chars, "a text within the limit stays in one piece"


def test_the_best_place_in_the_second_half_is_taken() -> None:
    first, second = "One two. " * 7 + "End", "Three four five. " * 9
    assert cut(f"{first}\n\n{second}", 100) == [first, *cut(second, 100)]  # a paragraph ends at 66
    assert cut(f"{first}\n{second}", 100) == [first, *cut(second, 100)]  # a line
    assert cut(second, 100) == [
        "Three four five. " * 4 + "Three four five.",
        "Three four five. " * 3 + "Three four five.",
    ]
    assert cut("word " * 30, 100) == ["word " * 19 + "word", "word " * 9 + "word"]
    assert cut("ねこ。" * 50, 100) == ["ねこ。" * 33, "ねこ。" * 17]
    assert cut("字" * 150, 100) == ["字" * 100, "字" * 50]


def test_a_short_paragraph_does_not_stand_alone() -> None:
    text = "Title\n\n" + "word " * 30
    assert cut(text, 100)[0].startswith("Title\n\nword")


def test_a_letter_keeps_its_accent() -> None:
    """99 characters and then e with an accent of its own: the hundredth would part the two."""
    assert cut("x" * 99 + "e\u0301" + "y" * 50, 100) == ["x" * 99, "e\u0301" + "y" * 50]


@pytest.mark.parametrize(
    ("data", "reason", "told"),
    [
        (b"", "empty_file", "no bytes"),
        (b" \n\t\r\n", "text_empty", "letter"),
        ("* * *\n—\n".encode(), "text_empty", "letter"),
        (b"caf\xe9", "not_text", "at byte 3"),
        (b"ok\nzero\0byte", "not_text", "U+0000 in line 2"),
        (b"bell\a", "not_text", "U+0007 in line 1"),
        ("C1 \x85".encode(), "not_text", "U+0085"),
        ("hello".encode("utf-16"), "not_text", "not UTF-8"),
        (b"\xed\xa0\x80", "not_text", "not UTF-8"),  # half of a surrogate pair
    ],
)
def test_what_is_no_text_says_why(tmp_path: Path, data: bytes, reason: str, told: str) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    with pytest.raises(ItemError) as error:
        read_document(str(tmp_path / "a.txt"))
    assert str(error.value.reason) == reason and told in error.value.detail


def test_a_text_is_read_as_it_is(tmp_path: Path) -> None:
    text = "  e\u0301 is not é;\r\n\ttabs, \u2028 and \ufb01 stay.\n"
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert read_document(str(tmp_path / "a.txt")) == text
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_document(str(tmp_path / "a.txt")) == text, "a byte order mark is no character"
