"""Floor transfer offsets to draw from: published distributions under a name, or offsets that were measured.

A draw is the quantile of a number that a digest of its name gives, so it depends on nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any, Literal

from manifests.ids import digest

Shape = Literal["normal", "laplace", "shifted_lognormal", "samples"]
_MAX_DRAWS = 1000


class OffsetError(ValueError):
    """A distribution that is not one, or does not reach into the limits that were set."""


@dataclass(frozen=True)
class OffsetDistribution:
    """Of floor transfer offsets in seconds; negative: overlap.

    `location_s` and `scale_s`: mean and standard deviation (normal), middle and mean deviation (laplace),
    lower end and median above it (shifted_lognormal, `sigma` of its logarithm). `samples_s`: sorted.
    """

    name: str
    shape: Shape
    location_s: float = 0.0
    scale_s: float = 1.0
    sigma: float = 1.0
    samples_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.shape == "samples" and len(self.samples_s) < 2:
            raise OffsetError(f"{self.name}: a distribution needs two measured offsets at least")
        if not (self.scale_s > 0 and self.sigma > 0 and math.isfinite(self.location_s + self.scale_s)):
            raise OffsetError(f"{self.name}: scale {self.scale_s} and sigma {self.sigma} must be above 0")
        if not all(math.isfinite(one) for one in self.samples_s):
            raise OffsetError(f"{self.name}: an offset is not a number")

    def quantile(self, share: float) -> float:
        """The offset below which `share` (0 < share < 1) of all lie, seconds."""
        if self.shape == "samples":
            place = share * (len(self.samples_s) - 1)
            low = math.floor(place)
            high = min(low + 1, len(self.samples_s) - 1)
            return self.samples_s[low] + (place - low) * (self.samples_s[high] - self.samples_s[low])
        if self.shape == "laplace":
            side = 1.0 if share > 0.5 else -1.0
            return self.location_s - self.scale_s * side * math.log(1 - 2 * abs(share - 0.5))
        z = NormalDist().inv_cdf(share)
        if self.shape == "normal":
            return self.location_s + self.scale_s * z
        return self.location_s + self.scale_s * math.exp(self.sigma * z)

    def draw(self, *parts: Any, low_s: float = -math.inf, high_s: float = math.inf) -> tuple[float, int]:
        """The offset that `parts` name within [low_s, high_s], and how many draws before it were outside.

        Raises OffsetError when a thousand did.
        """
        for attempt in range(_MAX_DRAWS):
            share = (int(digest("fto", *parts, attempt, length=13), 16) + 0.5) / 2**52
            offset = self.quantile(share)
            if low_s <= offset <= high_s:
                return offset, attempt
        raise OffsetError(f"{self.name} does not reach into [{low_s:.3f}, {high_s:.3f}] s")


def fitted(name: str, offsets_s: Sequence[float]) -> OffsetDistribution:
    """The distribution of offsets that were measured on real turns."""
    return OffsetDistribution(name, "samples", samples_s=tuple(sorted(offsets_s)))


def read_offsets(path: str | Path) -> OffsetDistribution:
    """From a file: a JSON list of seconds, or one number a line. Raises OffsetError naming the file."""
    found = Path(path)
    try:
        text = found.read_text(encoding="utf-8")
        values = json.loads(text) if text.lstrip().startswith("[") else text.split()
        return fitted(found.stem, [float(one) for one in values])
    except (OSError, ValueError, TypeError) as error:
        raise OffsetError(f"{found}: no list of offsets in seconds: {error}") from error


PUBLISHED: dict[str, OffsetDistribution] = {
    one.name: one
    for one in (
        # De Ruiter, Mitterer & Enfield (2006), Language 82, p. 516: of the offsets in Dutch telephone
        # conversations 45 % lie within 250 ms of zero and 85 % within 750 ms. This one has 46 and 85 %. These
        # two shares are all that is fitted: that it is symmetric about zero is our assumption.
        OffsetDistribution("deruiter2006", "laplace", location_s=0.0, scale_s=0.4),
        # Stivers et al. (2009), PNAS 106, p. 10588: answers to polar questions in ten languages have a mean
        # of 208 ms, a median of 100 and a mode of 0 (of single languages: medians of 0 to 300 ms, modes of
        # 0 to 200, means of 7, Japanese, to 469, Danish). The three make the three numbers of this one. Its
        # overlaps are at most 52 ms deep, which is the shape's doing: the paper has deeper ones.
        OffsetDistribution(
            "stivers2009", "shifted_lognormal", location_s=-0.0519, scale_s=0.1519, sigma=1.0365
        ),
    )
}


def offsets(name: str) -> OffsetDistribution:
    """A published distribution by name. Raises OffsetError that lists the names."""
    if name not in PUBLISHED:
        raise OffsetError(f"no offsets are called {name!r}; there are {', '.join(PUBLISHED)}")
    return PUBLISHED[name]
