"""`duologue forget`: takes a person out of a corpus and of what was made of it, and proves it.

Recordings in the user's input folder are never touched: the tombstone keeps them from being read again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from manifests.errors import CommandError
from manifests.store import Store
from manifests.tombstones import Tombstones, read_tombstones, write_tombstones
from pipelines.forgetting.purge import DELETED, Change, Purge
from pipelines.forgetting.subject import Subject, find_subject
from pipelines.forgetting.tars import samples_with_traces
from pipelines.forgetting.traces import READ_SUFFIXES, Traces
from pipelines.forgetting.walk import walk
from pipelines.remembered import SETTINGS
from pipelines.steps.pack import SHARDS

CENTRES = ("centres", "pitch_centres", "style_centres")


class UnknownSubjectError(CommandError, ValueError):
    """No recording of the corpus has that person, and nobody of that name was forgotten before."""


@dataclass(frozen=True)
class Forgotten:
    """What went (or, on a dry run, would): changes by folder, what was fitted on the person and stays, and
    what is still to be found."""

    subject: Subject
    changes: dict[str, tuple[Change, ...]]
    n_samples: int
    fitted: tuple[str, ...]
    traces: tuple[str, ...] = field(default=())


def forget(
    url: str,
    names: Sequence[str],
    *,
    derived: Sequence[str] = (),
    caches: Sequence[str] = (),
    follow: bool = True,
    dry_run: bool = False,
    break_lock: bool = False,
) -> Forgotten:
    """Forget one person, known by a speaker label or by the name `people` gave to the face (`p…`), or both.

    `derived`: folders made of this corpus (test sets, dialogues, stages); an export is only searched.
    `caches`: folders of answers or speech. After a kill the same call goes on. Raises UnknownSubjectError,
    StoreLockedError, DamagedShardError; ValueError for tombstones or tables that cannot be read.
    """
    main, others = Store(url), [Store(one) for one in (*derived, *caches)]
    whole_caches = {Store(one).url for one in caches}
    with ExitStack() as stack:
        for store in (main, *others) if not dry_run else ():
            stack.enter_context(store.locked(break_lock=break_lock))
            store.sweep()
        subject = find_subject(main, names, follow=follow)
        before = read_tombstones(main)
        if not subject.recordings and not any(map(before.has_name, names)):
            raise UnknownSubjectError(
                f"{url}: no recording is labelled or shows {', '.join(names)}; names are compared letter by "
                "letter, and faces are called p… in KEY.json"
            )
        tombstones = before.added(
            names=subject.names,
            sources=[one.id for one in subject.recordings],
            contents=[sha for one in subject.recordings for sha in one.contents],
        )
        for store in (main, *others) if not dry_run else ():
            write_tombstones(store, tombstones | read_tombstones(store))
        fitted = tuple(_fitted(main, *others)) if subject.recordings else ()
        changes, n_samples = _purge(main, others, tombstones, whole_caches, dry_run=dry_run)
        traces = [] if dry_run else prove_forgotten(url, tombstones=tombstones)
        for store in others if not dry_run else ():
            traces += [f"{store.url}: {one}" for one in prove_forgotten(store.url, tombstones=tombstones)]
    return Forgotten(subject, changes, n_samples, fitted, tuple(traces))


def _purge(
    main: Store, others: Sequence[Store], tombstones: Tombstones, caches: set[str], *, dry_run: bool
) -> tuple[dict[str, tuple[Change, ...]], int]:
    """Plan the corpus, then what was made of it, then do all; caches are asked for all that they say."""
    first = Purge(main, tombstones, homes={})
    purges = {main.url: first}
    said = set(first.said)
    for store in others:
        is_cache = store.url in caches
        purges[store.url] = Purge(store, tombstones, homes=first.homes, said=said, is_cache=is_cache)
        said |= purges[store.url].said
    for purge in purges.values():
        purge.said |= said
    planned = {url: tuple(purge.changes()) for url, purge in purges.items()}
    # what is made of the corpus goes first: while the corpus still tells what the person says
    for url in reversed(planned) if not dry_run else ():
        for change in planned[url]:
            change.apply()
    return planned, sum(purge.n_samples for purge in purges.values())


def prove_forgotten(url: str, *, tombstones: Tombstones | None = None) -> list[str]:
    """Traces of forgotten people in every file below a folder, as `file: what it tells`; empty: none.

    Asks for the folder's own tombstones unless others are given. Read are tables, JSON, texts, and those
    inside shards; of sound, pictures and arrays the name is asked. Raises DamagedShardError.
    """
    store = Store(url)
    traces = Traces(read_tombstones(store) if tombstones is None else tombstones)
    return [f"{name}: {told}" for name, told in _traces(store, traces)]


def _traces(store: Store, traces: Traces) -> Iterator[tuple[str, str]]:
    for name in walk(store):
        folder, _, file = name.rpartition("/")
        if folder == SHARDS and file.endswith(".tar"):
            for member, told in samples_with_traces(store, file, traces):
                yield f"{name}: {member}", told
            continue
        is_read = name.rpartition(".")[2] in READ_SUFFIXES
        if trace := traces.in_file(name, store.read(name) if is_read else b""):
            yield name, trace


def _fitted(*stores: Store) -> Iterator[str]:
    """K-means centres that a folder's config names: they may be fitted on the person among others."""
    import yaml

    for store in stores:
        if not store.exists(SETTINGS):
            continue
        config: Any = yaml.safe_load(store.read(SETTINGS))
        units = (config.get("config") or {}).get("units") or {}
        for path in (units[name] for name in CENTRES if units.get(name)):
            yield f"{path}: k-means centres, {_about(path)}; fit them again on what is left"


def _about(path: str) -> str:
    from extractors.kmeans_units import KMeansUnits
    from extractors.weights import WeightsError

    try:
        about = KMeansUnits.load(path).about
    except (OSError, WeightsError) as error:
        return f"which cannot be read ({error})"
    facts = {name: about.get(name) for name in ("n_clips", "clips_sha256", "seed")}
    return f"fitted on {json.dumps(facts)}"


def report(found: Forgotten, *, dry_run: bool) -> Iterator[str]:
    """Lines for the user."""
    verb = "would go" if dry_run else "went"
    yield from (f"also {link}" for link in found.subject.links)
    for one, why in zip(found.subject.recordings, found.subject.why, strict=True):
        yield f"{', '.join(sorted(one.paths)) or one.id} ({why}): your file stays; it is not read again"
    yield f"{found.n_samples} samples {verb}"
    for url, changes in found.changes.items():
        yield f"{url}: {len(changes)} files"
        deleted = Counter(one.name.rpartition("/")[0] for one in changes if one.what == DELETED)
        yield from (f"  {one.name}: {one.what}" for one in changes if one.what != DELETED)
        yield from (f"  {folder or 'the folder itself'}: {n} files deleted" for folder, n in deleted.items())
    yield from (f"was fitted on them, and stays: {one}" for one in found.fitted)
    if dry_run:
        return
    yield from (f"STILL THERE: {one}" for one in found.traces)
    if not found.traces:
        yield "every file that is left was searched: no trace. Build again to settle identities and shards."
