"""Looking closer: `inspect` opens a finished sample, `replay` runs a unit again and compares."""

from __future__ import annotations

import io
import json
import struct
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rich.markup import escape
from rich.table import Table

from manifests.errors import CommandError
from manifests.store import Store
from pipelines.build import INDEX, recall
from pipelines.corpus import Corpus
from pipelines.job import End, execute
from pipelines.step import Item, Step, Unit, Workspace


class NotFoundError(CommandError, ValueError):
    """No sample or unit of that name."""


def read_sample(store: Store, key: str) -> tuple[str, dict[str, bytes]]:
    """Full key and members of the sample whose key begins with `key`. Raises NotFoundError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not store.exists(INDEX):
        raise NotFoundError(f"{store.url} has no {INDEX}; run a build to its end first")
    rows = pq.read_table(pa.BufferReader(store.read(INDEX))).to_pylist()
    found = [row for row in rows if row["key"].startswith(key)]
    if len(found) != 1:
        what = "no sample" if not found else f"{len(found)} samples"
        some = ", ".join(row["key"] for row in (found or rows)[:5])
        raise NotFoundError(f"{what} whose key begins with {key!r}; there is {some or 'none at all'}")
    members: dict[str, bytes] = {}
    with store.open(f"shards/{found[0]['shard']}") as handle, tarfile.open(fileobj=handle) as tar:
        for member in tar:
            stem, _, extension = member.name.partition(".")
            data = tar.extractfile(member) if stem == found[0]["key"] else None
            if data is not None:
                members[extension] = data.read()
    return found[0]["key"], members


def sample_report(url: str, key: str) -> Table:
    """A table of the sample's members and what each decodes to, and its KEY.json."""
    full, members = read_sample(Store(url), key)
    table = Table(title=full, title_justify="left", show_lines=True)
    for column in ("member", "bytes", "decodes to"):
        table.add_column(column, justify="right" if column == "bytes" else "left", overflow="fold")
    for name, data in members.items():
        table.add_row(name, str(len(data)), escape(describe(name, data)))
    return table


def describe(name: str, data: bytes) -> str:
    """Shape, type and length of a member, by opening it."""
    if name.endswith("json"):
        content = json.loads(data)
        if "channels" in content:  # a hundred names would bury the rest
            content["channels"] = {one: f"{len(names)} names" for one, names in content["channels"].items()}
        return json.dumps(content, indent=1, ensure_ascii=False)
    if name.endswith("npy"):
        import numpy as np

        array = np.load(io.BytesIO(data), allow_pickle=False)
        return f"{array.dtype} {array.shape}"
    if name.endswith("flac"):
        import soundfile

        info = soundfile.info(io.BytesIO(data))
        return f"{info.samplerate} Hz, {info.channels} channels, {info.frames} samples, {info.subtype}"
    if name.endswith("mp4"):
        import av

        with av.open(io.BytesIO(data), mode="r") as container:
            stream = container.streams.video[0]
            frames = sum(1 for _ in container.decode(stream))
            return f"{stream.width}x{stream.height}, {frames} frames, {stream.average_rate} fps"
    if name.endswith("png"):
        width, height = struct.unpack(">II", data[16:24])  # of the header chunk, which comes first
        return f"picture, {width}x{height}"
    return data.decode("utf-8", "replace") if name.endswith("txt") else "unknown"


def draw_sample(url: str, key: str, png: Path) -> Path:
    """Draw one sample's lips and curves. Returns the picture's path."""
    from manifests.shards import write_tar
    from pipelines.contact_sheet import contact_sheet

    full, members = read_sample(Store(url), key)
    with tempfile.TemporaryDirectory() as folder:
        shard = Path(folder, "sample.tar")
        with shard.open("wb") as handle:
            write_tar(handle, [(f"{full}.{name}", data) for name, data in members.items()])
        contact_sheet([shard], png, max_clips=1)
    return png


def replay_unit(url: str, name: str, *, step: str | None = None) -> Iterator[str]:
    """Run what `name` means again, into a scratch folder; yields lines that say how it went.

    `name` is an item, a clip key, a source id or a source path. Raises NotFoundError.
    """
    corpus, _ = recall(url)
    found = [
        (step_name, item)
        for step_name in corpus.steps
        if step in (None, step_name)
        for item in corpus.items(step_name).values()
        if _is_meant(corpus, item, name)
    ]
    if not found:
        raise NotFoundError(f"nothing is called {name!r} in {url}; `duologue failures` lists names")
    for step_name, item in found:
        yield f"{step_name} {item.id}"
        yield from (f"  {line}" for line in _replay(corpus, corpus.steps[step_name], item))


def _is_meant(corpus: Corpus, item: Item, name: str) -> bool:
    paths = {source.id: source.path for source in corpus.listing.sources}
    return name in (item.id, item.source_id, item.inputs.get("key"), paths.get(item.source_id or ""))


def _replay(corpus: Corpus, step: Step[Any], item: Item) -> Iterator[str]:
    """Run in a scratch store that falls back on the corpus for reading."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = ScratchStore(folder, corpus.store)
        workspace = Workspace(scratch, corpus.folder(step.name), corpus.source_root)
        step.open()
        outcome = execute(step, Unit.of([item]), workspace)
        if outcome.end is not End.COMMITTED:
            yield from outcome.detail.splitlines()
            return
        from manifests.receipts import read_receipts

        rows = read_receipts(scratch, f"{workspace.folder}/receipts", [item.id])
    kept = {row["key"]: row for row in corpus.rows(step.name)}
    for row in rows:
        before = kept.get(row["key"])
        same = "no receipt yet" if before is None else "same as its receipt" if before == row else "DIFFERS"
        yield (
            f"{row['key']}: {row['status']} {row['reason'] or ''} {row['detail'] or ''}".rstrip()
            + f" ({same})"
        )


class ScratchStore(Store):
    """Writes into a scratch folder; reads what is not there from another store."""

    def __init__(self, folder: str, behind: Store) -> None:
        super().__init__(folder)
        self._behind = behind

    def read(self, name: str) -> bytes:
        """The scratch file, else the file behind it."""
        return super().read(name) if self.exists(name) else self._behind.read(name)

    def open(self, name: str) -> IO[bytes]:
        """The scratch file, else the file behind it."""
        return super().open(name) if self.exists(name) else self._behind.open(name)
