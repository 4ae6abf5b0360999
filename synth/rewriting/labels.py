"""Headings that a model writes before, or within, what is to be said: "Response:", "Mine:", "Anna:".

At the beginning of an answer one or two words and a colon are a heading, unless people say just that before
they go on ("Listen: I am sorry.", a closed list, since a heading can be any word) or the two are a clause
("It's simple: we wait."). Three words, a dash ("Answer - ..."), a line of its own and the beginnings of later
sentences are headings only where the words are those of a heading or a speaker's name: in speech all of these
are common.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from synth.rewriting.scripts import words_of

HEADINGS = frozenset(
    words_of(
        "response reply answer speaker user assistant rewritten rewrite rephrased revised example output "
        "emotion gender text dialogue conversation note system person line turn history"
    )
)
"""Words that head a text."""
_OF_HEADINGS = frozenset(
    words_of("a an the my your his her their this new next final short possible full spoken")
)
"""What stands before them: "My response", "Final answer"."""
SPOKEN_FIRST = frozenset(
    " ".join(words_of(one))
    for one in (
        *("listen", "listen up", "look", "look here", "see", "wait", "remember", "imagine", "picture this"),
        *(
            "guess what",
            "get this",
            "mind you",
            "trust me",
            "believe me",
            "promise me",
            "tell me",
            "know what",
        ),
        *("question", "quick question", "one question", "serious question", "honest question", "my question"),
        *("one thing", "only thing", "first thing", "funny thing", "same thing", "the thing", "thing is"),
        *("truth is", "fact is", "point is", "problem is", "question is", "trouble is", "bottom line"),
        *("the truth", "the point", "the problem", "the plan", "my point", "my plan", "my idea", "my advice"),
        *("new plan", "new idea", "good news", "bad news", "great news", "fair warning", "fun fact"),
        *("plan a", "plan b", "option one", "option two", "deal", "spoiler", "confession", "news flash"),
        *("first", "second", "third", "last", "finally", "firstly", "secondly", "step one", "step two"),
        *("so", "and", "but", "now", "then", "okay", "ok", "well", "hey", "yes", "no", "right", "fine", "oh"),
        *("honestly", "seriously", "again", "simple", "easy", "in short", "for example", "after all"),
    )
)
"""What people say before what a colon can announce, in English; normal form."""
CLAUSES = frozenset(
    one.casefold()
    for one in words_of(
        "I we you he she it they that this there here what who how why where when no not all nothing "
        "everything I'm I'd I've we're you're he's she's it's that's there's here's what's who's let's don't "
        "can't"
    )
)
"""First words of two that are a clause: "It's simple: we wait." """

_FIRST = re.compile(r"\s*[*_\"“']*([\w .'’-]{1,40}?)[*_]*\s*(:(?=[\s*_\"“])|：|\s[-–—]{1,2}\s|\n)")
_LATER = re.compile(r"[\n.!?]\s*\**([\w .'’-]{1,40}?)\**\s*:\s")
_MOST_WORDS = 3


def heading(text: str, labels: Iterable[str]) -> str | None:
    """The first heading in `text` as it is written, None where there is none. `labels`: names and ids of the
    speakers."""
    known = {tuple(_words(label)) for label in labels}
    first = _FIRST.match(text)
    if first is not None and _heads(_words(first[1]), first[2], known):
        return first[1].strip()
    later = (found[1].strip() for found in _LATER.finditer(text))
    return next((one for one in later if _is_headed(_words(one), known)), None)


def _heads(words: list[str], sign: str, known: set[tuple[str, ...]]) -> bool:
    """Whether the words at the beginning, with what separates them from the rest, are a heading."""
    if sign not in (":", "："):
        return _is_heading(words, known)
    if not words or len(words) >= _MOST_WORDS or _is_headed(words, known):
        return _is_headed(words, known)
    return " ".join(words) not in SPOKEN_FIRST and not (len(words) == 2 and words[0] in CLAUSES)


def _is_headed(words: list[str], known: set[tuple[str, ...]]) -> bool:
    """Before a colon the first word is enough: "Response for Ben"."""
    return _is_heading(words, known) or (0 < len(words) <= _MOST_WORDS and words[0] in HEADINGS)


def _is_heading(words: list[str], known: set[tuple[str, ...]]) -> bool:
    """A speaker's name, or words of headings and a name or a number: "Speaker A", "Turn 2"."""
    if tuple(words) in known:
        return True
    rest = [one for one in words if one not in HEADINGS and one not in _OF_HEADINGS and not one.isdigit()]
    headed = any(one in HEADINGS for one in words) and len(words) <= _MOST_WORDS
    return headed and (not rest or tuple(rest) in known)


def _words(written: str) -> list[str]:
    return [one.casefold() for one in words_of(written)]
