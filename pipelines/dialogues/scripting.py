"""`duologue dialogue scripts`: what was said in a finished corpus, as scripts for `dialogue synth`.

Every sample of the corpus ends ok (its words stand in a script) or skipped with a reason, in a table beside
the scripts.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.table import Table

from manifests.corpus_reader import CorpusReader, Sample
from manifests.errors import CommandError
from manifests.reasons import Status
from manifests.store import TEMP, Store
from pipelines.dialogues.script_turns import SCRIPT_REMEDIES, ScriptReason, ScriptsConfig, Why, scripts_of
from pipelines.dialogues.spoken import Said, is_dialogue, said_in_clip, said_in_dialogue, turns_of
from synth.rewriting.scripts import Dialogue

SAMPLES = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
        pa.field("dialogue", pa.string()),
        pa.field("status", pa.string(), nullable=False),  # ok | skipped
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("scripts", pa.list_(pa.string()), nullable=False),
        pa.field("turns", pa.int32(), nullable=False),  # in scripts
        pa.field("left_out", pa.int32(), nullable=False),  # turns, and backchannels that no turn holds
    ]
)


class ScriptingError(CommandError, ValueError):
    """No scripts can be made of the corpus at all, or written where they were to be."""


@dataclass(frozen=True)
class Scripts:
    """Dialogues by id, and a row of `SAMPLES` for each sample of the corpus, by key."""

    dialogues: tuple[Dialogue, ...]
    rows: tuple[dict[str, Any], ...]

    @property
    def ends(self) -> Counter[str]:
        """Samples by reason, those in scripts as `ok`."""
        return Counter(row["reason"] or str(Status.OK) for row in self.rows)

    def lines(self) -> bytes:
        """`scripts.jsonl`: a dialogue a line, what is not given left out."""
        plain = (one.model_dump(mode="json", exclude_defaults=True) for one in self.dialogues)
        text = [json.dumps(one, ensure_ascii=False, sort_keys=True) + "\n" for one in plain]
        return "".join(text).encode()


@dataclass
class _Heard:
    """What the samples of a corpus say, by conversation; clips and dialogues of one name are kept apart."""

    conversations: dict[tuple[str, bool], list[Said]] = field(default_factory=dict)
    why: dict[str, Why] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    """Turns and backchannels of a sample."""
    twins: dict[str, str] = field(default_factory=dict)
    """The second view of a dialogue, and the first: they say the same."""

    def take(self, sample: Sample) -> None:
        """Add what a sample says. Raises ScriptingError for one of a test set."""
        if "base" in sample.header:
            raise ScriptingError(f"{sample.key} is of a test set; make scripts of the corpus that it is of")
        name = sample.header.get("dialogue")
        if not name:
            self.why[sample.key] = (ScriptReason.NO_DIALOGUE, "KEY.json has no `dialogue`")
            return
        self.names[sample.key] = name
        two = is_dialogue(sample)
        mine = self.conversations.setdefault((name, two), [])
        if not two:
            mine.append(said_in_clip(sample))
            self.parts[sample.key] = 1
            return
        stem = sample.key.rpartition("-")[0]
        first = self.twins.setdefault(stem, sample.key)
        if first != sample.key:
            self.twins[sample.key] = first
            return
        found = list(said_in_dialogue(sample))
        mine += found
        nods = sum(len(one.nods) for one in found)
        self.parts[sample.key] = len(turns_of(sample)) - nods
        if not found:
            self.why[sample.key] = (ScriptReason.NO_ANSWER, "nobody takes a turn")


def make_scripts(corpus: CorpusReader, config: ScriptsConfig) -> Scripts:
    """The scripts of a corpus. Raises CorpusError for a damaged one, ScriptingError for a split that it has
    not, and for a test set, which holds a clip once for each condition."""
    if unknown := sorted(set(config.splits or ()) - set(corpus.splits)):
        raise ScriptingError(
            f"splits: {corpus.url} has no {', '.join(unknown)}; it has {', '.join(corpus.splits)}"
        )
    heard = _Heard()
    unwanted = {row.key for row in corpus.rows() if config.splits and row.split not in config.splits}
    for shard in corpus.shards:
        for sample in corpus.samples(shard):
            if sample.key not in unwanted:
                heard.take(sample)
    dialogues: list[Dialogue] = []
    in_scripts: dict[str, list[str]] = {}
    for (name, _), said in sorted(heard.conversations.items()):
        made, why = scripts_of(name, said, config)
        dialogues += made
        sample_of = {one.clip: one.sample for one in said}
        for one in made:
            for clip in (clip for turn in one.turns for clip in turn.clips):
                in_scripts.setdefault(sample_of[clip], []).append(one.id)
        for clip, reason in why.items():
            heard.why.setdefault(sample_of[clip], reason)
    dialogues.sort(key=lambda one: one.id)
    if twice := [key for key, count in Counter(one.id for one in dialogues).items() if count > 1]:
        raise ScriptingError(f"{twice[0]}: two conversations would be called so; rename one of them")
    rows = [_row(row.key, row.split, heard, in_scripts) for row in corpus.rows()]
    return Scripts(tuple(dialogues), tuple(sorted(rows, key=lambda row: str(row["key"]))))


def _row(key: str, split: str, heard: _Heard, in_scripts: dict[str, list[str]]) -> dict[str, Any]:
    first = heard.twins.get(key, key)
    scripts = in_scripts.get(first, [])
    reason, detail = heard.why.get(first, (ScriptReason.SPLIT_NOT_WANTED, f"split {split}"))
    return {
        "key": key,
        "split": split,
        "dialogue": heard.names.get(key),
        "status": str(Status.OK if scripts else Status.SKIPPED),
        "reason": None if scripts else str(reason),
        "detail": None if scripts else detail,
        "scripts": sorted(set(scripts)),
        "turns": len(scripts),
        "left_out": heard.parts.get(first, 0) - len(scripts),
    }


def scripts_table(scripts: Scripts) -> Table:
    """What became of the samples, and what to do about those that are in no script."""
    n_turns = sum(len(one.turns) for one in scripts.dialogues)
    title = f"{len(scripts.dialogues)} scripts of {n_turns} turns"
    table = Table(title=title, title_justify="left")
    for column in ("", "samples", "what to do"):
        table.add_column(column, overflow="fold")
    for reason, count in sorted(scripts.ends.items(), key=lambda one: (one[0] != Status.OK, one[0])):
        remedy = "" if reason == Status.OK else SCRIPT_REMEDIES[ScriptReason(reason)]
        table.add_row(reason, str(count), remedy)
    left = sum(row["left_out"] for row in scripts.rows if row["scripts"])
    if left:
        table.add_row("  left out of these", str(left), "turns and backchannels; see the table", style="dim")
    return table


def write_scripts(scripts: Scripts, out: Path, *, overwrite: bool) -> bool:
    """Write `out` and, beside it with the suffix `.parquet`, the table of samples; both appear whole.

    Returns whether there was something to write: equal files stay. Raises ScriptingError where there would be
    no script, and where another file is there and `overwrite` is not set.
    """
    if not scripts.dialogues:
        told = ", ".join(f"{count} {reason}" for reason, count in scripts.ends.most_common())
        raise ScriptingError(
            f"no script comes of this corpus ({told or 'it is empty'}); {out} is not written"
        )
    if out.suffix != ".jsonl":
        raise ScriptingError(f"--out {out}: scripts are a file that ends in .jsonl")
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(scripts.rows), schema=SAMPLES), sink, compression="zstd")
    files = {
        out.with_suffix(".parquet").name: sink.getvalue().to_pybytes(),
        out.name: scripts.lines(),
    }
    store = Store(str(out.parent))
    there = {name: store.read(name) for name in files if store.exists(name)}
    if there == files:
        return False
    if (other := [name for name, data in there.items() if data != files[name]]) and not overwrite:
        raise ScriptingError(f"{out.parent / other[0]} holds something else; --overwrite replaces it")
    for name, data in files.items():
        store.write(name, data)
    if not any(Path(store.root, TEMP).iterdir()):
        Path(store.root, TEMP).rmdir()
    return True
