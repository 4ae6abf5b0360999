"""Text: characters, rate, words in time, word error rate of hypotheses."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

import numpy as np

from pipelines.audit.payload.asked import is_mixed, is_speechless
from pipelines.audit.payload.sample import Sample
from pipelines.audit.payload.sounds import HOP_S, hop_levels_dbfs

SCRIPTS = {
    "LATIN": "af ca cs da de en es et eu fi fr ga gl hr hu id is it lt lv ms nl no pl pt ro sk sl sq sv sw "
    "tr vi",
    "CYRILLIC": "be bg kk ky mk mn ru sr uk",
    "GREEK": "el",
    "ARABIC": "ar fa ur",
    "HEBREW": "he yi",
    "DEVANAGARI": "hi mr ne",
    "CJK HIRAGANA KATAKANA": "ja",
    "CJK": "zh",
    "HANGUL CJK": "ko",
    "THAI": "th",
}
"""Scripts that a language is written in, by the first word of the Unicode names of its letters."""
_SCRIPTS_OF = {language: scripts.split() for scripts, many in SCRIPTS.items() for language in many.split()}
_MOJIBAKE = re.compile("[ÃÂ][\x80-\xbf]|â€|ï»¿")
"""UTF-8 read as Latin-1 or Windows-1252."""
_WORD_MARGIN_S = 0.04
_HEARD_BELOW_PEAK_DB = 40.0


def measure_texts(sample: Sample) -> None:
    """A row of `texts` for the sample's text and words."""
    header = sample.header
    text, words = header.get("text"), header.get("words") or []
    facts: dict[str, Any] = {"empty": 0.0 if text else 1.0}
    if isinstance(text, str) and text:
        sample.found.looked("text_charset")
        strange = strange_characters(text, header.get("language"))
        if strange:
            sample.fault("text_charset", f"{strange}: {text[:80]!r}", float(len(strange)))
        if sample.duration_s > 0:  # a document is not said
            facts["chars_per_s"] = len(text) / max(_said_s(sample), 0.04)
        facts |= _wer(sample, text)
    if words and not is_speechless(header):
        facts["words_misplaced"] = float(_misplaced(words, sample.duration_s))
        facts |= _unheard(sample, words)
    sample.found.add_rows("texts", [sample.row(**facts)])


def _said_s(sample: Sample) -> float:
    """How long it takes to say the text: in a dialogue, where it is main's, while main speaks."""
    spoken = sample.spoken("main", HOP_S)
    return sample.duration_s if spoken is None else float(spoken.sum()) * HOP_S


def strange_characters(text: str, language: str | None) -> str:
    """What should not be in a text of a language, in words; empty where all is well."""
    wrong = [
        f"U+{ord(one):04X}"
        for one in text
        if one == "\ufffd" or (unicodedata.category(one) in ("Cc", "Cn", "Co", "Cs") and one not in "\n\t")
    ]
    if _MOJIBAKE.search(text):
        wrong.append("UTF-8 read as Latin-1")
    scripts = {unicodedata.name(one, "?").split()[0] for one in text if one.isalpha() and ord(one) != 0xAA}
    allowed = _SCRIPTS_OF.get((language or "").split("-")[0].lower())
    foreign = scripts - set(allowed) if allowed else (scripts if len(scripts) > 3 else set())
    wrong.extend(f"{script.title()} letters" for script in sorted(foreign - {"MODIFIER", "FULLWIDTH", "?"}))
    return ", ".join(dict.fromkeys(wrong))


def _misplaced(words: list[Any], duration_s: float) -> int:
    wrong, last_s = 0, 0.0
    for _, start_s, stop_s in words:
        outside = start_s < -_WORD_MARGIN_S or stop_s > duration_s + _WORD_MARGIN_S
        wrong += outside or stop_s < start_s or start_s < last_s - _WORD_MARGIN_S
        last_s = max(last_s, start_s)
    return wrong


def _unheard(sample: Sample, words: list[Any]) -> dict[str, float]:
    """Share of the words whose loudest 20 ms is 40 dB under the loudest of the sample."""
    sound = sample.sound("flac") or sample.sound("main.flac")
    if sound is None or not sound[0].shape[1]:
        return {}
    levels = hop_levels_dbfs(*sound).max(axis=0)
    floor = levels.max() - _HEARD_BELOW_PEAK_DB
    unheard = 0
    for _, start_s, stop_s in words:
        inside = levels[max(0, round(start_s / HOP_S)) : max(1, round(stop_s / HOP_S))]
        unheard += int(not len(inside) or float(np.max(inside)) < floor)
    return {"words_unheard_share": unheard / len(words)}


def _wer(sample: Sample, text: str) -> dict[str, float]:
    """Word error rate of the recogniser's best hypothesis; nothing without hypotheses or without jiwer, and
    nothing under noise that a test set put there to make it fail."""
    if "hyps_asr.json" not in sample.members or is_mixed(sample.header):
        return {}
    try:
        import jiwer

        best = json.loads(sample.members["hyps_asr.json"])[0]["text"]
    except (ImportError, ValueError, LookupError, TypeError):
        return {}
    normal = [" ".join(re.findall(r"[\w']+", one.lower())) for one in (text, best)]
    return {"wer": float(jiwer.wer(normal[0], normal[1]))} if normal[0] else {}
