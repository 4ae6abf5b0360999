"""Caches of what was asked of other programs: answers of a language model, speech of a synthesiser.

An entry is named by a digest of the request and holds what was asked, so that a person's words stand in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from manifests.store import Store
from pipelines.forgetting.traces import Traces

CACHES = ("llm/", "tts/")
"""Folders of a store that are caches."""
MIN_WORDS = 3
"""Shorter utterances ("yes", "of course") are everybody's."""
_WORD = re.compile(r"\w+(?:['’]\w+)*")


def utterances(said: Iterable[str]) -> tuple[str, ...]:
    """What somebody says, as it is looked for: words alone, lower-case, with a space on both sides."""
    found = {_flat(text) for text in said}
    return tuple(sorted(text for text in found if len(text.split()) >= MIN_WORDS))


def doomed_entries(
    store: Store, entries: Sequence[str], traces: Traces, said: tuple[str, ...], requests: set[str]
) -> Iterator[str]:
    """Files of cache entries that are the person's: named by a receipt that goes, telling of them, or holding
    what they say. Files beside an entry that share its stem (the sound of a text) are part of it."""
    stems = {
        _stem(name)
        for name in entries
        if PurePosixPath(name).name.partition(".")[0] in requests
        or (name.endswith(".json") and _tells(store.read(name), traces, said))
    }
    yield from (name for name in entries if _stem(name) in stems)


def _tells(data: bytes, traces: Traces, said: tuple[str, ...]) -> bool:
    try:
        entry = json.loads(data)
    except ValueError:
        return False
    if traces.in_value(entry) is not None:
        return True
    text = _flat(" ".join(_strings(entry)))
    return any(one in text for one in said)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)


def _flat(text: str) -> str:
    return f" {' '.join(_WORD.findall(text.casefold()))} "


def _stem(name: str) -> str:
    path = PurePosixPath(name)
    return str(path.parent / path.name.partition(".")[0])
