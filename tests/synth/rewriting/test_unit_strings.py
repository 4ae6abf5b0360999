from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.unit_streams import from_text, interleave, to_text
from synth.rewriting.unit_strings import UnitStringError, check_units

UNITS = st.lists(st.integers(0, 3), min_size=1, max_size=40)


@given(semantic=UNITS, pitch=st.lists(st.integers(0, 3), max_size=20), style=UNITS)
def test_what_the_interleaving_makes_is_well_formed(semantic, pitch, style) -> None:
    text = to_text(interleave(semantic, pitch, style))
    assert check_units(text) == text


@given(semantic=UNITS, pitch=UNITS, style=UNITS, place=st.integers(0, 1000))
def test_a_control_unit_too_many_is_found(semantic, pitch, style, place) -> None:
    """A style or pitch unit said twice is two in a row, wherever it stands."""
    units = from_text(to_text(interleave(semantic, pitch, style)))
    controls = [at for at, (kind, _) in enumerate(units) if kind != "Hu"]
    at = controls[place % len(controls)]
    kind, unit = units[at]
    broken = [*units[: at + 1], (kind, unit + 1), *units[at + 1 :]]
    with pytest.raises(UnitStringError, match=f"two {kind} units in a row"):
        check_units(to_text(broken))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("[Hu1]", "a style unit comes first"),
        ("[Pi1][St1][Hu1]", "a style unit comes first"),
        ("[St1][Hu1][Pi2][St2][Hu2]", "after a pitch unit at character 15"),
        ("[St1][St2][Hu1]", "two St units in a row at character 5"),
        ("[St1][Pi1][Pi2][Hu1]", "two Pi units in a row"),
        ("[St1][Hu1][Hu1]", "not de-duplicated"),
        ("[St1][Hu1][St1][Hu2]", "not de-duplicated"),
        ("[St1][Hu1][Pi2]", "ends with a Pi unit"),
        ("[St1] [Hu1]", "no unit at character 5"),
        ("[St1][Hu1]x", "no unit at character 10"),
        ("[St01][Hu1]", "no unit at character 0"),
        ("[Xx1][Hu1]", "no unit at character 0"),
    ],
)
def test_what_is_wrong_is_told(text: str, message: str) -> None:
    with pytest.raises(UnitStringError, match=message):
        check_units(text)
