"""What an answer must be to count as a caption. Nothing is repaired: an answer that fails is asked for again.

Whether a caption is true no check can see.
"""

from __future__ import annotations

import re

from synth.captions.config import CaptionChecks
from synth.llm.chat import Reply
from synth.rewriting.checks import CHECKS, CheckConfig, Failure, Shown
from synth.rewriting.refusals import REFUSALS
from synth.rewriting.scripts import words_of

NOTHING = "NONE"
"""What the prompt asks for where there is nothing to describe."""
_SHARED = ("length", "copy", "repetition", "language")
"""Checks of rewritten turns that hold for captions as well."""
_LONGEST_LETTERS = 5000

_BLIND = re.compile(
    r"\b(?:cannot|can't|can not|could not|couldn't|unable to|not able to|(?:no|have the) ability to) "
    r"(?:\w+ )?(?:hear|see|listen|view|watch|access|process|play|perceive|analy[sz]e|open)\b"
    r"|\b(?:audio|sound|image|picture|frame|video|recording|file)s? (?:was|were|is|has been|have been) "
    r"(?:not )?(?:provided|attached|received|included|uploaded|given)\b"
    r"|\bno (?:audio|image|video|recording|file)\w* (?:(?:was|were|is|has been) )?"
    r"(?:provided|attached|received|included)\b"
    r"|\bplease (?:provide|upload|attach|share|send|describe)\b|\btext-(?:only|based)\b",
    re.IGNORECASE,
)
_META = re.compile(
    r"^\W*(?:sure|certainly|of course|okay)\b|\bhere(?:'s| is| are) (?:a|an|the|my|your|one) [\w ]{0,20}"
    r"(?:caption|description)|^\W*(?:caption|description|audio|video|answer|response|transcript(?:ion)?)\s*:"
    r"|\bthe (?:prompt|instructions|caption|description)\b|\bas (?:requested|instructed)\b|\bjson\b",
    re.IGNORECASE,
)
_MARKUP = re.compile(r"[#*`|~^=\\<>{}\[\]]|https?://|\n|[\U0001F000-\U0001FAFF]")


def gives_nothing(reply: Reply) -> bool:
    """Whether the model says that there is nothing to describe."""
    return reply.text.strip().strip(".!\"'`").casefold() == NOTHING.casefold()


def problems_of(reply: Reply, *, instructions: str, language: str, limits: CaptionChecks) -> list[Failure]:
    """All that keeps an answer from being a caption; the sentences go back to the model."""
    text = reply.text.strip()
    if reply.refused:
        return [Failure("refusal", "it was refused")]
    if reply.cut_off:
        return [Failure("cut_off", "it is too long and breaks off; write at most two sentences")]
    if not words_of(text):
        return [Failure("empty", "it has no words")]
    if len(text) > _LONGEST_LETTERS:
        return [Failure("length", f"it has {len(text)} letters")]
    found = [Failure(name, told) for name, told in _own(text.replace("’", "'")).items() if told]
    config = CheckConfig(
        min_words=limits.min_words,
        max_words=limits.max_words,
        max_sentences=limits.max_sentences,
        language=limits.language,
    )
    shown = Shown(instructions=instructions, language=language)
    shared = ((name, CHECKS[name](text, shown, config)) for name in _SHARED)
    return found + [Failure(name, told) for name, told in shared if told]


def _own(text: str) -> dict[str, str | None]:
    markup = _MARKUP.search(text)
    quoted = len(text) > 2 and text[0] in "\"“'" and text[-1] in "\"”'"
    return {
        "blind": "it says that the recording is not there" if _BLIND.search(text) else None,
        "refusal": "it refuses or speaks as a machine" if REFUSALS.search(text) else None,
        "meta": "it talks about the task; write the caption alone" if _META.search(text) else None,
        "markup": "it has several lines or marks" if markup else "it stands in quotes" if quoted else None,
    }
