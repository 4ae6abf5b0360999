"""Commands beside the build: weights, this machine, units, the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from pipelines.exits import balance, user_errors

tools = typer.Typer()

CorpusUrl = Annotated[str, typer.Argument(metavar="CORPUS", help="The --out folder of a build.")]


@tools.command()
def models(
    fetch: Annotated[str | None, typer.Option(help="Download this one from its published address.")] = None,
) -> None:
    """List the weights: where each comes from, sha256, licence, present or not."""
    with user_errors():
        from pipelines.models import fetch_model, models_table

        if fetch:
            typer.echo(f"wrote {fetch_model(fetch)}")
        Console().print(models_table())


@tools.command()
def readers() -> None:
    """List the corpus layouts that `build --reader` knows, and the options of each."""
    with user_errors():
        from manifests.sources.readers import READERS

        for name, one in READERS.items():
            options = " ".join(f"{option}=…" for option in one.options)
            typer.echo(f"{name}: {one.description}" + (f" [{options}]" if options else ""))


@tools.command()
def doctor(
    folder: Annotated[Path, typer.Argument(help="Where the output will go (its disk is checked).")] = Path(),
) -> None:
    """Check this machine: ffprobe, codecs, packages, GPU, Ray, memory, disk, weights."""
    with user_errors():
        from pipelines.doctor import doctor as check
        from pipelines.doctor import doctor_table

        checks = check(folder)
        Console().print(doctor_table(checks))
        if any(one.level == "fail" for one in checks):
            raise typer.Exit(1)


@tools.command("fit-units")
def fit_units(
    corpus: CorpusUrl,
    model: Annotated[str, typer.Option(help="Folder of a HuBERT, wav2vec 2.0 or XLS-R checkpoint.")],
    out: Annotated[Path, typer.Option(help="File to write, .npz.")],
    layer: Annotated[int, typer.Option(min=1, help="Its layer, from 1.")] = 11,
    n_units: Annotated[int, typer.Option(min=2, help="How many units.")] = 500,
    kind: Annotated[
        Literal["semantic", "pitch", "style"], typer.Option(help="What the centres are of.")
    ] = "semantic",
    sample_s: Annotated[float, typer.Option(min=1, help="Seconds of training speech to fit on.")] = 3_600.0,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Fit k-means centres on the speech of a corpus, for `units.centres` of a later build.

    The same corpus, network and seed give the same file.
    """
    with user_errors():
        from pipelines.fitting import fit_centres

        n_rows, sha256 = fit_centres(
            corpus, model, out, layer=layer, n_units=n_units, sample_s=sample_s, kind=kind, seed=seed
        )
        typer.echo(f"wrote {out}: {n_units} centres of {n_rows} frames, sha256 {sha256}")


@tools.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder to make.")] = Path("demo-output"),
    clips: Annotated[
        Path | None, typer.Option("--input", help="Real video. Default: rendered clips.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Build shards from a few clips, show what was made, and draw a contact sheet."""
    with user_errors():
        from pipelines.demo import run_demo

        balance(run_demo(out, clips, workers=workers))
