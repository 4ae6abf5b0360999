from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.token_masks import token_mask


@given(st.integers(0, 500), st.floats(0, 1), st.integers(0, 10))
def test_exactly_the_share_is_hidden(n_tokens: int, share: float, seed: int) -> None:
    hidden = token_mask(n_tokens, share, "clip", seed)
    assert hidden.shape == (n_tokens,)
    assert abs(int(hidden.sum()) - share * n_tokens) <= 0.5


def test_masks_are_nested_and_belong_to_their_clip() -> None:
    masks = [token_mask(200, share / 10, "clip") for share in range(8)]
    for less, more in pairwise(masks):
        assert not (less & ~more).any()
    assert not np.array_equal(masks[5], token_mask(200, 0.5, "another"))


def test_no_place_is_preferred() -> None:
    often = np.mean([token_mask(20, 0.3, "clip", draw) for draw in range(4000)], axis=0)
    assert np.abs(often - 0.3).max() < 4 * np.sqrt(0.3 * 0.7 / 4000)


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_within_0_and_1(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        token_mask(10, share, "clip")
