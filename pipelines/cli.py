"""The `duologue` command. Each command parses, calls, prints; the work is in the modules it imports.

Exit codes: 0 done and balanced · 1 the sums do not balance · 2 bad input or config · 3 the engine or
the machine failed · 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pipelines.cli_audit import auditing
from pipelines.cli_look import looking
from pipelines.cli_options import (
    BreakLock,
    EngineKind,
    OutFolder,
    Quiet,
    RayAddress,
    ReaderName,
    ReaderOptions,
    Retry,
    Settings,
    Sidecar,
    StageFolder,
    Workers,
    chosen_engine,
)
from pipelines.cli_people import people
from pipelines.cli_sets import sets
from pipelines.cli_tools import tools
from pipelines.exits import balance, tell_left_out, user_errors

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from pipelines.sections import BuildConfig

app = typer.Typer(
    name="duologue",
    help="Training data for audio-visual spoken-dialogue models, from raw conversation video.",
    epilog="Start with: duologue build clips/ --out corpus/ --preset talking-face",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

DEFAULT = "talking-face"
Clips = Annotated[
    str, typer.Argument(help="Folder of recordings (or one file), searched recursively; or s3://…")
]
Preset = Annotated[str | None, typer.Option(help="Preset to start from; see `duologue config --list`.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML laid over the preset.")]


def _corpus(
    clips: str,
    out: str,
    config: BuildConfig,
    *,
    sidecar: Path | None,
    reader: str,
    reader_options: list[str] | None,
    stage: Path | None,
    quiet: bool = False,
) -> Corpus:
    from manifests.store import Store
    from pipelines.build import build_steps
    from pipelines.corpus import Corpus
    from pipelines.listing import read_listing

    listed = read_listing(
        clips,
        out,
        reader=reader,
        options=reader_options or (),
        stage=stage,
        sidecar=sidecar,
        quiet=quiet,
    )
    tell_left_out(listed.left_out)
    return Corpus(Store(out), listed.root, listed.listing, build_steps(config), unit_s=config.engine.unit_s)


@app.command()
def build(
    clips: Clips,
    out: OutFolder,
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    sidecar: Sidecar = None,
    reader: ReaderName = "folder",
    reader_options: ReaderOptions = None,
    stage: StageFolder = None,
    engine: EngineKind = "ray",
    workers: Workers = None,
    ray_address: RayAddress = None,
    retry: Retry = None,
    allow_untrained: Annotated[
        bool,
        typer.Option(
            "--allow-untrained", help="Codecs without weights run on random ones, and their tokens say so."
        ),
    ] = False,
    break_lock: BreakLock = False,
    quiet: Quiet = False,
) -> None:
    """Turn raw video into training shards. Resumes where an earlier run of the same command stopped.

    A finished rerun does nothing. A moved threshold recomputes `select`, cuts the newly kept clips and
    packs; ask `duologue plan` first.
    """
    with user_errors():
        from pipelines import build as building
        from pipelines.config import load_config
        from pipelines.reporter import make_reporter
        from pipelines.summary import summary_tables

        if allow_untrained:
            settings = [*(settings or ()), "tokenize.allow_untrained=true"]
        chosen = load_config(preset=preset or DEFAULT, path=config, overrides=settings or ())
        corpus = _corpus(
            clips,
            out,
            chosen,
            sidecar=sidecar,
            reader=reader,
            reader_options=reader_options,
            stage=stage,
            quiet=quiet,
        )
        built = building.build(
            corpus,
            chosen,
            engine=chosen_engine(engine, workers, ray_address, corpus, chosen.engine),
            reporter=make_reporter(quiet=quiet),
            retry=retry or (),
            break_lock=break_lock,
        )
        if built.removed:
            some = ", ".join(built.removed[:3])
            message = f"{len(built.removed)} sources of the last run are gone from the corpus: {some}"
            typer.secho(f"duologue: {message}", fg="yellow", err=True)
        if not quiet:
            for table in summary_tables(built.corpus, built.account):
                Console().print(table)
        if built.account.sources["quarantined"] + built.account.clips["quarantined"]:
            typer.secho("duologue: some work was quarantined; see `duologue failures`", fg="yellow", err=True)
        balance(built.account.problems)


@app.command()
def plan(
    clips: Clips,
    out: Annotated[str | None, typer.Option(help="Count what this output folder already has.")] = None,
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    sidecar: Sidecar = None,
    reader: ReaderName = "folder",
    reader_options: ReaderOptions = None,
    stage: StageFolder = None,
) -> None:
    """Say what `build` would do: units, hours, GB and time. Runs nothing and writes nothing."""
    with user_errors():
        from pipelines.config import load_config
        from pipelines.planning import estimate, plan_table

        chosen = load_config(preset=preset or DEFAULT, path=config, overrides=settings or ())
        corpus = _corpus(
            clips,
            out or "memory://duologue-plan",
            chosen,
            sidecar=sidecar,
            reader=reader,
            reader_options=reader_options,
            stage=stage,
        )
        Console().print(plan_table(estimate(corpus)))


@app.command()
def config(
    preset: Preset = None,
    path: ConfigFile = None,
    settings: Settings = None,
    schema: Annotated[bool, typer.Option("--schema", help="JSON schema of the config.")] = False,
    list_presets: Annotated[bool, typer.Option("--list", help="Names and purposes of the presets.")] = False,
) -> None:
    """Print a config with every value spelled out, ready to edit and pass as --config."""
    with user_errors():
        from pipelines.config import dump_config, load_config, preset_names
        from pipelines.sections import BuildConfig

        if schema:
            typer.echo(json.dumps(BuildConfig.model_json_schema(), indent=2))
        elif list_presets:
            for name in preset_names():
                typer.echo(f"{name}: {load_config(preset=name).description}")
        else:
            typer.echo(dump_config(load_config(preset=preset, path=path, overrides=settings or ())))


app.add_typer(looking)
app.add_typer(sets)
app.add_typer(auditing)
app.add_typer(people)
app.add_typer(tools)  # after the commands above, so that --help lists those first


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script."""
    from pipelines.threads import ONE_THREAD

    os.environ.update(ONE_THREAD)  # whatever the user has set: results must not depend on it
    return app(args=arguments, prog_name="duologue")


if __name__ == "__main__":
    sys.exit(main())
