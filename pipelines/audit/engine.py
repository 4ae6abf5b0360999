"""The Beam pipeline: parts of tables and shards in, one summary a check out.

Beam moves summaries, never rows: a DoFn reads Parquet by the batch, adds each batch to its summaries with
vectorised arithmetic, and hands them to a combiner. Memory is bounded by the batch, the summaries and what
the runner holds of a few facts a source. Runs in this process (FnApiRunner) unless the options name a runner.
"""
# mypy: allow-untyped-calls

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, SetupOptions
from apache_beam.transforms.combiners import ToListCombineFn
from apache_beam.transforms.window import GlobalWindows

from manifests.store import Store
from pipelines.audit.fingerprints import Pair, alike
from pipelines.audit.groups import NEEDS, Groups, facts_of, join, judged, partitioned
from pipelines.audit.index_order import IndexOrder
from pipelines.audit.sketches import Example, Faults, Limits, Sketch
from pipelines.audit.summarise import Name, Summariser
from pipelines.audit.tables import Part, Unreadable, read_batches
from pipelines.audit.tasks import ShardTask

RESULT = "summaries.json"


@dataclass(frozen=True)
class Work:
    """What the pipeline does: which parts and shards, under which limits."""

    url: str
    parts: Sequence[Part]
    shards: Sequence[ShardTask]
    rules: Mapping[str, Limits]
    planned: Mapping[str, frozenset[str]] = field(default_factory=dict)


def run(work: Work, out: Store, options: Sequence[str] = ()) -> dict[str, dict[str, Any]]:
    """Run the pipeline; returns the facts of each check, by id and name."""
    settings = PipelineOptions(list(options))
    settings.view_as(SetupOptions).save_main_session = False
    with beam.Pipeline(runner=_runner(options), options=settings) as pipeline:
        _build(pipeline, work, out)
    facts: dict[str, dict[str, Any]] = json.loads(out.read(RESULT))
    out.delete(RESULT)
    return facts


def _runner(options: Sequence[str]) -> Any:
    """This process, unless the options name another: DirectRunner would first try a download."""
    if any(option.split("=")[0] in ("--runner", "-r") for option in options):
        return None
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner

    return FnApiRunner()


def _build(pipeline: beam.Pipeline, work: Work, out: Store) -> None:
    read = (
        pipeline
        | "parts" >> beam.Create(list(work.parts), reshuffle=len(work.parts) > 1)
        | "read tables" >> beam.ParDo(ReadTables(work)).with_outputs("sources", main="summaries")
    )
    opened = (
        pipeline
        | "shards" >> beam.Create(list(work.shards), reshuffle=len(work.shards) > 1)
        | "open shards"
        >> beam.ParDo(OpenShards(work)).with_outputs("sources", "groups", "prints", main="summaries")
    )
    joined = (
        (read.sources, opened.sources)
        | "all sources" >> beam.Flatten()
        | "by partition" >> beam.GroupByKey()
        | "join" >> beam.FlatMapTuple(lambda _, facts: join(facts))
        | "own or shared" >> beam.Partition(_is_own, 2)  # type: ignore[arg-type]
    )
    grouped = (
        (joined[0], opened.groups)
        | "all groups" >> beam.Flatten()
        | "by name" >> beam.GroupByKey()
        | "judge groups" >> beam.FlatMapTuple(lambda _, groups: judged(groups))
    )
    pairs = (
        opened.prints
        | "by band" >> beam.GroupByKey()
        | "compare" >> beam.FlatMapTuple(lambda _, prints: alike(prints))
        | "pairs" >> beam.CombinePerKey(max)
        | "told" >> beam.MapTuple(_told)
    )
    _ = (
        (read.summaries, opened.summaries, joined[1], grouped, pairs)
        | "all summaries" >> beam.Flatten()
        | "ruled" >> beam.Filter(lambda one, ruled=frozenset(work.rules): one[0][0] in ruled)
        | "merge" >> beam.CombinePerKey(Merge())
        | "facts" >> beam.MapTuple(lambda name, sketch: (name, sketch.facts()))
        | "together" >> beam.CombineGlobally(ToListCombineFn())
        | "write" >> beam.ParDo(Write(out.url))
    )


class Merge(beam.CombineFn):
    """Merges summaries."""

    def create_accumulator(self) -> list[Sketch]:
        """None yet."""
        return []

    def add_input(self, accumulator: list[Sketch], element: Sketch) -> list[Sketch]:
        """An element is never changed: Beam may hand it out again."""
        if not accumulator:
            return [copy.deepcopy(element)]
        accumulator[0].merge(element)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[list[Sketch]]) -> list[Sketch]:
        """One summary of all."""
        merged: list[Sketch] = []
        for accumulator in accumulators:
            if accumulator:
                merged = self.add_input(merged, accumulator[0])
        return merged

    def extract_output(self, accumulator: list[Sketch]) -> Sketch:
        """The summary."""
        return accumulator[0]


class ReadTables(beam.DoFn):
    """Summaries of parts of tables; to `sources`, what they tell about each source."""

    def __init__(self, work: Work) -> None:
        self._url, self._rules, self._planned = work.url, work.rules, work.planned

    def start_bundle(self) -> None:
        """One summary a check for all parts of a bundle: fewer to carry and to merge."""
        self._found = Summariser(self._rules, self._planned)

    def process(self, part: Part) -> Iterator[Any]:
        """Read the files of a part, a batch at a time."""
        found = self._found
        columns = sorted({*found.columns(part.table), *NEEDS.get(part.table, ())})
        order = IndexOrder()
        found.looked("receipts_readable", len(part.files))
        for name, batch in read_batches(Store(self._url), part, columns):
            if isinstance(batch, Unreadable):
                found.fault("receipts_readable", Example(0.0, name, batch.why))
                continue
            rows = found.add(part.table, batch)
            for about in partitioned(facts_of(part.table, rows)):
                yield beam.pvalue.TaggedOutput("sources", about)
            if part.table == "index":
                order.check(rows, found)

    def finish_bundle(self) -> Iterator[Any]:
        """The summaries."""
        for one in self._found.found.items():
            yield GlobalWindows.windowed_value(one)


class OpenShards(beam.DoFn):
    """Summaries of what is inside a shard.

    To `sources` and `groups`, who is in it; to `prints`, what it sounds and looks like.
    """

    def __init__(self, work: Work) -> None:
        self._url, self._rules = work.url, work.rules

    def process(self, task: ShardTask) -> Iterator[Any]:
        """Open a shard and measure each of its samples; one sample is held at a time."""
        from pipelines.audit.shard_audit import audit_shard

        found = Summariser(self._rules, {})
        for heard in audit_shard(Store(self._url), task, found):
            for about in partitioned(heard.sources):
                yield beam.pvalue.TaggedOutput("sources", about)
            for groups in partitioned((name[1], (name, group)) for name, group in heard.groups):
                yield beam.pvalue.TaggedOutput("groups", groups)
            for band, one in heard.prints:
                yield beam.pvalue.TaggedOutput("prints", (band, one))
        yield from found.found.items()


class Write(beam.DoFn):
    """Writes the facts of all checks as one JSON file, which `run` reads back."""

    def __init__(self, url: str) -> None:
        self._url = url

    def process(self, facts: list[tuple[Name, dict[str, Any]]]) -> None:
        """One file, sorted."""
        found: dict[str, dict[str, Any]] = {}
        for (check, name), one in sorted(facts, key=lambda item: item[0]):
            found.setdefault(check, {})[name] = one
        Store(self._url).write(RESULT, json.dumps(found, sort_keys=True, allow_nan=False).encode())


def _is_own(element: tuple[Any, Any], _: int) -> int:
    return int(isinstance(element[1], Groups))


def _told(pair: Pair, likeness: float) -> tuple[Name, Sketch]:
    """Two samples that are alike, as a fault of the first."""
    check, (key, shard, split), (other, _, other_split) = pair
    faults = Faults()
    across = "across splits" if split != other_split else f"both in {split}"
    faults.add(Example(-likeness, key, f"like {other} ({across})", likeness, shard))
    return (check, ""), faults
