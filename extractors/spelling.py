"""English text as it is spoken: numbers and signs in words, and how an unknown word may sound."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_ASIDE = re.compile(r"\[[^\]]*\]|<[^>]*>|\{[^}]*\}")  # [laughter], <unk>, {noise}: no words
_PART = re.compile(
    r"(?P<number>\d+(?:,\d{3})*(?:\.\d+)?)(?P<ordinal>st|nd|rd|th)?|[^\W\d_]+(?:'[^\W\d_]+)*|[&%@+]"
)
_SIGNS = {"&": "and", "%": "percent", "@": "at", "+": "plus"}
_CURRENCIES = {"$": "dollars", "£": "pounds", "€": "euros"}
_LETTERS = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Token:
    """A word as written, and the lower-case words that are spoken for it."""

    written: str
    spoken: tuple[str, ...]


def spoken_tokens(text: str) -> list[Token]:
    """What is said for `text`, word by written word.

    Joined by spaces, the written forms give `text` back but for white space and asides in brackets, which
    are no words: punctuation that stands alone is kept with the word before it (or after, at the beginning).
    """
    tokens: list[Token] = []
    held = ""
    for written in _ASIDE.sub(" ", text).split():
        spoken = _spoken(written)
        if spoken:
            tokens.append(Token(held + written, spoken))
            held = ""
        elif tokens:
            tokens[-1] = Token(f"{tokens[-1].written} {written}", tokens[-1].spoken)
        else:
            held += f"{written} "
    return tokens


def _spoken(written: str) -> tuple[str, ...]:
    plain = unicodedata.normalize("NFKC", written).replace("’", "'")
    words: list[str] = []
    for match in _PART.finditer(plain):
        if match["number"]:
            words.extend(_number_words(match["number"], ordinal=match["ordinal"] is not None))
            words.extend(
                name for sign, name in _CURRENCIES.items() if plain[match.start() - 1 : match.start()] == sign
            )
        elif match[0].isupper() and 1 < len(match[0]) <= 5 and not set(match[0]) & set("AEIOUY"):
            words.extend(match[0].lower())  # BBC: nobody says it as one word
        else:
            words.append(_SIGNS.get(match[0], match[0].lower()))
    return tuple(words)


def _number_words(digits: str, *, ordinal: bool) -> list[str]:
    from num2words import num2words

    plain = digits.replace(",", "")
    if ordinal:
        spoken = num2words(int(float(plain)), to="ordinal")
    elif plain.isdigit() and len(plain) > 1 and plain[0] == "0":
        spoken = " ".join(num2words(int(digit)) for digit in plain)
    elif plain.isdigit() and len(digits) == 4 and 1100 <= int(plain) < 2100 and not 2000 <= int(plain) < 2010:
        spoken = num2words(int(plain), to="year")
    else:
        spoken = num2words(plain)
    return _LETTERS.findall(spoken.lower())


_SOUNDS = {
    **{
        "ough": "AO",
        "augh": "AO",
        "tion": "SH AH N",
        "sion": "ZH AH N",
        "cious": "SH AH S",
        "tious": "SH AH S",
    },
    **{"ous": "AH S", "tch": "CH", "sch": "SH", "igh": "AY", "eau": "OW", "dge": "JH", "eer": "IH R"},
    **{"ear": "IH R", "air": "EH R", "our": "AO R", "oor": "AO R", "ch": "CH", "sh": "SH", "th": "TH"},
    **{"ph": "F", "wh": "W", "ck": "K", "ng": "NG", "qu": "K W", "gh": "G", "ee": "IY", "ea": "IY"},
    **{"oo": "UW", "ou": "AW", "ow": "OW", "oi": "OY", "oy": "OY", "ai": "EY", "ay": "EY", "au": "AO"},
    **{"aw": "AO", "ie": "IY", "ei": "EY", "ey": "IY", "oa": "OW", "ue": "UW", "ew": "UW", "ui": "UW"},
    **{"ar": "AA R", "er": "ER", "ir": "ER", "or": "AO R", "ur": "ER", "ce": "S", "ci": "S IH", "cy": "S IY"},
    **{
        "ge": "JH",
        "gi": "JH IH",
        "gy": "JH IY",
        "a": "AE",
        "b": "B",
        "c": "K",
        "d": "D",
        "e": "EH",
        "f": "F",
    },
    **{"g": "G", "h": "HH", "i": "IH", "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA"},
    **{"p": "P", "q": "K", "r": "R", "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S"},
    **{"y": "IY", "z": "Z"},
}
_STARTS = {"kn": "N", "wr": "R", "ps": "S", "gn": "N", "wh": "W", "y": "Y", "x": "Z"}
_LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW", "y": "AY"}
_MAGIC_E = re.compile(r"([aeiouy])([bcdfgklmnpstvz])e$")


def guess_sounds(word: str) -> str | None:
    """Phones (the 39 of CMUdict, spaces between) that the letters of an English word suggest.

    Rough, and good enough to find where a word stands between its neighbours
    (`test_guessed_sounds_keep_the_boundaries`); no pronunciation to train on. None where letters other than
    a-z remain once accents are dropped, or nothing is left to say.
    """
    letters = unicodedata.normalize("NFKD", word.lower()).replace("'", "")
    letters = "".join(one for one in letters if not unicodedata.combining(one))
    if not _LETTERS.fullmatch(letters):
        return None
    letters = re.sub(r"([b-df-hj-np-tv-z])\1", r"\1", letters)
    sounds: list[str] = []
    tail: list[str] = []
    magic = _MAGIC_E.search(letters)
    if magic and magic.start() > 0:
        last = {"c": "S", "g": "JH", "s": "Z"}.get(magic[2], _SOUNDS[magic[2]])
        letters, tail = letters[: magic.start()], [_LONG[magic[1]], last]
    at = 0
    for start, sound in _STARTS.items():
        if letters.startswith(start) and len(letters) > len(start):
            sounds, at = [sound], len(start)
            break
    while at < len(letters):
        length = next(n for n in (5, 4, 3, 2, 1) if letters[at : at + n] in _SOUNDS)
        sounds.append(_SOUNDS[letters[at : at + length]])
        at += length
    return " ".join([*sounds, *tail])
