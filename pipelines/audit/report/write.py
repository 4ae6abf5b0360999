"""`report/index.html`: an audit as one static page, with small pictures and clips beside it in `media/`."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from manifests.store import Store
from pipelines.audit.compare import Change, compare, read_audit
from pipelines.audit.report import plots
from pipelines.audit.report.cards import DEFAULT_LIMITS, MEDIA, Card, Media, MediaLimits, choose, make_cards
from pipelines.audit.report.examples import Row, list_rows, order_samples
from pipelines.audit.report.forest import Forest, forests
from pipelines.audit.report.samples import index_of

PAGE = "index.html"
_MARKS = {"fail": "✕", "warn": "!", "pass": "✓", "info": "i", "not_measured": "–", "extreme": "·"}
_WORDS = {
    "fail": "error",
    "warn": "warning",
    "pass": "pass",
    "info": "numbers only",
    "not_measured": "not measured",
    "extreme": "within limits",
}


@dataclass(frozen=True)
class CheckView:
    """A check and its plots."""

    facts: Mapping[str, Any]
    histogram: plots.Histogram | None
    bars: Sequence[plots.Bar]
    ranges: Mapping[str, Sequence[plots.Range]]
    change: Sequence[Change]
    n_rows: int


def write_report(
    corpus_url: str,
    audit: Mapping[str, Any] | str | Path,
    out: str,
    *,
    before: Mapping[str, Any] | str | Path | None = None,
    limits: MediaLimits = DEFAULT_LIMITS,
) -> str:
    """Write `out`/index.html and `out`/media/; returns the page's path or URL.

    `audit`: what `run_audit` recorded, or the path of an audit.json; `before`: an older one, to say what
    changed. The corpus is read for pictures, clips and curves of the samples that the audit names, as far as
    they can be read; the page says what could not. The same audit and corpus give the same bytes.

    Raises AuditFileError for a path that is no audit.json of this format, StoreError.
    """
    record = _read(audit)
    old = None if before is None else _read(before)
    target = Store(out)
    rows, n_examples = list_rows(record["checks"])
    index = index_of(Store(corpus_url), (name for row in rows for name in row.names))
    keys = choose(order_samples(rows, index, limits.n_samples), index, limits)
    cards, media = make_cards(Store(corpus_url), keys, index, limits)
    shown = [(row, _cards_of(row, cards)) for row in rows]
    for row, own in shown:
        for card in own:
            card.rows.append(row)
    page = render(record, old, rows=shown, n_examples=n_examples, cards=cards, media=media)
    for name, data in media.files.items():
        target.write(name, data)
    target.write(PAGE, page.encode())
    _sweep(target, media)
    return target.path(PAGE)


def render(
    record: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    *,
    rows: Sequence[tuple[Row, Sequence[Card]]],
    n_examples: int,
    cards: Mapping[str, Card],
    media: Media,
) -> str:
    """The HTML. All of the corpus is escaped, none becomes markup; only our own script may run."""
    environment = Environment(
        loader=PackageLoader("pipelines", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"coded": _coded, "sentence": _sentence}
    style, script = (_asset(f"audit.{ending}") for ending in ("css", "js"))
    changes = [] if old is None else compare(old, record)
    return environment.get_template("audit.html").render(
        audit=record,
        old=old,
        sections=_sections(record, old, changes, rows),
        changes=changes,
        titles={check["id"]: check["title"] for check in record["checks"]},
        rows=rows,
        n_examples=n_examples,
        cards=cards,
        dialogues=[card for card in cards.values() if card.timeline is not None],
        samples=[card for card in cards.values() if card.timeline is None],
        media=media,
        probes=_probes(record),
        marks=_MARKS,
        words=_WORDS,
        style=style,
        script=script,
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _coded(text: str) -> Markup:
    """A text with what stands in backticks as code; all of it is escaped."""
    parts = text.split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if at % 2 else part for at, part in enumerate(parts)
    )


def _sentence(text: str) -> Markup:
    """The same, with a capital."""
    return _coded(text[:1].upper() + text[1:])


def _read(audit: Mapping[str, Any] | str | Path) -> Mapping[str, Any]:
    return audit if isinstance(audit, Mapping) else read_audit(audit)


def _cards_of(row: Row, cards: Mapping[str, Card]) -> list[Card]:
    """The samples that an example is about, of two that are alike both."""
    known = dict.fromkeys(name for name in row.names if name in cards)
    return [cards[name] for name in list(known)[:2]]


def _asset(name: str) -> str:
    return files("pipelines").joinpath("templates", name).read_text(encoding="utf-8")


def _sections(
    record: Mapping[str, Any],
    old: Mapping[str, Any] | None,
    changes: Sequence[Change],
    rows: Sequence[tuple[Row, Sequence[Card]]],
) -> dict[str, list[CheckView]]:
    """Checks by section, both in the order of audit.json."""
    before = {check["id"]: check for check in (old or {"checks": ()})["checks"]}
    n_rows = Counter(row.check for row, _ in rows)
    found: dict[str, list[CheckView]] = {}
    for check in record["checks"]:
        name = check["id"]
        view = CheckView(
            facts=check,
            histogram=plots.histogram(check, before.get(name)),
            bars=_bars(check),
            ranges=plots.channel_ranges(check.get("channels", {})),
            change=[change for change in changes if change.check == name],
            n_rows=n_rows[name],
        )
        found.setdefault(check["section"], []).append(view)
    return found


def _bars(check: Mapping[str, Any]) -> list[plots.Bar]:
    if check.get("streams"):
        return plots.code_bars(check["streams"])
    if check["kind"] == "tally":
        return plots.tally_bars(check.get("counts", {}))
    return plots.group_bars(check.get("largest", ()), check.get("seconds", 0))


def _probes(record: Mapping[str, Any]) -> list[Forest]:
    return forests(record.get("probes") or ())


def _sweep(target: Store, media: Media) -> None:
    """Pictures and clips of an older report in the same folder; other files are left alone."""
    ours = {name.rpartition("/")[2] for name in media.files}
    for name in target.list(MEDIA):
        stem, _, ending = name.partition(".")
        is_media = ending in ("jpg", "mp4") and len(stem) == 16 and set(stem) <= set("0123456789abcdef")
        if is_media and name not in ours:
            target.delete(f"{MEDIA}/{name}")
