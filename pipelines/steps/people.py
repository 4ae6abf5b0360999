"""people: which identities of different sources are one person. One item over the whole corpus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.ids import digest
from manifests.reasons import Status
from manifests.receipts import Row
from manifests.store import Store
from pipelines.sections import PeopleConfig
from pipelines.step import Item, Resources, Step, Workspace, gather

if TYPE_CHECKING:
    from extractors.identities import Person
    from pipelines.corpus import Corpus

PEOPLE = pa.schema(
    [
        pa.field("source_id", pa.string(), nullable=False),
        pa.field("identity", pa.int32(), nullable=False),  # within the source, as `watch` numbers them
        pa.field("person", pa.string(), nullable=False),  # within the corpus
    ]
)
"""One row an identity whose face could be recognised."""


class People(Step[PeopleConfig]):
    """One item: all sources that were watched."""

    name = "people"
    version = 1
    speed = 50_000.0
    libraries = ("numpy", "scipy")
    upstream = ("watch",)
    resources = Resources(cpus=1.0, memory_gb=2.0)
    measurements = pa.schema([pa.field("n_identities", pa.int64()), pa.field("n_people", pa.int64())])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """One item, once there is a watched source."""
        rows = [row for row in corpus.rows("watch") if row["status"] == Status.OK]
        if rows:
            tables = {row["source_id"]: row["artifacts"][2]["name"] for row in rows}
            yield gather("people", rows, {"tables": dict(sorted(tables.items()))})

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Cluster the mean embeddings of all sources' identities."""
        from extractors.identities import cluster_people

        found: list[tuple[str, int]] = []
        people: list[Person] = []
        for source, table in item.inputs["tables"].items():
            for identity, person in _identities(workspace.store, source, table):
                found.append((source, identity))
                people.append(person)
        labels = cluster_people(people, same_below=self.config.same_below)
        names: dict[int, str] = {}
        for label, (source, identity) in zip(labels, found, strict=True):
            names.setdefault(label, f"p{digest(source, identity, length=12)}")
        columns = [
            pa.array([source for source, _ in found], pa.string()),
            pa.array([identity for _, identity in found], pa.int32()),
            pa.array([names[label] for label in labels], pa.string()),
        ]
        with workspace.writing(f"{item.id}.parquet") as handle:
            pq.write_table(pa.Table.from_arrays(columns, schema=PEOPLE), handle, compression="zstd")
        counts = {"n_identities": len(found), "n_people": len(names)}
        return [item.row(artifacts=(workspace.written(f"{item.id}.parquet"),), measures=counts)]


def _identities(store: Store, source: str, table: str) -> Iterable[tuple[int, Person]]:
    """Each recognisable identity of a source, its tracks' embeddings taken together."""
    from extractors.identities import Person

    with store.open(table) as handle:
        tracks = pq.read_table(handle, filters=[("n_embedded", ">", 0)])
    if not tracks.num_rows:
        return
    of_track = tracks.column("identity").to_numpy()
    counts = tracks.column("n_embedded").to_numpy().astype(np.float64)
    spreads = tracks.column("embedding_spread").to_numpy().astype(np.float64)
    embeddings = tracks.column("embedding").combine_chunks()
    means = np.stack([np.asarray(one, np.float64) for one in embeddings.to_pylist()])
    for identity in np.unique(of_track).tolist():
        mine = of_track == identity
        share = counts[mine] / counts[mine].sum()
        mean = share @ means[mine]
        squares = share @ (spreads[mine] + (means[mine] ** 2).sum(axis=1))
        yield identity, Person(source, mean.astype(np.float32), float(max(0.0, squares - mean @ mean)))


def people_of(corpus: Corpus) -> dict[tuple[str, int], str]:
    """Name of the person behind each source and identity, as far as the step has told."""
    found: dict[tuple[str, int], Any] = {}
    for row in corpus.rows("people"):
        for artifact in row["artifacts"]:
            with corpus.store.open(artifact["name"]) as handle:
                table = pq.read_table(handle).to_pydict()
            keys = zip(table["source_id"], table["identity"], strict=True)
            found |= dict(zip(keys, table["person"], strict=True))
    return found
