from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from manifests.splits import split_of

SHARES = {"train": 0.8, "valid": 0.1, "test": 0.1}


@given(st.text(), st.integers(0, 100))
def test_a_group_is_always_in_the_same_split(group: str, seed: int) -> None:
    assert split_of(group, SHARES, seed=seed) == split_of(group, dict(reversed(SHARES.items())), seed=seed)


def test_the_shares_come_out() -> None:
    counts = Counter(split_of(f"speaker {n}", SHARES) for n in range(20_000))
    for name, share in SHARES.items():
        assert abs(counts[name] / 20_000 - share) < 0.01


def test_one_share_takes_all() -> None:
    assert {split_of(str(n), {"train": 3}) for n in range(50)} == {"train"}
