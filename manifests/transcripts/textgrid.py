"""Praat's TextGrid, long, short or JSON, read by praatio."""

from __future__ import annotations

from fractions import Fraction

from manifests.transcripts.model import LineError, Spoken, Transcript, span

_WORDS = ("words", "word")
_SOUNDS = ("phones", "phone", "phonemes", "phoneme", "segments")
_SILENCE = {"sil", "sp", "spn", "<eps>", "<sil>", "#"}


def read_textgrid(text: str) -> Transcript:
    """Interval tiers: `words` (`NAME - words` as the Montreal aligner writes it) holds words, `phones` is
    left out, any other holds utterances. The speaker is NAME, or what an utterance tier is called where
    there are several."""
    from praatio.utilities import errors, textgrid_io

    try:
        tiers = textgrid_io.parseTextgridStr(text)["tiers"]
    except (errors.PraatioException, IndexError, KeyError, TypeError, ValueError) as error:
        raise LineError(None, f"not a TextGrid: {error}; save it again from Praat") from error
    spoken_tiers = [tier for tier in tiers if tier["class"] == "IntervalTier"]
    utterances: list[Spoken] = []
    words: list[Spoken] = []
    n_utterance_tiers = sum(_kind(tier["name"])[1] == "utterances" for tier in spoken_tiers)
    for tier in spoken_tiers:
        speaker, kind = _kind(tier["name"])
        if kind == "utterances":
            utterances.extend(_entries(tier, speaker if n_utterance_tiers > 1 else None))
        elif kind == "words":
            words.extend(_entries(tier, speaker))
    order = {id(one): (one.start or Fraction(0)) for one in (*utterances, *words)}
    return Transcript(
        tuple(sorted(utterances, key=lambda one: order[id(one)])),
        tuple(sorted(words, key=lambda one: order[id(one)])),
    )


def _kind(name: str) -> tuple[str | None, str]:
    """(speaker, "words" | "sounds" | "utterances")."""
    speaker, dash, last = name.rpartition(" - ")
    for kind, names in (("words", _WORDS), ("sounds", _SOUNDS)):
        if last.strip().lower() in names:
            return (speaker.strip() if dash else None), kind
    return name, "utterances"


def _entries(tier: dict[str, list[tuple[object, object, str]]], speaker: str | None) -> list[Spoken]:
    found = []
    for start, stop, label in tier["entries"]:
        # praatio reads floats; their shortest decimal form is what the file said
        low, high = span(Fraction(repr(float(str(start)))), Fraction(repr(float(str(stop)))), None)
        if label.strip() and label.strip().lower() not in _SILENCE:
            found.append(Spoken(text=" ".join(label.split()), start=low, stop=high, speaker=speaker))
    return found
