"""Labels of one view of a dialogue: what follows of its turns, as arrays on the field's grids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from synth.turns.model import Annotation
from synth.turns.record import SIDES, swapped, write_turns
from synth.turns.streams import activity_frames, turn_tokens, yield_labels
from synth.turns.text_stream import text_stream
from synth.turns.tokenizers import TextTokenizer
from synth.turns.vap_labels import projection_labels

VIDEO_HZ, MIMI_HZ, VAP_HZ = Fraction(25), Fraction(25, 2), Fraction(50)
RATES_HZ = {
    "main.speaking.npy": 25.0,
    "other.speaking.npy": 25.0,
    "main.turn_tokens.npy": 25.0,
    "other.turn_tokens.npy": 25.0,
    "yield.npy": 12.5,
    "yield_valid.npy": 12.5,
    "yield_holder.npy": 12.5,
    "vap.npy": 50.0,
}


def label_members(
    annotation: Annotation,
    *,
    main: int,
    origin: str,
    wanted: tuple[str, ...],
    tokenizer: TextTokenizer | None = None,
    text_rate_hz: Fraction = MIMI_HZ,
) -> tuple[dict[str, bytes], dict[str, Any]]:
    """`turns.json` and arrays by member name, and what KEY.json says of them. `main`: the view's speaker.

    `yield.npy` is about whoever holds the floor, whom `yield_holder.npy` names (0 main, 1 other, -1 nobody):
    true where that person gives it up within a second.
    """
    from extractors.encode import npy_bytes

    seen = annotation if main == 0 else swapped(annotation)
    made: dict[str, NDArray[Any]] = {}
    about: dict[str, Any] = {"parameters": seen.parameters.name}
    for name in wanted:
        made |= _MAKERS[name](seen)
    if tokenizer is not None:
        for number, side in enumerate(SIDES):
            words = seen.words[number]
            if words is None:
                continue
            stream = text_stream(words, seen.duration, tokenizer, rate_hz=text_rate_hz)
            made[f"{side}.text.npy"] = stream.tokens
            about[f"{side}.text.npy"] = {
                "tokenizer": stream.tokenizer,
                "pad_id": stream.pad_id,
                "epad_id": stream.epad_id,
                "rate_hz": float(stream.rate_hz),
                "dropped_tokens": stream.n_dropped,
                "max_delay_frames": stream.max_delay,
            }
    payloads = {name: npy_bytes(array) for name, array in made.items()}
    payloads["turns.json"] = write_turns(annotation, main=main, origin=origin)
    return payloads, about


def _speaking(seen: Annotation) -> dict[str, NDArray[Any]]:
    n_frames = int(seen.duration * VIDEO_HZ)
    return {
        f"{side}.speaking.npy": activity_frames(seen.ipus[number], n_frames, VIDEO_HZ)
        for number, side in enumerate(SIDES)
    }


def _turn_tokens(seen: Annotation) -> dict[str, NDArray[Any]]:
    return {
        f"{side}.turn_tokens.npy": turn_tokens(seen, number, VIDEO_HZ).tokens
        for number, side in enumerate(SIDES)
    }


def _yield(seen: Annotation) -> dict[str, NDArray[Any]]:
    found = yield_labels(seen, MIMI_HZ)
    return {"yield.npy": found.label, "yield_valid.npy": found.valid, "yield_holder.npy": found.holder}


def _vap(seen: Annotation) -> dict[str, NDArray[Any]]:
    from synth.turns.streams import both_active

    return {"vap.npy": projection_labels(both_active(seen, VAP_HZ), seen.parameters)}


_MAKERS: Mapping[str, Callable[[Annotation], dict[str, NDArray[Any]]]] = {
    "speaking": _speaking,
    "turn_tokens": _turn_tokens,
    "yield": _yield,
    "vap": _vap,
}
