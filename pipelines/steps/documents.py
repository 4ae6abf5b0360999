"""Documents in a build: sources of text alone, from their listing to the text of a sample.

They have no time. A piece is named by the first of its characters, so a moved limit renumbers nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from extractors.documents import pieces, read_document, says_something
from manifests.ids import digest, sample_key
from manifests.reasons import Reason
from manifests.receipts import Row
from manifests.store import Store
from pipelines.select_section import SelectConfig
from pipelines.step import Item, Workspace
from pipelines.steps.ingest import DOCUMENT, guard_unchanged
from pipelines.steps.limits import Limit, skipped


def is_document(recording: dict[str, Any]) -> bool:
    """Whether what `ingest` wrote down of a source is that of a document."""
    return recording.get("container") == DOCUMENT


def open_document(facts: dict[str, Any], workspace: Workspace) -> str:
    """The characters of a source. Raises SourceChangedError, ItemError."""
    path = workspace.source_path(facts["path"])
    guard_unchanged(path, facts["fingerprint"])
    text = read_document(path)
    guard_unchanged(path, facts["fingerprint"])
    return text


def document_rows(item: Item, workspace: Workspace, config: SelectConfig) -> Iterator[Row]:
    """The decision of `select` about a document: its pieces, or why a config has no place for text alone."""
    facts = item.inputs["recording"]
    limits = [Limit(Reason.NO_VIDEO)] if config.need_video else []
    limits += [Limit(Reason.NO_AUDIO)] if config.need_audio else []
    if config.emotions and config.kept_emotion(facts.get("emotion")) is None:
        limits.append(Limit(Reason.EMOTION_NOT_KEPT))
    if limits:
        yield skipped(item.row(), limits)
        return
    text = open_document(facts, workspace)
    for start, stop in pieces(text, max_chars=config.max_text_chars):
        measures = {"text_start": start, "text_stop": stop, "has_audio": False, "failed_limits": []}
        row = item.row(sample_key(str(item.source_id), None, start), measures=measures)
        yield row if says_something(text[start:stop]) else skipped(row, [Limit(Reason.TEXT_EMPTY)])


def document_item(row: dict[str, Any], recording: dict[str, Any], measures: Iterable[str]) -> Item:
    """The item of `cut` for a kept piece, from its row of `select`. It lasts no time."""
    facts = [recording["content_sha256"], row["text_start"], row["text_stop"]]
    inputs = {
        "key": row["key"],
        "recording": recording,
        "track": None,
        "start": "0/1",
        "stop": "0/1",
        "text_start": row["text_start"],
        "text_stop": row["text_stop"],
        "has_audio": False,
        "measures": dict.fromkeys(measures),
    }
    return Item(f"{row['key']}-{digest(facts, length=8)}", row["source_id"], inputs)


def cut_document(item: Item, workspace: Workspace) -> str:
    """The text of an item of `cut`."""
    text = open_document(item.inputs["recording"], workspace)
    return text[item.inputs["text_start"] : item.inputs["text_stop"]]


def read_piece(store: Store, row: dict[str, Any]) -> str:
    """The text that `cut` wrote. Raises ValueError where it is not what its receipt says."""
    (artifact,) = row["artifacts"]
    data = store.read(artifact["name"])
    if hashlib.sha256(data).hexdigest() != artifact["sha256"]:
        raise ValueError(f"{store.path(artifact['name'])} was altered; delete it, and it is made again")
    return data.decode("utf-8")
