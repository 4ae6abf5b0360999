"""`duologue export`: options from the command line, and what the command prints."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import yaml
from rich.table import Table

from manifests.exports.base import EXPORT_REMEDIES, ExportError, ExportReason
from manifests.exports.run import option_models

if TYPE_CHECKING:
    from manifests.exports.run import ExportReport


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
    models = option_models()
    if layout not in models:
        raise ExportError(f"no format {layout!r}; there are {', '.join(models)}")
    table = Table(title=f"--format {layout}", title_justify="left")
    for column in ("option", "default"):
        table.add_column(column)
    for name, field in models[layout].model_fields.items():
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
