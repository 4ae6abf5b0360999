"""`duologue export`: options from the command line, and what the command prints."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any

import yaml
from rich.table import Table

from manifests.exports import EXPORTS, export_class
from manifests.exports.base import EXPORT_REMEDIES, ExportError, ExportReason
from pipelines.exports import MADE_HERE

if TYPE_CHECKING:
    from manifests.exports.base import Export
    from manifests.exports.run import ExportReport

FORMATS = (*EXPORTS, *MADE_HERE)
"""Names of all layouts."""


def layout_class(name: str) -> type[Export]:
    """The class of a layout. Raises ExportError for a name that is none."""
    if name in EXPORTS:
        return export_class(name)
    if name not in MADE_HERE:
        raise ExportError(f"no format {name!r}; there are {', '.join(FORMATS)}")
    module, _, cls = MADE_HERE[name].partition(":")
    found: type[Export] = getattr(import_module(f"pipelines.exports.{module}"), cls)
    return found


def options_of(settings: Iterable[str]) -> dict[str, Any]:
    """`name=value` options of a format, values read as YAML. Raises ExportError."""
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ExportError(f"--set {setting}: expected option=value")
        try:
            found[name] = yaml.safe_load(value)
        except yaml.YAMLError as error:
            raise ExportError(f"--set {setting}: {value!r} is not YAML: {error}") from error
    return found


def options_table(layout: str) -> Table:
    """The options of a format with their defaults. Raises ExportError for a format that is none."""
    model = layout_class(layout).options_model
    table = Table(title=f"--format {layout}", title_justify="left")
    for column in ("option", "default"):
        table.add_column(column)
    for name, field in model.model_fields.items():
        table.add_row(name, "required" if field.is_required() else str(field.default))
    return table


def report_table(report: ExportReport) -> Table:
    """What became of the samples, and what to do about those that are not there."""
    table = Table(title=f"{report.out}: {report.ok} of {report.n_samples} samples", title_justify="left")
    for column in ("", "samples", "what to do"):
        table.add_column(column, overflow="fold")
    for name in ("ok", "skipped", "failed"):
        table.add_row(name, str(getattr(report, name)), "")
    for reason, count in sorted(report.reasons.items()):
        table.add_row(f"  {reason}", str(count), EXPORT_REMEDIES[ExportReason(reason)], style="dim")
    return table
