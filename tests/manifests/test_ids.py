from __future__ import annotations

import hashlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.ids import canonical_json, digest, sample_key, seed_for, source_id


def test_canonical_json_is_one_spelling() -> None:
    assert canonical_json({"b": 1, "a": [Fraction(1, 25), "ä"]}) == '{"a":["1/25","ä"],"b":1}'.encode()
    with pytest.raises(ValueError):
        canonical_json(float("nan"))


def test_source_id_is_the_published_digest() -> None:
    """Written out by hand, so that a change of the recipe cannot go unnoticed: it would rename all ids."""
    assert source_id("a/b.mp4") == hashlib.sha256(b'["source","a/b.mp4"]').hexdigest()[:16]


def test_sample_keys() -> None:
    assert sample_key("abc", 3, 250) == "abc-t03-0000250"
    assert sample_key("abc", None, 0) == "abc-na-0000000"


@given(st.lists(st.tuples(st.text(), st.integers(0, 99), st.integers(0, 10**6)), unique=True))
def test_keys_are_dot_free_and_distinct(parts: list[tuple[str, int, int]]) -> None:
    keys = [sample_key(source_id(path), track, tick) for path, track, tick in parts]
    assert len(set(keys)) == len(keys)
    assert not any("." in key or "/" in key for key in keys)


def test_names_that_are_not_utf8_have_ids() -> None:
    assert source_id("caf\udce9.mp4") != source_id("cafe.mp4")


def test_seeds_depend_on_the_key_alone() -> None:
    assert seed_for(0, "mix", "a") == seed_for(0, "mix", "a")
    assert len({seed_for(run, step, key) for run in (0, 1) for step in "ab" for key in "xy"}) == 8
    assert digest("a", "b") != digest("ab")
