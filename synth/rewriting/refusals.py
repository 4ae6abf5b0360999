"""How language models decline or talk about the task instead of doing it."""

from __future__ import annotations

import re

_HELP = (
    r"(?:help|assist|comply|continue|fulfil+|provide|generate|create|write|produce|role-?play|engage|respond)"
)

REFUSALS = re.compile(
    "|".join(
        [
            r"\bas an? (?:ai|artificial intelligence|(?:large )?language model|virtual assistant|chatbot)\b",
            r"\bi(?:'m| am) (?:just |only )?an? (?:ai|artificial|language model|virtual assistant|chatbot)\b",
            r"\bi(?:'m| am)? ?(?:sorry|apologi[sz]e)[^.!?]{0,30}\b(?:can't|cannot|can not|unable to|won't) "
            + _HELP,
            r"\bi (?:can't|cannot|can not|won't|am unable to|am not able to) " + _HELP + r"\b"
            r"[^.!?]{0,20}\b(?:with )?(?:that|this|your|the|such|content|request|dialogue|response)\b",
            r"\bi(?:'m| am) (?:unable|not able) to (?:help|assist|comply|fulfil+|generate|respond)\b",
            r"\b(?:against|violates?) (?:my|the|our) (?:guidelines|policy|policies|programming)\b",
            r"\bich bin (?:nur )?(?:eine KI|ein Sprachmodell)\b|\bals (?:KI|Sprachmodell)\b",
            r"\ben tant que? (?:qu')?(?:IA|intelligence artificielle|modèle de langage)\b",
            r"\bcomo (?:una? )?(?:IA|inteligencia artificial|modelo de lenguaje|modelo de linguagem)\b",
            "作为(?:一个|一名)?(?:AI|人工智能|语言模型)|无法(?:协助|提供|满足)",
        ]
    ),
    re.IGNORECASE,
)
"""A speaker may say "I'm sorry, but I can't come tonight": only declining to help or write counts."""

META = re.compile(
    "|".join(
        [
            r"^\W*(?:sure|certainly|of course|okay|ok)?\W*here(?:'s| is| are) (?:a|an|the|my|your|some) "
            r"(?:possible |rewritten |revised |natural )?(?:response|reply|answer|rewrite|dialogue|line)",
            r"\b(?:rewritten|revised|original|expanded) (?:response|reply|line|version|text|dialogue)\b",
            r"\bthe (?:person|one) who (?:speaks|spoke|is speaking|says|said)\b",
            r"\bhow (?:can|may) i (?:help|assist) you\b|\bi'm here to (?:help|assist) (?:you )?with\b",
            r"\bthe (?:speaker|user|assistant)(?:'s)? (?:response|reply|emotion|is|says|would|should)\b",
            r"\b(?:two|2) sentences\b|\bjson\b|\bthe prompt\b",
        ]
    ),
    re.IGNORECASE,
)
