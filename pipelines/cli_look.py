"""Commands that look at a corpus: how far it is, what did not end well, one sample, one unit again."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.cli_tools import CorpusUrl
from pipelines.exits import user_errors

looking = typer.Typer()


@looking.command()
def status(corpus: CorpusUrl) -> None:
    """Show how far a build, test set or dialogue has come, and whether its sums balance."""
    with user_errors():
        from pipelines.recalling import recall_any
        from pipelines.summary import set_tables, status_table, summary_tables

        found = recall_any(corpus)
        books = found.books()
        console = Console()
        console.print(status_table(found.corpus))
        if not books.problems:
            is_build = found.command == "build"
            names = ("clips", "samples") if found.command == "testset" else ("dialogues", "parts")
            tables = summary_tables if is_build else partial(set_tables, names=names)
            for table in tables(found.corpus, books):
                console.print(table)
        else:
            console.print("Not finished; run the same command again to resume. Open:")
            for problem in books.problems[:10]:
                console.print(f"  {problem}", markup=False)


@looking.command()
def failures(
    corpus: CorpusUrl,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List everything that did not end `ok`, with its reason and a remedy."""
    with user_errors():
        from pipelines.recalling import recall_any
        from pipelines.summary import failures_tables

        rows = [row for row in recall_any(corpus).books().rows if row["status"] != "ok"]
        if as_json:
            for row in rows:
                typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            for table in failures_tables(rows):
                Console().print(table)


@looking.command()
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


@looking.command()
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
