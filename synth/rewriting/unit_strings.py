"""Unit strings, `[St3][Pi41][Hu97]`: are they well formed (style first, no two style or pitch in a row), and
what of one is said in a stretch of time.

The form is SpiritLM's (Nguyen et al., 2024), the rule AVLM's. Units come in as text; they are made elsewhere.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

_UNIT = re.compile(r"\[(St|Pi|Hu)(0|[1-9]\d*)\]")


class UnitStringError(ValueError):
    """A unit string that breaks the form; the message says where and how."""


def check_units(text: str) -> str:
    """`text` itself when it is well formed. Raises UnitStringError.

    The first unit is a style unit. Before a semantic unit stand at most one style and one pitch unit, in
    this order; none stands after the last semantic unit. No stream says the same unit twice in succession.
    """
    at, before = 0, "Hu"
    told: dict[str, str] = {}
    while at < len(text):
        found = _UNIT.match(text, at)
        if found is None:
            raise UnitStringError(f"no unit at character {at}: {text[at : at + 12]!r}")
        kind, unit = found[1], found[2]
        if at == 0 and kind != "St":
            raise UnitStringError(f"begins with {found[0]}; a style unit comes first")
        if kind != "Hu" and before == kind:
            raise UnitStringError(f"two {kind} units in a row at character {at}: {found[0]}")
        if kind == "St" and before == "Pi":
            raise UnitStringError(f"a style unit after a pitch unit at character {at}: {found[0]}")
        if told.get(kind) == unit:
            raise UnitStringError(f"{found[0]} follows an equal one at character {at}: not de-duplicated")
        told[kind], before, at = unit, kind, found.end()
    if not told:
        raise UnitStringError("is empty")
    if before != "Hu":
        raise UnitStringError(f"ends with a {before} unit, after which nothing is said")
    return text


def cut_units(text: str, semantic: Sequence[int], start: int, stop: int) -> str:
    """What of a unit string is said in the frames [start, stop) of its semantic units.

    `semantic` is one unit a frame, of which `text` tells the changes: that is how its units get their time. A
    style or pitch unit stands before the semantic unit after which it is in force; those in force when the
    stretch begins are told at its beginning. So the pieces of a string that is cut without gaps, joined and
    de-duplicated, are that string. Raises UnitStringError for a string that is not well formed or not of
    these units, and for a stretch without a frame.
    """
    firsts = [at for at, unit in enumerate(semantic) if at == 0 or unit != semantic[at - 1]]
    in_force = _in_force(check_units(text))
    if [hubert for _, _, hubert in in_force] != [str(semantic[at]) for at in firsts]:
        raise UnitStringError(f"its {len(in_force)} semantic units are not the {len(firsts)} of the stream")
    low, high = max(0, start), min(stop, len(semantic))
    if low >= high:
        raise UnitStringError(f"no frame in [{start}, {stop}) of {len(semantic)}")
    told: dict[str, str] = {}
    found = []
    for state in in_force[bisect_right(firsts, low) - 1 : bisect_left(firsts, high)]:
        for kind, unit in zip(("St", "Pi", "Hu"), state, strict=True):
            if unit is not None and told.get(kind) != unit:
                told[kind] = unit
                found.append(f"[{kind}{unit}]")
    return "".join(found)


def _in_force(text: str) -> list[tuple[str | None, str | None, str]]:
    """Style, pitch and semantic unit of each semantic unit."""
    now: dict[str, str] = {}
    found = []
    for kind, unit in _UNIT.findall(text):
        now[kind] = unit
        if kind == "Hu":
            found.append((now.get("St"), now.get("Pi"), unit))
    return found
