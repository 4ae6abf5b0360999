"""`duologue inspect KEY --html`: one self-contained page, the clip playing above its curves."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from manifests.store import Store
from pipelines.build import recall
from pipelines.contact_sheet import read_audio
from pipelines.look import read_sample
from pipelines.overlay import clip_video, overlaid
from pipelines.sample_series import columns, series_of
from pipelines.step import SourceChangedError
from pipelines.steps.ingest import guard_unchanged, recording

Members = dict[str, bytes]

SOURCE_SHOWS = (
    "The source, with the faces that were followed. The sample's own is green while it speaks, orange while "
    "it is silent and blue where that is not known; others are grey."
)
CROP_SHOWS = "The sample's own face crop: its source cannot be read, or is not what it was."


@dataclass(frozen=True)
class Curve:
    """One curve of the page, drawn in a box of duration x 1; `values` is JSON for the read-out.

    `lines` are empty where it only says yes or no; `invalid` are (start, length) of what was not measured, or
    of no.
    """

    name: str
    scale: str
    lines: tuple[str, ...]
    zero: float | None
    invalid: tuple[tuple[float, float], ...]
    values: str


def curve(
    name: str,
    unit: str,
    values: NDArray[Any],
    duration_s: float,
    *,
    limits: tuple[float, float] | None = None,
) -> Curve:
    """`values` (T,), NaN where not measured, on equal steps over the clip; `limits` fix the y axis."""
    values = np.asarray(values, np.float64)
    known = values[~np.isnan(values)]
    low, high = limits or (float(known.min(initial=0.0)), float(known.max(initial=0.0)))
    span = (high - low) or 1.0
    step_s = duration_s / max(1, len(values))
    lines, gaps = [], []
    for start, stop, missing in _runs(np.isnan(values)):
        if missing:
            gaps.append((round(start * step_s, 3), round((stop - start) * step_s, 3)))
            continue
        height = 0.96 - 0.92 * (np.clip(values[start:stop], low, high) - low) / span
        at_s = (np.arange(start, stop) + 0.5) * step_s
        points = [f"{x:.3f},{y:.3f}" for x, y in zip(at_s, height, strict=True)]
        lines.append(" ".join(points if len(points) > 1 else points * 2))  # a lone value is a dot
    zero = round(0.96 - 0.92 * (0 - low) / span, 3) if low < 0 < high else None
    shown = [None if np.isnan(one) else round(float(one), 3) for one in values]
    scale = f"{low:.3g} to {high:.3g} {unit}".strip()
    return Curve(name, scale, tuple(lines), zero, tuple(gaps), json.dumps(shown))


def strip(name: str, unit: str, flags: NDArray[np.bool_], duration_s: float) -> Curve:
    """`flags` (T,) on equal steps over the clip, drawn as a bar that is shaded where they are false."""
    step_s = duration_s / max(1, len(flags))
    gaps = [(round(a * step_s, 3), round((b - a) * step_s, 3)) for a, b, yes in _runs(flags) if not yes]
    words = json.dumps(["yes" if one else "no" for one in flags])
    return Curve(name, unit, (), None, tuple(gaps), words)


def _runs(flags: NDArray[np.bool_]) -> Sequence[tuple[int, int, bool]]:
    """(start, stop, value) of each stretch of equal flags."""
    edges = [0, *(np.flatnonzero(np.diff(flags.astype(int))) + 1).tolist(), len(flags)]
    return [(a, b, bool(flags[a])) for a, b in pairwise(edges) if b > a]


def curves_of(header: dict[str, Any], members: Members) -> list[Curve]:
    """Loudness, speech, mouth, head, trust and validity of a sample, as far as it has them."""
    duration_s = float(header["duration_s"])
    found = [
        curve(one.name, one.unit, one.values, duration_s, limits=one.limits)
        for one in series_of(header, members)
    ]
    for name, flags in columns(header, members, "group_valid.npy").items():
        found.append(strip(name.replace("_", " "), "can be trusted", flags > 0, duration_s))
    return found


def page(key: str, members: Members, video: bytes | None, *, shows: str = "") -> str:
    """The HTML of one sample, which asks the network for nothing.

    `video` is an MP4 that a browser plays; `shows` says what is in it.
    """
    header = json.loads(members["json"])
    source = header["source"]
    measures = {name: value for name, value in header["measures"].items() if value is not None}
    facts = [
        *(
            (name, header[name])
            for name in ("split", "task", "speaker", "text", "caption", "language", "emotion")
            if name in header
        ),
        *((name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in measures.items()),
        *((f"missing {name}", why) for name, why in header["missing"].items()),
        ("members", ", ".join(f"{name} {len(data) / 1000:.1f} kB" for name, data in sorted(members.items()))),
    ]
    environment = Environment(
        loader=PackageLoader("pipelines", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("sample.html").render(
        key=key,
        about=f"{source['path']}, {_place(source)}",
        video=base64.b64encode(video).decode() if video else None,
        poster=base64.b64encode(_poster(video)).decode() if video else None,
        shows=shows,
        duration_s=header["duration_s"],
        curves=curves_of(header, members),
        facts=facts,
        header=members["json"].decode(),
    )


def _place(source: dict[str, Any]) -> str:
    """Where in its source a sample lies."""
    if "text_start" in source:
        return f"characters {source['text_start']}–{source['text_stop']}"
    return f"{float(Fraction(source['start'])):.2f}–{float(Fraction(source['stop'])):.2f} s"


def _poster(video: bytes) -> bytes:
    """The first picture, as JPEG: some browsers show none before the clip is played."""
    with av.open(io.BytesIO(video), mode="r") as container:
        picture = next(container.decode(video=0)).to_ndarray(format="bgr24")
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()


def write_page(url: str, key: str, out: Path) -> Path:
    """Page of the sample whose key begins with `key`; with its source's pictures where that can be read.

    Raises NotFoundError for an unknown key.
    """
    full, members = read_sample(Store(url), key)
    video, shows = source_video(url, json.loads(members["json"]), members), SOURCE_SHOWS
    if video is None:
        video, shows = members.get("face.mp4"), CROP_SHOWS
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page(full, members, video, shows=shows if video else ""), encoding="utf-8")
    return out


def source_video(url: str, header: dict[str, Any], members: Members) -> bytes | None:
    """The source's own pictures of the clip, drawn upon; None where it is gone, changed or has no face."""
    corpus, _ = recall(url)
    source = header["source"]
    rows = [row for row in corpus.rows("ingest") if row["source_id"] == source["id"]]
    if header["track"] is None or not rows or rows[0]["content_sha256"] != source["sha256"]:
        return None
    path = str(Path(corpus.source_root, source["path"]))
    try:
        guard_unchanged(path, recording(rows[0])["fingerprint"])
    except SourceChangedError:
        return None
    start, stop = Fraction(source["start"]), Fraction(source["stop"])
    frames = overlaid(corpus, rows[0], source["id"], start, stop, track=header["track"])
    return clip_video(frames, start, read_audio(members["flac"]) if "flac" in members else None)
