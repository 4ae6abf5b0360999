"""The `duologue` command. Each command parses, calls, prints; the work is in the modules it imports.

Exit codes: 0 done and balanced · 1 the sums do not balance · 2 bad input or config · 3 the engine or
the machine failed · 130 stopped with Ctrl-C.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import Console

from pipelines.cli_tools import CorpusUrl, tools
from pipelines.exits import balance, fail, user_errors

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from pipelines.engine import Engine
    from pipelines.sections import BuildConfig

app = typer.Typer(
    name="duologue",
    help="Training data for audio-visual spoken-dialogue models, from raw conversation video.",
    epilog="Start with: duologue build clips/ --out corpus/ --preset talking-face",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Clips = Annotated[Path, typer.Argument(help="Folder of recordings (or one file), searched recursively.")]
Preset = Annotated[str | None, typer.Option(help="Preset to start from; see `duologue config --list`.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML laid over the preset.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", help="section.key=value, e.g. select.min_face_px=80. Repeatable.")
]
Sidecar = Annotated[
    Path | None, typer.Option(help="CSV, JSONL or Parquet of labels. Default: sidecar.* beside the clips.")
]


def _corpus(
    clips: Path,
    out: str,
    preset: str | None,
    config: Path | None,
    settings: list[str] | None,
    sidecar: Path | None,
) -> tuple[Corpus, BuildConfig]:
    from manifests.sources.folder import list_folder
    from manifests.store import Store
    from pipelines.build import build_steps
    from pipelines.config import load_config
    from pipelines.corpus import Corpus

    chosen = load_config(preset=preset or "talking-face", path=config, overrides=settings or ())
    listing = list_folder(clips, sidecar=sidecar)
    root = clips.parent if clips.is_file() else clips
    corpus = Corpus(
        Store(out), str(root.resolve()), listing, build_steps(chosen), unit_s=chosen.engine.unit_s
    )
    return corpus, chosen


def _engine(
    kind: str, workers: int | None, address: str | None, corpus: Corpus, config: BuildConfig
) -> Engine:
    from pipelines.engine import LocalEngine
    from pipelines.engine_ray import RayEngine

    if kind == "local":
        return LocalEngine()
    return RayEngine.of(config.engine, corpus.steps.values(), workers=workers, address=address)


@app.command()
def build(
    clips: Clips,
    out: Annotated[str, typer.Option(help="Output folder, or s3://… or gs://….")],
    preset: Preset = None,
    config: ConfigFile = None,
    settings: Settings = None,
    sidecar: Sidecar = None,
    engine: Annotated[
        Literal["ray", "local"], typer.Option(help="local: this process, for debugging.")
    ] = "ray",
    workers: Annotated[int | None, typer.Option(min=1, help="Default: one a CPU.")] = None,
    ray_address: Annotated[str | None, typer.Option(help="Join a cluster instead of starting Ray.")] = None,
    retry: Annotated[
        list[str] | None, typer.Option(help="failed or quarantined: try those items again. Repeatable.")
    ] = None,
    allow_untrained: Annotated[
        bool,
        typer.Option(
            "--allow-untrained", help="Codecs without weights run on random ones, and their tokens say so."
        ),
    ] = False,
    break_lock: Annotated[bool, typer.Option(help="Take over the lock of a run that is gone.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")] = False,
) -> None:
    """Turn raw video into training shards. Resumes where an earlier run of the same command stopped.

    A finished rerun does nothing. A moved threshold recomputes `select`, cuts the newly kept clips and
    packs; ask `duologue plan` first.
    """
    with user_errors():
        from pipelines import build as building
        from pipelines.reporter import make_reporter
        from pipelines.summary import summary_tables

        wrong = set(retry or ()) - {"failed", "quarantined"}
        if wrong:
            fail(f"--retry {', '.join(wrong)}: expected failed or quarantined", 2)
        if allow_untrained:
            settings = [*(settings or ()), "tokenize.allow_untrained=true"]
        corpus, chosen = _corpus(clips, out, preset, config, settings, sidecar)
        built = building.build(
            corpus,
            chosen,
            engine=_engine(engine, workers, ray_address, corpus, chosen),
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
) -> None:
    """Say what `build` would do: units, hours, GB and time. Runs nothing and writes nothing."""
    with user_errors():
        from pipelines.planning import estimate, plan_table

        corpus, _ = _corpus(clips, out or "memory://duologue-plan", preset, config, settings, sidecar)
        Console().print(plan_table(estimate(corpus)))


@app.command()
def status(corpus: CorpusUrl) -> None:
    """Show how far a build has come, and whether its sums balance."""
    with user_errors():
        from pipelines.accounting import account
        from pipelines.build import recall
        from pipelines.summary import status_table, summary_tables

        found, _ = recall(corpus)
        books = account(found)
        console = Console()
        console.print(status_table(found))
        if not books.problems:
            for table in summary_tables(found, books):
                console.print(table)
        else:
            console.print("Not finished; run the same build again to resume. Open:")
            for problem in books.problems[:10]:
                console.print(f"  {problem}", markup=False)


@app.command()
def failures(
    corpus: CorpusUrl,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List every source, clip and sidecar line that did not end `ok`, with its reason and a remedy."""
    with user_errors():
        from pipelines.accounting import account
        from pipelines.build import recall
        from pipelines.summary import failures_tables

        rows = [row for row in account(recall(corpus)[0]).rows if row["status"] != "ok"]
        if as_json:
            for row in rows:
                typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            for table in failures_tables(rows):
                Console().print(table)


@app.command()
def replay(
    corpus: CorpusUrl,
    unit: Annotated[str, typer.Argument(help="A unit, clip key, source id or path, as `failures` shows it.")],
    step: Annotated[str | None, typer.Option(help="Only this step.")] = None,
) -> None:
    """Run a unit again in this process, without committing, and compare it with its receipt.

    A unit that fails shows its whole traceback.
    """
    with user_errors():
        from pipelines.look import replay_unit

        for line in replay_unit(corpus, unit, step=step):
            typer.echo(line)


@app.command()
def inspect(
    corpus: CorpusUrl,
    key: Annotated[str, typer.Argument(help="Key of a sample, or any unique beginning of it.")],
    png: Annotated[Path | None, typer.Option(dir_okay=False, help="Also draw its lips and curves.")] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Also write a page: the clip with boxes and mesh, above its curves."
        ),
    ] = None,
) -> None:
    """Show a sample: its KEY.json, and what each member decodes to."""
    with user_errors():
        from pipelines.look import draw_sample, sample_report

        Console().print(sample_report(corpus, key))
        if png is not None:
            typer.echo(f"wrote {draw_sample(corpus, key, png)}")
        if html is not None:
            from pipelines.sample_page import write_page

            typer.echo(f"wrote {write_page(corpus, key, html)}")


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


app.add_typer(tools)  # after the commands above, so that --help lists those first


def main(arguments: list[str] | None = None) -> Any:
    """Entry point of the console script."""
    from pipelines.threads import ONE_THREAD

    os.environ.update(ONE_THREAD)  # whatever the user has set: results must not depend on it
    return app(args=arguments, prog_name="duologue")


if __name__ == "__main__":
    sys.exit(main())
