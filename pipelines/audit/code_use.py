"""How the codes of a codebook are used: a summary that merges, like those of `sketches`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass
class CodeUse:
    """How often each code of a codebook is used, (codebook_size,)."""

    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    def merge(self, other: Self) -> None:
        """Add the counts."""
        short, long = sorted((self.counts, other.counts), key=len)
        self.counts = long.copy()
        self.counts[: len(short)] += short

    def facts(self) -> dict[str, Any]:
        """As plain JSON: frames, codes used, perplexity (2 to the entropy), the codes used most."""
        n = int(self.counts.sum())
        share = self.counts[self.counts > 0] / max(n, 1)
        most = sorted(((int(count), -code) for code, count in enumerate(self.counts) if count), reverse=True)
        return {
            "n": n,
            "n_used": int((self.counts > 0).sum()),
            "codebook_size": len(self.counts),
            "perplexity": round(float(2.0 ** -(share * np.log2(share)).sum()), 6) if n else None,
            "most": [[-code, count] for count, code in most[:20]],
        }
