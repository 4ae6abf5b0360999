"""IEMOCAP: five sessions of two actors, dialogues with the emotion of every turn.

Read of each session: `dialog/avi/DivX/*.avi` (both actors, the screen split), `dialog/wav/*.wav` (both
actors, two channels), `dialog/transcriptions/*.txt`, `dialog/EmoEvaluation/*.txt`,
`sentences/wav/DIALOGUE/TURN.wav` and `sentences/ForcedAlignment/DIALOGUE/TURN.wdseg`. Sources: Busso et
al., "IEMOCAP: interactive emotional dyadic motion capture database", 2008; the release's README.txt; public
readers of it. Which side of the screen and which channel is whose could not be looked up: nothing here says
so.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path, PurePosixPath
from typing import Any

from manifests.sources import CorpusError, Listing
from manifests.sources.collect import Collector
from manifests.sources.folds import read_folds
from manifests.sources.joining import carry, join
from manifests.sources.stage import Stage
from manifests.transcripts.corpora import iemocap_speaker, read_iemocap
from manifests.transcripts.model import LineError, Spoken

_EMOTION = re.compile(r"\[([\d.]+) - ([\d.]+)\]\s+(\S+)\s+(\w+)")
_GENDERS = {"F": "female", "M": "male"}
_LICENCE = "USC, for research on request"
EMOTIONS = {
    **{"ang": "angry", "dis": "disgusted", "exc": "excited", "fea": "fearful", "fru": "frustrated"},
    **{"hap": "happy", "neu": "neutral", "oth": "other", "sad": "sad", "sur": "surprised"},
}
"""Of the codes in EmoEvaluation; `xxx`, on which the annotators did not agree, is no emotion."""

Turns = dict[str, list[Any]]
"""[emotion, start_s, stop_s, speaker] by the turn's name."""


def list_iemocap(
    root: Path, *, stage: Path | None = None, unit: str = "dialogue", sound: str = "inside", folds: str = ""
) -> Listing:
    """`unit: dialogue` lists the videos, `turn` the turns' sound. `sound: beside` gives the videos the
    sound of `dialog/wav`, in the stage. `folds` is a folder of fold files, for instance EmoBox's
    `iemocap/fold_1`.
    """
    if unit not in ("dialogue", "turn") or sound not in ("inside", "beside"):
        raise CorpusError(f"unit={unit}, sound={sound}: expected dialogue or turn, inside or beside")
    split_of = read_folds(Path(folds)) if folds else {}
    inside = Collector(root)
    texts = {PurePosixPath(name).stem: name for name in inside.files(".txt") if "/transcriptions/" in name}
    emotions = _emotions(inside)
    if unit == "turn":
        return _turns(inside, texts, emotions, split_of)
    made = Stage.needed(stage, "video and sound are put together somewhere") if sound == "beside" else None
    found = Collector(made.root, staged=True) if made else inside
    for video in inside.files(".avi"):
        dialogue = PurePosixPath(video).stem
        if not re.fullmatch(r"Ses\d\d[FM]_\w+", dialogue) or "/dialog/avi/" not in f"/{video}":
            continue
        name: str | None = video
        text = texts.get(dialogue)
        if text is None:
            inside.missing(video, f"dialog/transcriptions/{dialogue}.txt")
        if dialogue not in emotions:
            inside.missing(video, f"dialog/EmoEvaluation/{dialogue}.txt")
        if made:
            name = _joined(inside, made, video)
            text = text and carry(made, f"joined/{dialogue}.txt", root / text)
        if name is not None:
            turns = list(emotions.get(dialogue, {}).values())
            labels = _dialogue(dialogue, turns, split_of)
            found.add(name, labels, transcript=text, kind="iemocap")
    if made:
        found.complaints.extend(inside.complaints)
    return found.listing("Session1/dialog/avi/DivX/Ses01F_impro01.avi")


def _joined(inside: Collector, stage: Stage, video: str) -> str | None:
    dialogue = PurePosixPath(video).stem
    wav = str(PurePosixPath(video).parents[2] / "wav" / f"{dialogue}.wav")
    if not (inside.root / wav).is_file():
        inside.missing(video, wav)
        return None
    target = f"joined/{dialogue}.mov"
    return join(stage, target, inside.root / video, inside.root / wav, inside.complaints)


def _dialogue(dialogue: str, emotions: list[list[Any]], split_of: dict[str, str]) -> dict[str, Any]:
    session = f"iemocap-{dialogue[:5]}"
    mine = Counter(split for turn, split in split_of.items() if turn.startswith(f"{dialogue}_"))
    return {
        "speakers": [f"{session}_F", f"{session}_M"],
        "dialogue": f"iemocap-{dialogue}",
        "emotions": emotions,
        "split": next(iter(mine)) if len(mine) == 1 else None,
        "language": "en",
        "licence": _LICENCE,
    }


def _turns(
    found: Collector, texts: dict[str, str], emotions: dict[str, Turns], split_of: dict[str, str]
) -> Listing:
    said: dict[str, Spoken] = {}
    for name in texts.values():
        said |= _said(found, name)
    emotion_of = {turn: one[0] for told in emotions.values() for turn, one in told.items()}
    aligned = {PurePosixPath(name).stem: name for name in found.files(".wdseg")}
    for name in found.files(".wav"):
        turn = PurePosixPath(name).stem
        if "/sentences/wav/" not in f"/{name}" or not turn.startswith("Ses"):
            continue
        told = said.get(turn)
        if told is None:
            found.missing(name, "its line in dialog/transcriptions")
        speaker = iemocap_speaker(turn)
        labels = {
            "speaker": speaker,
            "gender": _GENDERS.get(speaker[-1]),
            "dialogue": f"iemocap-{turn.rsplit('_', 1)[0]}",
            "dialogue_start_s": None if told is None or told.start is None else float(told.start),
            "text": told.text if told else None,
            "emotion": emotion_of.get(turn),
            "split": split_of.get(turn),
            "language": "en",
            "licence": _LICENCE,
        }
        found.add(name, labels, transcript=aligned.get(turn), kind="wdseg")
    return found.listing("Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav")


def _said(found: Collector, name: str) -> dict[str, Spoken]:
    """What is said and when, by turn, of one dialogue."""
    said: dict[str, Spoken] = {}
    for line in (found.text(name) or "").splitlines():
        try:
            utterances = read_iemocap(line).utterances
        except LineError as error:
            found.malformed(name, str(error))
            continue
        said |= {line.split()[0]: one for one in utterances}
    return said


def _emotions(found: Collector) -> dict[str, Turns]:
    """By dialogue, the turns that the annotators agreed on."""
    told: dict[str, Turns] = {}
    for name in found.files(".txt"):
        path = PurePosixPath(name)
        if path.parent.name != "EmoEvaluation":
            continue
        turns = told.setdefault(path.stem, {})
        for line in (found.text(name) or "").splitlines():
            match = _EMOTION.match(line)
            if match is None:
                continue  # the single annotators' lines
            low, high, turn, code = match.groups()
            if code in EMOTIONS:
                turns[turn] = [EMOTIONS[code], float(low), float(high), iemocap_speaker(turn)]
            elif code != "xxx":
                found.malformed(name, f"{turn}: unknown emotion {code!r}")
    return told
