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

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from extractors.pose import euler_deg, from_six
from manifests.store import Store
from pipelines.contact_sheet import read_audio

Members = dict[str, bytes]


@dataclass(frozen=True)
class Curve:
    """One curve of the page, drawn in a box of duration x 1; `values` is JSON for the read-out."""

    name: str
    unit: str
    lines: tuple[str, ...]
    low: str
    high: str
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
    step = duration_s / max(1, len(values))
    lines, gaps = [], []
    for start, stop, missing in _runs(np.isnan(values)):
        if missing:
            gaps.append((round(start * step, 3), round((stop - start) * step, 3)))
            continue
        height = 0.96 - 0.92 * (np.clip(values[start:stop], low, high) - low) / span
        at = (np.arange(start, stop) + 0.5) * step
        lines.append(" ".join(f"{x:.3f},{y:.3f}" for x, y in zip(at, height, strict=True)))
    zero = round(0.96 - 0.92 * (0 - low) / span, 3) if low < 0 < high else None
    shown = [None if np.isnan(one) else round(float(one), 3) for one in values]
    return Curve(name, unit, tuple(lines), f"{low:.3g}", f"{high:.3g}", zero, tuple(gaps), json.dumps(shown))


def _runs(flags: NDArray[np.bool_]) -> Sequence[tuple[int, int, bool]]:
    """(start, stop, value) of each stretch of equal flags."""
    edges = [0, *(np.flatnonzero(np.diff(flags.astype(int))) + 1).tolist(), len(flags)]
    return [(a, b, bool(flags[a])) for a, b in pairwise(edges) if b > a]


def curves_of(header: dict[str, Any], members: Members) -> list[Curve]:
    """Loudness, speech, mouth, head and trust of a sample, as far as it has them."""
    duration_s = float(header["duration_s"])
    found: list[Curve] = []
    if "flac" in members:
        pcm, _ = read_audio(members["flac"])
        level = np.sqrt(np.mean(np.square(pcm[: len(pcm) // 320 * 320].reshape(-1, 320)), axis=1))
        decibels = 20 * np.log10(np.maximum(level, 1e-4))
        found.append(curve("level", "dBFS", decibels, duration_s, limits=(-70.0, 0.0)))
    trust = _columns(header, members, "trust.npy")
    if "speaking" in trust:
        found.append(curve("speaking score", "above 0: speaks", trust["speaking"], duration_s))
    shapes = _columns(header, members, "arkit52.npy", valid="arkit52_valid.npy")
    for name in ("jawOpen", "eyeBlinkLeft", "browInnerUp"):
        if name in shapes:
            found.append(curve(name, "0 to 1", shapes[name], duration_s, limits=(0.0, 1.0)))
    if "face61.npy" in members:
        coefficients = np.asarray(_array(members["face61.npy"]), np.float64)
        angles = euler_deg(from_six(coefficients[:, 52:58]))
        angles[~_array(members["face61_valid.npy"]).astype(bool)] = np.nan
        for column, name in enumerate(("yaw", "pitch", "roll")):
            found.append(curve(name, "degrees", angles[:, column], duration_s, limits=(-60.0, 60.0)))
    for name, unit in (("mouth_occlusion", "0 to 1"), ("jitter", "of eye distance"), ("sharpness", "")):
        if name in trust:
            found.append(curve(name.replace("_", " "), unit, trust[name], duration_s))
    return found


def _array(data: bytes) -> NDArray[Any]:
    return np.asarray(np.load(io.BytesIO(data), allow_pickle=False))


def _columns(
    header: dict[str, Any], members: Members, name: str, *, valid: str | None = None
) -> dict[str, NDArray[np.float64]]:
    """Columns of an array by channel name, NaN where its validity says so."""
    if name not in members:
        return {}
    values = np.asarray(_array(members[name]), np.float64).copy()
    if valid is not None:
        values[~_array(members[valid]).astype(bool)] = np.nan
    return dict(zip(header["channels"][name], values.T, strict=True))


def page(key: str, members: Members, video: bytes | None) -> str:
    """The HTML of one sample. `video` is an MP4 that a browser plays."""
    header = json.loads(members["json"])
    source = header["source"]
    measures = {name: value for name, value in header["measures"].items() if value is not None}
    facts = [
        *(
            (name, header[name])
            for name in ("split", "speaker", "text", "language", "emotion")
            if name in header
        ),
        *((name, f"{value:.4g}" if isinstance(value, float) else value) for name, value in measures.items()),
        *((f"missing {name}", why) for name, why in header["missing"].items()),
        ("members", ", ".join(f"{name} {len(data) / 1000:.1f} kB" for name, data in sorted(members.items()))),
    ]
    start, stop = float(Fraction(source["start"])), float(Fraction(source["stop"]))
    environment = Environment(
        loader=PackageLoader("pipelines", "templates"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("sample.html").render(
        key=key,
        about=f"{source['path']}, {start:.2f}–{stop:.2f} s",
        video=base64.b64encode(video).decode() if video else None,
        duration_s=header["duration_s"],
        curves=curves_of(header, members),
        facts=facts,
        header=members["json"].decode(),
    )


def write_page(url: str, key: str, out: Path) -> Path:
    """Page of the sample whose key begins with `key`; with its source's pictures where that can be read."""
    from pipelines.look import read_sample

    full, members = read_sample(Store(url), key)
    video = source_video(url, json.loads(members["json"]), members)
    out.write_text(page(full, members, video or members.get("face.mp4")), encoding="utf-8")
    return out


def source_video(url: str, header: dict[str, Any], members: Members) -> bytes | None:
    """The source's own pictures of the clip, drawn upon; None where the source is gone or has no face."""
    from pipelines.build import recall
    from pipelines.overlay import clip_video, overlaid

    corpus, _ = recall(url)
    source = header["source"]
    rows = [row for row in corpus.rows("ingest") if row["content_sha256"] == source["sha256"]]
    if not rows or header["track"] is None or not Path(corpus.source_root, source["path"]).is_file():
        return None
    start, stop = Fraction(source["start"]), Fraction(source["stop"])
    frames = overlaid(corpus, rows[0], source["id"], start, stop, track=header["track"])
    return clip_video(frames, start, read_audio(members["flac"]) if "flac" in members else None)
