"""One picture of finished shards: each clip's lips and face, and its curves on the same time axis."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from extractors.coefficients import ARKIT52_NAMES
from extractors.pose import euler_deg, from_six

LIP_FRAMES = 10
# Okabe and Ito's colours, which stay apart for colour-blind readers
_GREY, _ORANGE, _BLUE, _SHADE = "#6b7785", "#d55e00", "#0072b2", "#e4e7eb"
_WIDTH_IN, _HEAD_IN, _DPI = 13.0, 0.55, 110
_LEFT_IN, _RIGHT_IN, _TOP_IN, _FACE_IN, _GAP_IN = 2.85, 12.85, 0.62, 1.8, 0.13
_STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#9aa3ad",
    "xtick.color": "#4a525b",
    "ytick.color": "#4a525b",
    "text.parse_math": False,
}

Members = Mapping[str, bytes]


@dataclass(frozen=True)
class Clip:
    """A sample of a shard: its key, its KEY.json (empty when there is none) and its other members."""

    key: str
    header: Mapping[str, Any]
    members: Members

    @property
    def duration_s(self) -> float:
        """As KEY.json says; without it the audio's length, or 1 s when there is no audio either."""
        if "duration_s" in self.header:
            return float(self.header["duration_s"])
        if "flac" in self.members:
            pcm, rate_hz = read_audio(self.members["flac"])
            return len(pcm) / rate_hz
        return 1.0


def contact_sheet(shard_paths: Sequence[Path], out_png: Path, *, max_clips: int = 8) -> None:
    """Draw the first `max_clips` samples of the shards, one below the other, into a PNG.

    A clip shows `lips.mp4`, `face.mp4`, `flac`, jawOpen of `arkit52.npy` and head yaw of `face61.npy`;
    what a sample does not have is left out and named. The same shards give the same bytes. Raises
    ValueError when the shards hold no sample.
    """
    clips, total = read_clips(shard_paths, max_clips)
    if not clips:
        raise ValueError(f"no sample in {', '.join(map(str, shard_paths)) or 'no shard'}")
    with rc_context(_STYLE):
        heights = [_HEAD_IN, *(_height_in(clip) for clip in clips)]
        figure = Figure(figsize=(_WIDTH_IN, sum(heights)), dpi=_DPI, facecolor="white")
        FigureCanvasAgg(figure)
        bands = list(np.atleast_1d(np.asarray(figure.subfigures(len(heights), 1, height_ratios=heights))))
        shown = f"{len(clips)} of {total} clips"
        bands[0].text(0.012, 0.35, f"duologue · {shown}", fontsize=13, weight="bold", color="#22272d")
        for clip, band in zip(clips, bands[1:], strict=True):
            _draw_clip(band, clip)
        out_png.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(out_png, format="png", metadata={"Software": None})


def read_clips(shard_paths: Sequence[Path], max_clips: int) -> tuple[list[Clip], int]:
    """The first samples of the shards, in the shards' order, and how many samples there are in all."""
    members: dict[str, dict[str, bytes]] = {}
    keys: set[str] = set()
    for path in shard_paths:
        with tarfile.open(path) as tar:
            for entry in tar:
                key, _, extension = entry.name.partition(".")
                keys.add(key)
                handle = tar.extractfile(entry) if len(keys) <= max_clips or key in members else None
                if handle is not None:
                    members.setdefault(key, {})[extension] = handle.read()
    return [Clip(key, json.loads(m.get("json", b"{}")), m) for key, m in members.items()], len(keys)


def read_audio(data: bytes) -> tuple[NDArray[np.float32], int]:
    """Mono float32 (N,) of an audio file, and its rate in Hz."""
    import soundfile

    pcm, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.asarray(pcm.mean(axis=1), np.float32), int(rate_hz)


def read_frames(data: bytes) -> list[NDArray[np.uint8]]:
    """All frames of a small video, uint8 (H, W, 3) RGB."""
    with av.open(io.BytesIO(data), "r") as container:
        return [np.asarray(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]


def jaw_open(clip: Clip) -> NDArray[np.float32]:
    """The jawOpen column (T,) of `arkit52.npy`, found by its name."""
    channels = clip.header.get("channels", {})
    names = channels.get("arkit52.npy", channels.get("arkit52", ARKIT52_NAMES))
    return np.asarray(_array(clip, "arkit52.npy")[:, list(names).index("jawOpen")], np.float32)


def yaw_deg(clip: Clip) -> NDArray[np.float64]:
    """Head yaw (T,) in degrees of `face61.npy`, NaN where the frame is not valid."""
    six = _array(clip, "face61.npy")[:, 52:58].astype(np.float64)
    valid = _valid(clip, "face61", len(six)) & np.isfinite(six).all(axis=1)
    yaw = np.full(len(six), np.nan)
    yaw[valid] = euler_deg(from_six(six[valid]))[:, 0]
    return yaw


def _array(clip: Clip, name: str) -> NDArray[Any]:
    return np.asarray(np.load(io.BytesIO(clip.members[name]), allow_pickle=False))


def _valid(clip: Clip, stem: str, frames: int) -> NDArray[np.bool_]:
    name = f"{stem}_valid.npy"
    return _array(clip, name).astype(bool) if name in clip.members else np.ones(frames, bool)


def _draw_clip(band: SubFigure, clip: Clip) -> None:
    """Title, face crop at the left; lips, voice, jaw and yaw at the right, one time axis below."""
    speaker, text = (str(clip.header.get(name) or "") for name in ("speaker", "text"))
    title = " · ".join(part for part in (clip.key, f"{clip.duration_s:.1f} s", speaker) if part)
    whole = _height_in(clip)
    band.text(0.012, 1.0 - 0.2 / whole, title, weight="bold", color="#22272d", va="center")
    if text:
        said = text if len(text) <= 150 else text[:149] + "…"
        band.text(0.012, 1.0 - 0.44 / whole, f"“{said}”", style="italic", color="#4a525b", va="center")
    if "face.mp4" in clip.members:
        _draw_face(_place(band, clip, (0.16, _TOP_IN, _FACE_IN, _FACE_IN)), clip)
    missing = [name for name in ("face.mp4", *_rows()) if name not in clip.members]
    if missing:
        band.text(0.012, 0.2 / whole, f"without {', '.join(missing)}", fontsize=8, color=_GREY, va="center")
    present = [row for name, row in _rows().items() if name in clip.members]
    top_in = _TOP_IN
    for number, (height_in, draw) in enumerate(present, start=1):
        axes = _place(band, clip, (_LEFT_IN, top_in, _RIGHT_IN - _LEFT_IN, height_in))
        top_in += height_in + _GAP_IN
        draw(axes, clip)
        _time_axis(axes, clip.duration_s, labelled=number == len(present))


def _rows() -> dict[str, tuple[float, Callable[[Axes, Clip], None]]]:
    """The rows of a clip: height in inches (lip frames are square) and what draws it, by member."""
    return {
        "lips.mp4": ((_RIGHT_IN - _LEFT_IN) / LIP_FRAMES * 0.96, _draw_lips),
        "flac": (0.52, _draw_voice),
        "arkit52.npy": (0.45, _draw_jaw),
        "face61.npy": (0.45, _draw_yaw),
    }


def _height_in(clip: Clip) -> float:
    """Inches a clip needs: its rows, or the face beside them; title above, time axis and note below."""
    rows_in = sum(height + _GAP_IN for name, (height, _) in _rows().items() if name in clip.members)
    face_in = _FACE_IN if "face.mp4" in clip.members else 0.0
    return _TOP_IN + max(rows_in, face_in) + 0.55


def _place(band: SubFigure, clip: Clip, box_in: tuple[float, float, float, float]) -> Axes:
    """Axes at (left, top, width, height), inches from the upper left corner of the clip's band."""
    left_in, top_in, width_in, height_in = box_in
    whole = _height_in(clip)
    bottom = 1.0 - (top_in + height_in) / whole
    return band.add_axes((left_in / _WIDTH_IN, bottom, width_in / _WIDTH_IN, height_in / whole))


def _time_axis(axes: Axes, duration_s: float, *, labelled: bool) -> None:
    axes.set_xlim(0.0, duration_s)
    if labelled:
        axes.set_xlabel("seconds", labelpad=1, color="#4a525b", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
    else:
        axes.tick_params(axis="x", bottom=False, labelbottom=False)
        axes.spines["bottom"].set_visible(False)


def _label(axes: Axes, text: str, colour: str) -> None:
    axes.text(-0.034, 0.5, text, transform=axes.transAxes, ha="right", va="center", color=colour)
    axes.tick_params(axis="y", labelsize=7, length=2)


def _draw_face(axes: Axes, clip: Clip) -> None:
    frames = read_frames(clip.members["face.mp4"])
    axes.imshow(frames[len(frames) // 2], interpolation="antialiased")
    axes.set_axis_off()


def _draw_lips(axes: Axes, clip: Clip) -> None:
    """Frames from the middles of equal parts of the clip, each drawn over its part of the time axis."""
    frames = read_frames(clip.members["lips.mp4"])
    part_s = clip.duration_s / LIP_FRAMES
    for number in range(LIP_FRAMES):
        picture = frames[min(int((number + 0.5) / LIP_FRAMES * len(frames)), len(frames) - 1)]
        extent = (number * part_s + 0.02 * part_s, (number + 1) * part_s - 0.02 * part_s, 0.0, 1.0)
        axes.imshow(picture, extent=extent, aspect="auto", interpolation="antialiased")
    axes.set_ylim(0.0, 1.0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _label(axes, "lips", "#4a525b")


def _draw_voice(axes: Axes, clip: Clip) -> None:
    """Lowest and highest sample of each of some 1,200 stretches, as audio editors draw it."""
    pcm, rate_hz = read_audio(clip.members["flac"])
    stretch = max(len(pcm) // 1200, 1)
    parts = pcm[: len(pcm) // stretch * stretch].reshape(-1, stretch)
    time_s = (np.arange(len(parts)) + 0.5) * stretch / rate_hz
    peak = max(float(np.abs(pcm).max(initial=0.0)), 1e-3)
    axes.fill_between(time_s, parts.min(axis=1) / peak, parts.max(axis=1) / peak, color=_GREY, linewidth=0.3)
    axes.set_ylim(-1.05, 1.05)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    _label(axes, "voice", _GREY)


def _draw_jaw(axes: Axes, clip: Clip) -> None:
    jaw = jaw_open(clip)
    valid = _valid(clip, "arkit52", len(jaw))
    time_s = np.arange(len(jaw)) / 25.0
    axes.fill_between(time_s, 0.0, np.where(valid, jaw, np.nan), color=_ORANGE, alpha=0.18, linewidth=0)
    axes.plot(time_s, np.where(valid, jaw, np.nan), color=_ORANGE, linewidth=1.4)
    _shade_invalid(axes, valid, 25.0)
    top = max(float(np.nanmax(jaw, initial=0.0)) * 1.1, 0.1)
    axes.set_ylim(0.0, top)
    axes.set_yticks([0.0, top / 1.1], ["0", f"{top / 1.1:.2f}"])
    _label(axes, "jawOpen", _ORANGE)


def _draw_yaw(axes: Axes, clip: Clip) -> None:
    yaw = yaw_deg(clip)
    axes.axhline(0.0, color="#c3c9d0", linewidth=0.8, zorder=0)
    axes.plot((np.arange(len(yaw)) + 0.5) / 12.5, yaw, color=_BLUE, linewidth=1.4)
    _shade_invalid(axes, np.isfinite(yaw), 12.5)
    reach = max(30.0, 15.0 * np.ceil(np.nanmax(np.abs(yaw), initial=0.0) / 15.0))
    axes.set_ylim(-reach, reach)
    axes.set_yticks([-reach, 0.0, reach], [f"{-reach:.0f}°", "0°", f"{reach:.0f}°"])
    _label(axes, "yaw", _BLUE)


def _shade_invalid(axes: Axes, valid: NDArray[np.bool_], rate_hz: float) -> None:
    """Grey where there is no valid measurement, labelled once."""
    edges = np.flatnonzero(np.diff(np.concatenate([[True], valid, [True]]).astype(np.int8)))
    for number, (start, stop) in enumerate(zip(edges[::2], edges[1::2], strict=True)):
        axes.axvspan(start / rate_hz, stop / rate_hz, color=_SHADE, linewidth=0, zorder=0)
        if number == 0:
            middle = 0.5 * (start + stop) / rate_hz
            axes.text(
                middle, 0.5, "no face", transform=axes.get_xaxis_transform(), fontsize=7, color=_GREY,
                ha="center", va="center", clip_on=True,
            )  # fmt: skip
