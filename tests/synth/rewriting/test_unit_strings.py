from __future__ import annotations

from itertools import groupby, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from extractors.unit_streams import from_text, interleave, to_text
from synth.rewriting.unit_strings import UnitStringError, check_units, cut_units

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


def told_once(pieces: list[str]) -> str:
    """The pieces in a row, without what repeats the last unit of its kind."""
    last: dict[str, int] = {}
    kept = []
    for kind, unit in from_text("".join(pieces)):
        if last.get(kind) != unit:
            last[kind] = unit
            kept.append((kind, unit))
    return to_text(kept)


@given(semantic=UNITS, pitch=UNITS, style=UNITS, cuts=st.sets(st.integers(1, 39)))
def test_pieces_without_gaps_are_the_whole(semantic, pitch, style, cuts) -> None:
    text = to_text(interleave(semantic, pitch, style, semantic_hz=25, pitch_hz=12.5, style_hz=1))
    edges = [0, *sorted(cut for cut in cuts if cut < len(semantic)), len(semantic)]
    pieces = [cut_units(text, semantic, low, high) for low, high in pairwise(edges)]
    assert told_once(pieces) == text
    for piece, (low, high) in zip(pieces, pairwise(edges), strict=True):
        assert check_units(piece) == piece
        said = [unit for kind, unit in from_text(piece) if kind == "Hu"]
        assert said == [unit for unit, _ in groupby(semantic[low:high])]


def test_a_piece_begins_with_what_is_in_force() -> None:
    """Frames 7 7 8 8 8 9: the pitch changes to 2 before unit 9."""
    text, stream = "[St1][Pi1][Hu7][Hu8][Pi2][Hu9]", [7, 7, 8, 8, 8, 9]
    assert cut_units(text, stream, 0, 6) == text
    assert cut_units(text, stream, 3, 6) == "[St1][Pi1][Hu8][Pi2][Hu9]"
    assert cut_units(text, stream, 5, 6) == "[St1][Pi2][Hu9]"
    assert cut_units(text, stream, 1, 2) == "[St1][Pi1][Hu7]"
    assert cut_units(text, stream, -4, 99) == text  # as far as there is anything


@pytest.mark.parametrize(
    ("stream", "start", "stop", "message"),
    [
        ([7, 8], 1, 1, "no frame in"),
        ([7, 8], 2, 5, "no frame in"),
        ([7, 7], 0, 2, "2 semantic units are not the 1"),
        ([7, 9], 0, 2, "not the 2 of the stream"),
    ],
)
def test_what_cannot_be_cut_is_told(stream, start, stop, message) -> None:
    with pytest.raises(UnitStringError, match=message):
        cut_units("[St1][Hu7][Hu8]", stream, start, stop)
