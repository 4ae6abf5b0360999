"""Names and numbers of an answer that nobody mentioned before: the model has made them up.

Numbers are compared by value ("2" is "two"). Names are words with a capital inside a sentence; at its start a
capital means nothing, so a name there counts only if it also stands elsewhere. In German nouns have
capitals and in scripts without case there are none: there only numbers are compared.
"""

from __future__ import annotations

import re

from synth.rewriting.scripts import words_of

_UNITS = words_of(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = words_of("twenty thirty forty fifty sixty seventy eighty ninety")
_NUMBER_WORDS = {word: value for value, word in enumerate(_UNITS)}
_NUMBER_WORDS |= {word: 10 * value for value, word in enumerate(_TENS, 2)}
_BIG = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_VAGUE = frozenset({0, 1})
"""`one` and `zero` are said without counting ("no one", "one day")."""

_DIGITS = re.compile(r"\d+(?:[.,:]\d+)*")
_TOKEN = re.compile(r"[^\W\d_]+(?:['’\-][^\W\d_]+)*|\d+(?:[.,:]\d+)*|[.!?…:\"“”]+")
_ENDS = re.compile(r"[.!?…:\"“”]+$")
_CASELESS_NAMES = frozenset({"de", "lb"})
_CAPITAL_WORDS = frozenset(
    words_of(
        "i ok okay tv dad mom mum mama papa mommy daddy god lord jesus christ gosh mr mrs ms dr sir madam "
        "grandma grandpa"
    )
)


def strange_numbers(text: str, known: str) -> list[str]:
    """Numbers of `text` whose value does not occur in `known`, in order."""
    seen = {value for value, _ in _numbers(known)}
    found = (spelling for value, spelling in _numbers(text) if value not in seen and value not in _VAGUE)
    return list(dict.fromkeys(found))


def _numbers(text: str) -> list[tuple[float | str, str]]:
    """(value, spelling) of digits and English number words; "twenty-one", "two hundred" are one each."""
    found: list[tuple[float | str, str]] = []
    run: list[str] = []
    for token in [*re.findall(r"[^\W\d_]+|\d+(?:[.,:]\d+)*|[^\w\s-]+", text), ""]:
        word = token.casefold()
        if word in _NUMBER_WORDS or word in _BIG:
            run.append(word)
            continue
        if run:
            found.append((_value(run), " ".join(run)))
            run = []
        if _DIGITS.fullmatch(token):
            plain = token.replace(",", "")
            found.append((float(plain) if re.fullmatch(r"\d+(\.\d+)?", plain) else token, token))
    return found


def _value(words: list[str]) -> float:
    total, part = 0, 0
    for word in words:
        if word in _NUMBER_WORDS:
            part += _NUMBER_WORDS[word]
        elif word == "hundred":
            part = max(part, 1) * 100
        else:
            total, part = total + max(part, 1) * _BIG[word], 0
    return float(total + part)


def strange_names(text: str, known: str, language: str) -> list[str]:
    """Capitalised words of `text` that `known` does not hold in any spelling, in order."""
    if language.split("-", maxsplit=1)[0].lower() in _CASELESS_NAMES:
        return []
    seen = {_bare(token) for token in _TOKEN.findall(known)}
    found: list[str] = []
    at_start = True
    for token in _TOKEN.findall(text):
        if _ENDS.fullmatch(token):
            at_start = True
            continue
        bare = _bare(token)
        if not at_start and token[0].isupper() and bare not in seen and bare not in _CAPITAL_WORDS:
            found.append(token)
        at_start = False
    return list(dict.fromkeys(found))


def _bare(token: str) -> str:
    """Small letters, without what follows an apostrophe: I'm, Anna's."""
    return re.split(r"['’]", token.casefold())[0]
