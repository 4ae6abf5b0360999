"""Text streams: the words of one side as one token a frame, beside its audio, as Moshi reads them.

A word's tokens stand one a frame from the frame of its start on. Frames without a token hold PAD; the PAD
right before a word's first token becomes EPAD, which announces it (kyutai-labs/moshi-finetune 2acc879:
finetune/data/interleaver.py; where no PAD precedes it, none is announced). Frames are floor(t * rate),
computed exactly.

When the next word starts before all tokens of a word are placed, `cut` drops the rest of it, as Moshi's
interleaver does by default, and in moshi-finetune's train.py, so that the text never lags the voice; `shift`
(its `keep_and_shift`) places them all and lets the next word wait. Either way each word's row says what
happened to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from synth.turns.model import Word
from synth.turns.times import frame_count, frame_of
from synth.turns.tokenizers import TextTokenizer

Overflow = Literal["cut", "shift"]


@dataclass(frozen=True)
class PlacedWord:
    """What became of a word: `n_tokens` it has, `n_placed` of them from `frame` on (None: none was placed).

    `delay`: frames between that of its start and that of its first token.
    """

    text: str
    n_tokens: int
    n_placed: int
    frame: int | None
    delay: int


@dataclass(frozen=True)
class TextStream:
    """`tokens` (n_frames,) int32 at `rate_hz`, and a row for each word in the order of their starts."""

    tokens: NDArray[np.int32]
    rate_hz: Fraction
    tokenizer: str
    pad_id: int
    epad_id: int
    overflow: Overflow
    words: tuple[PlacedWord, ...]

    @property
    def n_dropped(self) -> int:
        """Tokens that found no frame."""
        return sum(word.n_tokens - word.n_placed for word in self.words)

    @property
    def max_delay(self) -> int:
        """Frames that the text lags the voice at most."""
        return max((word.delay for word in self.words), default=0)


def text_stream(
    words: Sequence[Word],
    duration: Fraction,
    tokenizer: TextTokenizer,
    *,
    rate_hz: Fraction = Fraction(25, 2),
    overflow: Overflow = "shift",
) -> TextStream:
    """The stream of one side. Each word is tokenized alone, without white space round it.

    Raises ValueError for a word of which the tokenizer makes PAD or EPAD, and for one that starts outside
    the recording.
    """
    n_frames = frame_count(duration, rate_hz)
    tokens = np.full(n_frames, tokenizer.pad_id, np.int32)
    ordered = sorted(words, key=lambda word: (word.start, word.stop))
    starts = [frame_of(word.start, rate_hz) for word in ordered]
    rows = []
    free = 0
    for number, (word, start) in enumerate(zip(ordered, starts, strict=True)):
        if not 0 <= start < max(n_frames, 1):
            raise ValueError(f"{word.text!r} starts at {word.start} s of a recording of {duration} s")
        ids = _ids(word.text, tokenizer)
        following = starts[number + 1] if number + 1 < len(starts) else n_frames
        first = max(start, free)
        placed = ids[: max(0, (following if overflow == "cut" else n_frames) - first)]
        if placed:
            tokens[first : first + len(placed)] = placed
            if first and tokens[first - 1] == tokenizer.pad_id:
                tokens[first - 1] = tokenizer.epad_id
            free = first + len(placed)
        frame = first if placed else None
        rows.append(PlacedWord(word.text, len(ids), len(placed), frame, first - start if placed else 0))
    return TextStream(
        tokens, rate_hz, tokenizer.name, tokenizer.pad_id, tokenizer.epad_id, overflow, tuple(rows)
    )


def _ids(text: str, tokenizer: TextTokenizer) -> list[int]:
    ids = tokenizer.encode(text.strip())
    taken = {tokenizer.pad_id, tokenizer.epad_id} & set(ids)
    if taken:
        raise ValueError(
            f"{tokenizer.name} writes {text!r} with token {min(taken)}, which is to mean padding: "
            "give other pad and epad ids"
        )
    return ids
