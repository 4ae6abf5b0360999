"""Token masks: which tokens of a stream a model is not to hear, as AVLM's test hides 10 to 70 %."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from synth.noise_plan import generator


def token_mask(n_tokens: int, share: float, *parts: object) -> NDArray[np.bool_]:
    """(n_tokens,) true where a token is hidden: `share` of them, to the nearest token, ties to even.

    `parts` name the draw. Without the share among them masks are nested: what is hidden at 10 % is hidden at
    70 % too. Raises ValueError for a share outside of 0..1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} is not within 0..1")
    order = generator("token mask", *parts).permutation(n_tokens)
    hidden = np.zeros(n_tokens, bool)
    hidden[order[: round(share * n_tokens)]] = True
    return hidden
