"""Train, valid or test: a stable hash of whom a recording shows, so that people never straddle splits."""

from __future__ import annotations

from collections.abc import Mapping

from manifests.ids import digest

SPLITS = ("train", "valid", "test")


def split_of(group: str, shares: Mapping[str, float], *, seed: int = 0) -> str:
    """The split of a group (a speaker, or a source whose speaker is unknown).

    Depends on the group's name and the shares only: adding other recordings moves nobody.
    `shares` maps split names to positive weights; they need not sum to one.
    """
    point = int(digest("split", seed, group), 16) / 16**16 * sum(shares.values())
    for name in sorted(shares, key=lambda one: (SPLITS.index(one) if one in SPLITS else len(SPLITS), one)):
        point -= shares[name]
        if point < 0:
            return name
    return max(shares, key=lambda one: shares[one])
