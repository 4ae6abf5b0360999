"""How a command ends: one message and an exit code, never a traceback for what a user can cure."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from manifests.errors import CommandError


@contextmanager
def user_errors() -> Iterator[None]:
    """Turn the errors a user can cause or cure into one message and an exit code."""
    try:
        yield
    except CommandError as error:
        fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        fail("stopped; all that was committed stays. Run the same command again to resume.", 130)


def tell_left_out(count: int) -> None:
    """Say that recordings of people who were forgotten are not read."""
    if count:
        message = f"{count} recordings of people who were forgotten are left out"
        typer.secho(f"duologue: {message}", fg="yellow", err=True)


def fail(message: str, code: int) -> None:
    """Say why, and leave with the code (the list of codes is in `pipelines/cli.py`)."""
    typer.secho(f"duologue: {message}", fg="red", err=True)
    raise typer.Exit(code)


def balance(problems: tuple[str, ...]) -> None:
    """Leave with code 1 unless the books balance."""
    if problems:
        lines = "\n  ".join(problems[:20])
        fail(f"the sums do not balance ({len(problems)} problems):\n  {lines}", 1)
