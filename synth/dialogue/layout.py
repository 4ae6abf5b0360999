"""An utterance by itself, in samples from where its speech begins: paused, or cut, at word boundaries."""

from __future__ import annotations

from dataclasses import dataclass, replace

from synth.dialogue.plan import Piece, PlannedWord
from synth.dialogue.sounds import Speech
from synth.levels import Span, Spans


@dataclass(frozen=True)
class Layout:
    """Pieces of a sound, where they are active, and their words; speech begins at sample 0."""

    pieces: tuple[Piece, ...]
    active: Spans
    words: tuple[PlannedWord, ...]
    pauses: Spans = ()
    n_cut_words: int = 0

    @property
    def length(self) -> int:
        """Samples from the beginning of speech to its end."""
        return self.active[-1][1]

    def units(self, merge: int) -> list[Span]:
        """Stretches with at most `merge` samples of silence in them."""
        found: list[Span] = []
        for start, stop in self.active:
            if found and start - found[-1][1] <= merge:
                found[-1] = (found[-1][0], stop)
            else:
                found.append((start, stop))
        return found

    def moved(self, by: int) -> Layout:
        """The same, later."""
        return replace(
            self,
            pieces=tuple(replace(one, at=one.at + by) for one in self.pieces),
            active=_moved(self.active, by),
            words=tuple(replace(one, start=one.start + by, stop=one.stop + by) for one in self.words),
            pauses=_moved(self.pauses, by),
        )


def _moved(spans: Spans, by: int) -> Spans:
    return tuple((start + by, stop + by) for start, stop in spans)


def laid_out(speech: Speech, margin: int) -> Layout:
    """All of a sound's speech, and up to `margin` samples of what is before and after it."""
    start, stop = speech.active[0][0], speech.active[-1][1]
    first = max(0, start - margin)
    last = min(len(speech.pcm), stop + margin)
    return Layout(
        pieces=(Piece(first, last, first - start),),
        active=_moved(speech.active, -start),
        words=tuple(PlannedWord(one.text, one.start - start, one.stop - start) for one in speech.words),
    )


def with_pause(layout: Layout, word: int, length: int) -> Layout:
    """`length` samples of silence after the word of that number, in the middle of what silence is there."""
    at = (layout.words[word].stop + layout.words[word + 1].start) // 2
    pieces: list[Piece] = []
    for one in layout.pieces:
        cut = one.first + at - one.at
        if one.first < cut < one.stop:
            pieces += [replace(one, stop=cut), Piece(cut, one.stop, at + length)]
        else:
            pieces.append(one if one.at < at else replace(one, at=one.at + length))
    active: list[Span] = []
    for start, stop in layout.active:
        if start < at:
            active.append((start, min(stop, at)))
        if stop > at:
            active.append((max(start, at) + length, stop + length))
    words = [
        one if number <= word else replace(one, start=one.start + length, stop=one.stop + length)
        for number, one in enumerate(layout.words)
    ]
    later = tuple((a + length, b + length) if a >= at else (a, b) for a, b in layout.pauses)
    return replace(
        layout,
        pieces=tuple(pieces),
        active=tuple(active),
        words=tuple(words),
        pauses=tuple(sorted([*later, (at, at + length)])),
    )


def cut_after(layout: Layout, word: int) -> Layout:
    """Nothing is heard after the word of that number."""
    stop = layout.words[word].stop
    return replace(
        layout,
        pieces=tuple(
            replace(one, stop=min(one.stop, one.first + stop - one.at))
            for one in layout.pieces
            if one.at < stop
        ),
        active=tuple((a, min(b, stop)) for a, b in layout.active if a < stop),
        words=layout.words[: word + 1],
        pauses=tuple((a, b) for a, b in layout.pauses if b <= stop),
        n_cut_words=len(layout.words) - word - 1,
    )
