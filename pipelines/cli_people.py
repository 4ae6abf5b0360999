"""Commands about what is owed to people: cards of a corpus, and forgetting somebody."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli_tools import CorpusUrl
from pipelines.exits import fail, user_errors

people = typer.Typer()


@people.command()
def card(
    corpus: CorpusUrl,
    name: Annotated[str | None, typer.Option(help="Title. Default: the name of the config.")] = None,
    description: Annotated[str | None, typer.Option(help="Default: that of the config.")] = None,
    version: Annotated[str | None, typer.Option(help="Of the data, MAJOR.MINOR.PATCH.")] = None,
) -> None:
    """Write README.md (dataset card) and croissant.json of a finished corpus."""
    with user_errors():
        from extractors.weights_registry import REGISTRY
        from manifests.cards import write_cards
        from pipelines.build import recall

        config = recall(corpus)[1] if name is None or description is None else None
        written = write_cards(
            corpus,
            name=name or (config.name if config else ""),
            description=description or (config.description if config else ""),
            version=version,
            weights_licences={one.name: one.licence for one in REGISTRY.values()},
        )
        for path in written:
            typer.echo(f"wrote {path}")


@people.command()
def forget(
    corpus: CorpusUrl,
    subject: Annotated[
        list[str], typer.Option(help="Speaker label, or name of the face (p…). Repeatable: one person.")
    ],
    derived: Annotated[
        list[str] | None, typer.Option(help="Folder made of the corpus: test set, dialogues, stage.")
    ] = None,
    cache: Annotated[list[str] | None, typer.Option(help="Folder of cached answers or speech.")] = None,
    only_named: Annotated[
        bool, typer.Option("--only-named", help="Do not follow a label to its face, nor a face to its label.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    break_lock: Annotated[bool, typer.Option(help="Take over the lock of a run that is gone.")] = False,
) -> None:
    """Take a person out of a corpus and of what was made of it, and search what is left.

    Your recordings stay where they are and are not read again. Exit code 1: a trace was found.
    """
    with user_errors():
        from pipelines import forget as forgetting

        found = forgetting.forget(
            corpus,
            subject,
            derived=derived or (),
            caches=cache or (),
            follow=not only_named,
            dry_run=dry_run,
            break_lock=break_lock,
        )
        for line in forgetting.report(found, dry_run=dry_run):
            typer.echo(line)
        if found.traces:
            fail(f"{len(found.traces)} traces are left", 1)
