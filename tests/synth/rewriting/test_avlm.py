from __future__ import annotations

import pytest

from synth.rewriting.avlm import DemonstrationError, Exchange, avsr, forced_emotion, in_context, zero_shot
from synth.rewriting.unit_strings import UnitStringError

HEARD = "[St3][Pi41][Hu97][Hu12]"


def exchange(number: int, emotion: str, **changes: str) -> Exchange:
    fields = {"key": f"k{number}", "person": f"p{number}", "units": f"[St{number}][Hu{number}]"}
    return Exchange(**(fields | {"emotion": emotion, "response": f"answer {number}"} | changes))


QUERY = exchange(9, "Sad", units=HEARD, transcript="I lost my keys.")
SHOWN = [exchange(n, emotion) for n, emotion in enumerate(["Neutral", "Angry", "Sad", "Happy"], 1)]


def test_zero_shot() -> None:
    one = zero_shot(QUERY)
    assert one.prompt.endswith(f"Heard: {HEARD}")
    assert "Happy, Sad, Angry, Neutral" in one.prompt
    assert one.target == "Emotion: Sad\nResponse: answer 9"
    assert (one.key, one.set, one.prompt_name, one.prompt_version) == (
        "k9-zero_shot",
        "zero_shot",
        "avlm_zero_shot",
        1,
    )


def test_in_context_shows_each_emotion_once_in_one_order() -> None:
    one = in_context(QUERY, SHOWN)
    assert in_context(QUERY, SHOWN[::-1]) == one
    places = [one.prompt.index(f"Heard: [St{n}][Hu{n}]\nEmotion: {e}\nResponse: answer {n}")
              for n, e in ((4, "Happy"), (3, "Sad"), (2, "Angry"), (1, "Neutral"))]  # fmt: skip
    assert places == sorted(places) and one.prompt.index(HEARD) > places[-1]
    assert "answer 9" not in one.prompt  # the target is not given away


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        (SHOWN[:3], "no demonstration for Happy"),
        ([*SHOWN, exchange(5, "Sad")], "'Sad' is shown twice"),
        ([*SHOWN[:3], exchange(5, "Excited")], "'Excited' is shown twice or is not kept"),
        ([*SHOWN[:3], exchange(5, "Happy", person="p9")], "of the same person"),
    ],
)
def test_demonstrations_that_do_not_do(shown, message) -> None:
    with pytest.raises(DemonstrationError, match=message):
        in_context(QUERY, shown)


def test_avsr() -> None:
    assert avsr(QUERY).target == "I lost my keys."
    with pytest.raises(ValueError, match="transcript"):
        avsr(exchange(1, "Sad"))


def test_forced_emotion_makes_up_no_target() -> None:
    found = forced_emotion(QUERY, {"Happy": "never mind!"})
    assert [(one.emotion, one.target) for one in found] == [
        ("Happy", "never mind!"), ("Sad", "answer 9"), ("Angry", None), ("Neutral", None)
    ]  # fmt: skip
    assert len({one.key for one in found}) == 4
    assert all(one.prompt.endswith(f"Emotion: {one.emotion}") for one in found)


def test_who_is_not_answered_has_no_target_even_in_the_own_emotion() -> None:
    found = forced_emotion(exchange(9, "Sad", response=""), {"Happy": "never mind!"})
    assert [one.target for one in found] == ["never mind!", None, None, None]


def test_units_that_are_not_well_formed_enter_no_prompt() -> None:
    bad = exchange(8, "Sad", units="[Hu1]")
    for make in (zero_shot, forced_emotion, lambda one: in_context(one, SHOWN)):
        with pytest.raises(UnitStringError):
            make(bad)
    with pytest.raises(UnitStringError):
        in_context(QUERY, [*SHOWN[:3], exchange(5, "Happy", units="[St1]")])
