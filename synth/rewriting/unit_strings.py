"""Is a unit string well formed? `[St3][Pi41][Hu97]`: style first, no two style or pitch in a row.

The form is SpiritLM's (Nguyen et al., 2024), the rule AVLM's. Units come in as text; they are made elsewhere.
"""

from __future__ import annotations

import re

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
