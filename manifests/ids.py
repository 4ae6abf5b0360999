"""Names and seeds that depend on content alone, never on order, worker count or folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

TICK_HZ = 25
"""Sample keys count time in ticks of 1/25 s: the video grid every consumer in the field shares."""


def canonical_json(value: Any) -> bytes:
    """The one JSON spelling of `value`: sorted keys, no spaces, `Fraction` as "n/d", NaN refused."""
    return json.dumps(
        _plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode("utf-8", "surrogateescape")


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value


def digest(*parts: Any, length: int = 16) -> str:
    """First `length` hex digits of the SHA-256 of the parts' canonical JSON.

    16 digits are 64 bits: among ten million ids a collision has a chance of about 3 in a million.
    """
    return hashlib.sha256(canonical_json(list(parts))).hexdigest()[:length]


def source_id(relative_path: str) -> str:
    """Id of a source: a digest of its path below the corpus root, with `/` between folders.

    Unicode is not normalised: two files whose names differ only in normalisation are two sources.
    """
    return digest("source", relative_path)


def sample_key(source: str, track: int | None, start_tick: int) -> str:
    """Dot-free key of a sample: source id, track (`na` without one) and start in ticks of 1/25 s.

    A moved threshold keeps or drops samples but never renumbers those it keeps.
    """
    label = "na" if track is None else f"t{track:02d}"
    return f"{source}-{label}-{start_tick:07d}"


def seed_for(run_seed: int, step: str, key: str) -> int:
    """64-bit seed of one item, so that no result depends on how many draws came before."""
    return int(digest("seed", run_seed, step, key), 16)
