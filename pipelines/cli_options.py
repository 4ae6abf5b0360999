"""Options that several commands share, each worded once, and the engine that they choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from pipelines.engine import Engine
    from pipelines.sections import EngineConfig


def _statuses(retry: list[str] | None) -> list[str]:
    """Typer knows no list of choices."""
    wrong = set(retry or ()) - {"failed", "quarantined"}
    if wrong:
        raise typer.BadParameter(f"{', '.join(sorted(wrong))}: expected failed or quarantined")
    return retry or []


OutFolder = Annotated[str, typer.Option(help="Output folder, or s3://… or gs://….")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value, e.g. select.min_face_px=80. Repeatable.")
]
Sidecar = Annotated[
    Path | None, typer.Option(help="CSV, JSONL or Parquet of labels. Default: sidecar.* beside the clips.")
]
ReaderName = Annotated[str, typer.Option("--reader", help="Layout of the corpus; see `duologue readers`.")]
ReaderOptions = Annotated[
    list[str] | None, typer.Option("--reader-option", help="NAME=VALUE for the reader. Repeatable.")
]
StageFolder = Annotated[
    Path | None,
    typer.Option("--stage", help="Where tars are unpacked and remote files kept. Default: OUT.stage"),
]
EngineKind = Annotated[Literal["ray", "local"], typer.Option(help="local: this process, for debugging.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Default: one a CPU.")]
RayAddress = Annotated[str | None, typer.Option(help="Join a cluster instead of starting Ray.")]
Retry = Annotated[
    list[str] | None,
    typer.Option(callback=_statuses, help="failed or quarantined: try those items again. Repeatable."),
]
BreakLock = Annotated[bool, typer.Option(help="Take over the lock of a run that is gone.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]


def chosen_engine(
    kind: str, workers: int | None, address: str | None, corpus: Corpus, config: EngineConfig
) -> Engine:
    """The engine that `--engine`, `--workers` and `--ray-address` ask for."""
    from pipelines.engine import LocalEngine
    from pipelines.engine_ray import RayEngine

    if kind == "local":
        return LocalEngine()
    return RayEngine.of(config, corpus.steps.values(), workers=workers, address=address)
