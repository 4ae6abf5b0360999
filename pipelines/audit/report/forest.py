"""Results of the signal probes as rows of intervals, one column a corpus (docs/probes.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_SCORES = (
    ("face", "AUC of the face"),
    ("shuffled", "the same with shuffled labels (should be 0.5)"),
    ("without_face", "AUC of voice activity alone"),
    ("with_face", "AUC of voice activity and face"),
)


@dataclass(frozen=True)
class Interval:
    """An estimate and its interval; places in percent of the width."""

    text: str
    low: float
    value: float
    high: float


@dataclass(frozen=True)
class ForestRow:
    """One quantity, for each corpus; None where it was not measured."""

    name: str
    intervals: tuple[Interval | None, ...]
    carried: tuple[bool, ...]


@dataclass(frozen=True)
class Forest:
    """Rows that share an axis; `zero` is where its reference stands, percent of the width."""

    title: str
    corpora: tuple[str, ...]
    rows: tuple[ForestRow, ...]
    low: str
    high: str
    reference: str
    zero: float
    notes: tuple[str, ...] = ()


def forests(results: Sequence[Mapping[str, Any]]) -> list[Forest]:
    """AUCs on an axis from 0 to 1, and what the face and each of its groups add on an axis of their own."""
    if not results:
        return []
    corpora = tuple(str(result["corpus"]) for result in results)
    notes = tuple(_note(result) for result in results)
    scores = [_row(told, [result.get(name) for result in results], (0.0, 1.0)) for name, told in _SCORES]
    groups = list(dict.fromkeys(one["group"] for result in results for one in result.get("groups", ())))
    alone = [
        _row(f"{group} alone", [_of_group(result, group, "alone") for result in results], (0.0, 1.0))
        for group in groups
    ]
    gains = [[result.get("gain") for result in results]]
    gains += [[_of_group(result, group, "drop") for result in results] for group in groups]
    names = ["gain of the face over voice activity", *(f"loss without {group}" for group in groups)]
    reach = _reach(one for row in gains for one in row)
    changes = [
        _row(name, row, (-reach, reach), [result.get("carried_by") for result in results])
        for name, row in zip(names, gains, strict=True)
    ]
    return [
        Forest(
            "How well a turn's end is told",
            corpora,
            _kept([*scores, *alone]),
            "0",
            "1",
            "0.5: chance",
            50.0,
            notes,
        ),
        Forest("What carries it", corpora, _kept(changes), f"−{reach:g}", f"{reach:g}", "0: nothing", 50.0),
    ]


def _kept(rows: Iterable[ForestRow]) -> tuple[ForestRow, ...]:
    return tuple(row for row in rows if any(row.intervals))


def _of_group(result: Mapping[str, Any], group: str, name: str) -> Any:
    return next((one[name] for one in result.get("groups", ()) if one["group"] == group), None)


def _reach(estimates: Iterable[Any]) -> float:
    furthest = max((max(abs(one["low"]), abs(one["high"])) for one in estimates if one), default=0.1)
    return max(0.1, round(furthest + 0.05, 1))


def _row(
    name: str, estimates: Sequence[Any], axis: tuple[float, float], carried: Sequence[Any] = ()
) -> ForestRow:
    low, high = axis

    def place(value: float) -> float:
        return round(100 * (min(max(value, low), high) - low) / (high - low), 2)

    intervals = tuple(
        Interval(
            f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]",
            place(one["low"]),
            place(one["value"]),
            place(one["high"]),
        )
        if one
        else None
        for one in estimates
    )
    return ForestRow(name, intervals, tuple(name == f"loss without {group}" for group in carried))


def _note(result: Mapping[str, Any]) -> str:
    """What was asked of a corpus, or why there is no answer."""
    if result.get("reason"):
        return f"{result['corpus']}: no answer, {result.get('detail') or result['reason']}"
    carried = result.get("carried_by")
    told = f"carried by {carried}" if carried else "carried by no group alone"
    return (
        f"{result['corpus']}: {result['n_dialogues']} dialogues, {result['n_train_dialogues']} fitted on, "
        f"{result['n_test_frames']} frames tested on; {told}"
    )
