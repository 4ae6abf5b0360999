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
    splits = dialogue_splits(dialogues).splits
    where: dict[str, set[str]] = {}
    for one in dialogues:
        for name in one.speakers:
            where.setdefault(one.person(name), set()).add(splits[one.id])
    assert all(len(found) == 1 for found in where.values())
    random.shuffle(dialogues)
    assert dialogue_splits(dialogues).splits == splits


def test_about_80_to_10_to_10() -> None:
    dialogues = [dialogue(number, f"a{number}", f"b{number}") for number in range(3000)]
    counts = Counter(dialogue_splits(dialogues).splits.values())
    assert abs(counts["train"] - 2400) < 80  # 80 is 3.6 standard deviations of a binomial
    assert abs(counts["valid"] - 300) < 60 and abs(counts["test"] - 300) < 60


GIVEN = st.dictionaries(st.integers(0, 30), st.sampled_from(["train", "valid", "test"]), max_size=12)


@given(PAIRS, GIVEN, st.randoms())
def test_who_is_settled_stays_and_takes_along_who_talks_with_them(pairs, given, random) -> None:
    dialogues = [dialogue(number, f"p{a}", f"p{b}") for number, (a, b) in enumerate(pairs)]
    settled = {f"p{number}": split for number, split in given.items()}
    placed = dialogue_splits(dialogues, given=settled)
    assert placed.splits.keys() | placed.conflicts.keys() == {one.id for one in dialogues}
    assert not placed.splits.keys() & placed.conflicts.keys()
    where = {person: {split} for person, split in settled.items()}
    for one in dialogues:
        for name in one.speakers if one.id in placed.splits else ():
            where.setdefault(one.person(name), set()).add(placed.splits[one.id])
    assert all(len(found) == 1 for found in where.values())
    # nobody's dialogue is given up without need: the people of a conflict are linked to two splits
    for key in placed.conflicts:
        (one,) = (each for each in dialogues if each.id == key)
        reach = {one.person(name) for name in one.speakers}
        for _ in dialogues:
            reach |= {
                other.person(name)
                for other in dialogues
                if reach & {other.person(each) for each in other.speakers}
                for name in other.speakers
            }
        assert len({settled[person] for person in reach if person in settled}) > 1
    random.shuffle(dialogues)
    assert dialogue_splits(dialogues, given=settled) == placed


def test_where_two_splits_meet_the_test_set_is_left_whole() -> None:
    """x talks with both: the dialogue with the test set's t is kept, that with r of train is not."""
    pairs = [("r", "x"), ("x", "t"), ("r", "y")]
    dialogues = [dialogue(number, *pair) for number, pair in enumerate(pairs)]
    placed = dialogue_splits(dialogues, given={"r": "train", "t": "test"})
    assert placed.splits == {"d1": "test", "d2": "train"}
    assert placed.conflicts == {
        "d0": "x is of test and r is of train, themselves or through those they talk with"
    }
