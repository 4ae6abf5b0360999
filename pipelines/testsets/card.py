"""The card of a test set: what is in it, what it proved, and how hard it is; pictures first."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.store import Store
from pipelines.build import write_table
from pipelines.testsets.corpus import SetCorpus
from pipelines.testsets.results import RESULTS, results

CARD = "README.md"
TOLERANCE_DB = 0.05
Rows = list[dict[str, Any]]


def write_card(corpus: SetCorpus) -> None:
    """`results.parquet`, `README.md` and its plots under `card/`."""
    table = results(corpus)
    write_table(corpus.store, RESULTS, table)
    rows: Rows = table.to_pylist()
    pictures = {name: data for name, data in _pictures(rows).items() if data}
    for name, data in pictures.items():
        corpus.store.write(f"card/{name}.png", data)
    corpus.store.write(CARD, _text(corpus, table, rows, list(pictures)).encode())


TITLES = {
    "dnsmos": "Mean DNSMOS (overall) against SNR",
    "wer": "Mean word error rate against SNR",
    "proof": "Achieved against requested SNR",
    "face": "Frames that lose the face, by severity",
    "landmarks": "How far landmarks are off where the face is still found, by severity",
}


def _pictures(rows: Rows) -> dict[str, bytes | None]:
    mixed = [row for row in rows if row["snr_db"] is not None and row["video"] is None]
    seen = [row for row in rows if row["n_seen_clean"] and row["audio"] is None]
    return {
        "dnsmos": _curves(mixed, "audio", "snr_db", _mean("dnsmos_ovrl"), ("SNR, dB", "DNSMOS, 1 to 5")),
        "wer": _curves(mixed, "audio", "snr_db", _mean("wer"), ("SNR, dB", "WER")),
        "proof": _errors(mixed),
        "face": _curves(seen, "video", "severity", lost_share, ("severity", "share of frames")),
        "landmarks": _curves(
            seen, "video", "severity", _mean("landmark_error"), ("severity", "distances between the eyes")
        ),
    }


def _mean(name: str) -> Callable[[Rows], float | None]:
    def mean(rows: Rows) -> float | None:
        values = [row[name] for row in rows if row[name] is not None]
        return float(np.mean(values)) if values else None

    return mean


def lost_share(rows: Rows) -> float | None:
    """Share of the frames in which the clean clip's face is found that lose it."""
    seen = sum(row["n_seen_clean"] or 0 for row in rows)
    return sum(row["n_lost"] or 0 for row in rows) / seen if seen else None


def grouped(rows: Rows, family: str, degree: str, value: Callable[[Rows], float | None]) -> dict[str, Any]:
    """By family, `(degree, value)` in ascending order of degrees, without those that have no value."""
    found: dict[str, dict[float, Rows]] = {}
    for row in rows:
        found.setdefault(row[family], {}).setdefault(row[degree], []).append(row)
    curves = {
        name: [(one, told) for one in sorted(degrees) if (told := value(degrees[one])) is not None]
        for name, degrees in found.items()
    }
    return {name: curve for name, curve in curves.items() if curve}


def _curves(
    rows: Rows, family: str, degree: str, value: Callable[[Rows], float | None], labels: tuple[str, str]
) -> bytes | None:
    curves = grouped(rows, family, degree, value)
    if not curves:
        return None

    def draw(axes: Any) -> None:
        for name, curve in curves.items():
            axes.plot(*zip(*curve, strict=True), marker="o", label=name)
        axes.set_xlabel(labels[0])
        axes.set_ylabel(labels[1])
        axes.set_ylim(bottom=0, top=max(0.05, axes.get_ylim()[1]))
        axes.legend(fontsize=8)

    return _png(draw)


def _errors(rows: Rows) -> bytes | None:
    errors = [row["achieved_snr_db"] - row["snr_db"] for row in rows if row["achieved_snr_db"] is not None]
    if not errors:
        return None

    def draw(axes: Any) -> None:
        axes.hist(np.maximum(np.abs(errors), 1e-6), bins=np.geomspace(1e-6, 10, 71))
        axes.axvline(TOLERANCE_DB, color="tab:red", label=f"promised: {TOLERANCE_DB:g} dB at most")
        axes.set_xscale("log")
        axes.set_xlabel("|achieved - requested| SNR, dB")
        axes.set_ylabel("samples")
        axes.legend(fontsize=8)

    return _png(draw)


def _png(draw: Callable[[Any], None]) -> bytes:
    """A figure of its own, without the clock and the version that matplotlib puts into files."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.6), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.grid(alpha=0.3)
    draw(axes)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _text(corpus: SetCorpus, table: pa.Table, rows: Rows, pictures: Sequence[str]) -> str:
    grid = corpus.grid
    ok = [row for row in rows if row["status"] == "ok"]
    unreachable = [row for row in ok if row["reason"]]
    errors = [abs(row["achieved_snr_db"] - row["snr_db"]) for row in ok if row["achieved_snr_db"] is not None]
    lines = [
        f"# {grid.name}",
        "",
        grid.description,
        "",
        f"{len(ok)} of {len(rows)} samples ({len({row['clip'] for row in ok})} clips in "
        f"{len({row['condition'] for row in rows})} conditions), seed {grid.seed}. "
        f"`{RESULTS}` has a row for each; `duologue failures` lists those that are not there.",
        "",
    ]
    lines = [line for number, line in enumerate(lines) if line or number != 2]  # without a description
    if errors:
        what = "where the target speaks" if grid.mix.over == "active_speech" else "over all samples"
        lines += [
            f"SNRs are those {what}, measured on the 16-bit samples that were written: largest error "
            f"{max(errors):.3f} dB. {len(unreachable)} samples are marked as beyond what 16 bits can hold.",
            "",
        ]
    cropped = sum(row["at"] == "crop" for row in ok)
    if cropped:
        lines += [
            f"{cropped} samples were corrupted on finished crops; coefficients are those of the clean clip.",
            "",
        ]
    for name in pictures:
        lines += [f"## {TITLES[name]}", "", f"![{TITLES[name]}](card/{name}.png)", ""]
    lines += _tables(rows)
    return "\n".join(lines) + "\n"


def _tables(rows: Rows) -> Iterable[str]:
    columns = ("condition", "samples", "not there", "DNSMOS", "WER", "frames that lose the face")
    yield "## Conditions"
    yield ""
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for name in dict.fromkeys(row["condition"] for row in rows):
        mine = [row for row in rows if row["condition"] == name]
        there = [row for row in mine if row["status"] == "ok"]
        cells = [
            name,
            str(len(there)),
            str(len(mine) - len(there)),
            _shown(_mean("dnsmos_ovrl")(there), "{:.2f}"),
            _shown(_mean("wer")(there), "{:.0%}"),
            _shown(lost_share(there), "{:.1%}"),
        ]
        yield f"| {' | '.join(cells)} |"


def _shown(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def read_results(store: Store) -> Rows:
    """The rows of a finished set."""
    import pyarrow.parquet as pq

    found: Rows = pq.read_table(pa.BufferReader(store.read(RESULTS))).to_pylist()
    return found
