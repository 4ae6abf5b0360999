from __future__ import annotations

import pickle
from base64 import b64encode
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.llm.api_key import MASK, ApiKey, ApiKeyError

SECRET = "sk-a/b+Cd3fGh1jKlMn0pQr"


def test_it_is_not_shown() -> None:
    key = ApiKey(SECRET)
    assert key.reveal() == SECRET
    for shown in (repr(key), str(key), f"{key}", repr({"key": key})):
        assert SECRET not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)


@pytest.mark.parametrize(
    "text",
    [SECRET, SECRET.upper(), SECRET[3:15], quote(SECRET, safe=""), b64encode(SECRET.encode()).decode()],
)
def test_key_pieces_and_encodings_are_masked(text: str) -> None:
    key = ApiKey(SECRET)
    assert key.redact(f"wrong key {text}, sorry").startswith(f"wrong key {MASK}")
    assert key.occurs_in(f"wrong key {text}, sorry")


@given(before=st.text(), after=st.text(), start=st.integers(0, 15), length=st.integers(8, 23))
def test_no_piece_of_eight_letters_survives(before: str, after: str, start: int, length: int) -> None:
    shown = ApiKey(SECRET).redact(before + SECRET[start : start + length] + after).casefold()
    pieces = [SECRET[at : at + 8].casefold() for at in range(len(SECRET) - 7)]
    assert not any(piece in shown for piece in pieces)


@given(st.text(alphabet="xyz .", max_size=50))
def test_other_text_stays(text: str) -> None:
    assert ApiKey(SECRET).redact(text) == text


def test_placeholders_do_not_make_answers_suspect() -> None:
    assert not ApiKey("none").occurs_in("Honestly, I have none left.")


def test_where_it_comes_from(monkeypatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    assert ApiKey.from_environment("MY_KEY", required=False) is None
    with pytest.raises(ApiKeyError, match="MY_KEY"):
        ApiKey.from_environment("MY_KEY", required=True)
    monkeypatch.setenv("MY_KEY", f" {SECRET}\n")
    key = ApiKey.from_environment("MY_KEY", required=True)
    assert key is not None and key.reveal() == SECRET
    monkeypatch.setenv("MY_KEY", "sk-two words\tin-it")
    with pytest.raises(ApiKeyError) as caught:
        ApiKey.from_environment("MY_KEY", required=True)
    assert "two" not in str(caught.value)
