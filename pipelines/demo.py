"""`duologue demo`: the main job from nothing, and what it made."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console
from rich.tree import Tree

from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import build, build_steps
from pipelines.config import load_config
from pipelines.contact_sheet import contact_sheet
from pipelines.corpus import Corpus
from pipelines.engine_ray import RayEngine
from pipelines.reporter import make_reporter
from pipelines.summary import failures_tables, summary_tables


def run_demo(out: Path, clips: Path | None, *, workers: int | None = None) -> tuple[str, ...]:
    """Build shards of the given clips, or of a few rendered ones; print the tree and the tables.

    Returns the problems of the books (none: they balance). A second run resumes and does nothing.
    """
    console = Console()
    if clips is None:
        clips = out / "clips"
        if not (clips / "sidecar.csv").exists():
            from synth.talking_face import demo_corpus

            console.print("No --input given: rendering talking-face clips with known motion …")
            unfinished = out / "clips.unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            demo_corpus(unfinished)
            unfinished.rename(clips)
    # a demo must run where nothing but a package index is reached: these weights come inside packages
    offline = ["watch.detector=mediapipe", "who.model=none"]
    config = load_config(preset="talking-face", overrides=offline)
    root = clips.parent if clips.is_file() else clips
    corpus = Corpus(Store(out / "corpus"), str(root.resolve()), list_folder(clips), build_steps(config))
    built = build(
        corpus,
        config,
        engine=RayEngine.of(config.engine, corpus.steps.values(), workers=workers),
        reporter=make_reporter(quiet=False),
    )
    console.print(output_tree(out / "corpus"))
    for table in summary_tables(built.corpus, built.account):
        console.print(table)
    rejected = [row for row in built.account.rows if row["status"] != "ok"]
    if rejected:
        for table in failures_tables(rejected):
            console.print(table)
    shards = sorted((out / "corpus" / "shards").glob("*.tar"))
    if shards:
        sheet = out / "contact-sheet.png"
        contact_sheet(shards, sheet)
        console.print(f"Look at [bold]{sheet}[/bold]: lip ROIs and curves of the clips that were kept.")
    return built.account.problems


def output_tree(folder: Path, *, files_shown: int = 4) -> Tree:
    """The folder as a tree; long folders are shortened."""
    tree = Tree(f"[bold]{folder}[/bold]")
    _branch(tree, folder, files_shown)
    return tree


def _branch(tree: Tree, folder: Path, files_shown: int) -> None:
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    files = [path for path in entries if path.is_file()]
    for path in (path for path in entries if path.is_dir()):
        _branch(tree.add(f"{path.name}/"), path, files_shown)
    for path in files[:files_shown]:
        tree.add(f"{path.name}  [dim]{path.stat().st_size / 1e3:.0f} kB[/dim]")
    if len(files) > files_shown:
        tree.add(f"[dim]… {len(files) - files_shown} more[/dim]")
