from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from synth.rewriting import Dialogue
from synth.rewriting.dialogue_splits import dialogue_splits


def dialogue(number: int, first: str, second: str) -> Dialogue:
    speakers = {"A": {"person": first}, "B": {"person": second}}
    record = {"id": f"d{number}", "speakers": speakers, "turns": [{"speaker": "A", "text": "Hello."}]}
    return Dialogue.model_validate(record)


PAIRS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=30)


@given(PAIRS, st.randoms())
def test_nobody_is_in_two_splits_whatever_the_order(pairs, random) -> None:
    dialogues = [dialogue(number, f"p{a}", f"p{b}") for number, (a, b) in enumerate(pairs)]
    splits = dialogue_splits(dialogues)
    where: dict[str, set[str]] = {}
    for one in dialogues:
        for name in one.speakers:
            where.setdefault(one.person(name), set()).add(splits[one.id])
    assert all(len(found) == 1 for found in where.values())
    random.shuffle(dialogues)
    assert dialogue_splits(dialogues) == splits


def test_about_80_to_10_to_10() -> None:
    dialogues = [dialogue(number, f"a{number}", f"b{number}") for number in range(3000)]
    counts = Counter(dialogue_splits(dialogues).values())
    assert abs(counts["train"] - 2400) < 80  # 80 is 3.6 standard deviations of a binomial
    assert abs(counts["valid"] - 300) < 60 and abs(counts["test"] - 300) < 60
