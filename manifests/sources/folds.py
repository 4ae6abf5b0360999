"""Published folds: which recordings are of which split, as a benchmark gives them.

EmoBox keeps a fold as `NAME_train_fold_1.jsonl` and `NAME_test_fold_1.jsonl`, lines of JSON with `key`
(`iemocap-Ses01F_impro04_F000`) and `wav` (https://github.com/emo-box/EmoBox, `data/iemocap/fold_1/`). Any
folder of such files will do: the split is the word train, valid, val, dev or test in a file's name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePosixPath

from manifests.sources import CorpusError

_SPLITS = {"train": "train", "valid": "valid", "val": "valid", "dev": "valid", "test": "test"}


def read_folds(folder: Path) -> dict[str, str]:
    """The split of each recording, by the stem of its file. Raises CorpusError for a fold that is none."""
    found: dict[str, str] = {}
    files = sorted(folder.glob("*.jsonl"))
    for path in files:
        words = [word for word in re.split(r"[^a-z]+", path.stem.lower()) if word in _SPLITS]
        if len(words) != 1:
            raise CorpusError(f"{path}: its name must hold one of the words {', '.join(_SPLITS)}")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip():
                continue
            stem = _stem(path, number, line)
            split = _SPLITS[words[0]]
            if found.setdefault(stem, split) != split:
                raise CorpusError(f"{path} line {number}: {stem} is in {found[stem]} as well")
    if not found:
        raise CorpusError(f"{folder}: no fold there; expected …train….jsonl and …test….jsonl")
    return found


def _stem(path: Path, number: int, line: str) -> str:
    try:
        record = json.loads(line)
        return PurePosixPath(str(record["wav"] if "wav" in record else record["key"])).stem
    except (ValueError, TypeError, KeyError) as error:
        raise CorpusError(f"{path} line {number}: expected an object with `key` or `wav`") from error
