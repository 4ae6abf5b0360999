"""The audit: look at everything, say yes or no."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli_tools import CorpusUrl
from pipelines.exits import fail, user_errors

auditing = typer.Typer()


@auditing.command()
def audit(
    corpus: CorpusUrl,
    out: Annotated[str | None, typer.Option(help="Folder for audit.json and index.html.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Also open the shards and measure what is in them.")
    ] = False,
    shards: Annotated[int | None, typer.Option(min=1, help="With --deep: only so many, drawn.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Draws the shards.")] = 0,
    policy: Annotated[str, typer.Option(help="default, strict, or a YAML file of yours.")] = "default",
    compare: Annotated[
        Path | None, typer.Option(dir_okay=False, help="An older audit.json: say what changed since.")
    ] = None,
    beam: Annotated[
        list[str] | None, typer.Option(help="Option for Apache Beam, e.g. --runner=FlinkRunner. Repeatable.")
    ] = None,
    probes: Annotated[
        bool, typer.Option("--probe", help="Of dialogues: does the face tell that a turn is about to end?")
    ] = False,
    beside: Annotated[
        list[str] | None, typer.Option(help="With --probe: another corpus to compare with. Repeatable.")
    ] = None,
    list_checks: Annotated[bool, typer.Option("--list", help="Name the checks, and stop.")] = False,
) -> None:
    """Audit a corpus, test set or dialogues: every source, step, sample and number that is stored.

    Exit code 0: nothing that the policy calls an error. 1: something. 2: it could not run.
    """
    with user_errors():
        from pipelines.audit.audit import run_audit
        from pipelines.audit.catalog import CHECKS
        from pipelines.audit.compare import compare as changes_between
        from pipelines.audit.compare import read_audit
        from pipelines.audit.report.write import write_report

        if list_checks:
            for check in CHECKS.values():
                typer.echo(f"{check.id}: {check.title}")
            return
        if out is None:
            fail("say where the report goes: --out report/", 2)
        before = read_audit(compare) if compare else None
        verdict = run_audit(
            corpus,
            str(out),
            policy,
            deep=deep,
            max_shards=shards,
            seed=seed,
            runner_options=beam or (),
            probe=(beside or ()) if probes else None,
        )
        for finding in verdict.findings:
            if finding.outcome in ("fail", "warn"):
                typer.echo(f"{finding.outcome}  {finding.check.id}: {finding.why}")
        for change in changes_between(before, verdict.record) if before else ():
            typer.echo(f"{change.kind}  {change.check}: {change.told}")
        page = write_report(corpus, verdict.record, str(out), before=before)
        told = ", ".join(f"{count} {outcome}" for outcome, count in sorted(verdict.counts.items()))
        typer.echo(f"{told}. The report: {page}")
        raise typer.Exit(verdict.exit_code)
