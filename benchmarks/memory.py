"""Peak memory of a whole `duologue build` for a short and a long video: it must not grow with the length.

The long video is the short one looped packet by packet, so nothing but the length differs.

    python benchmarks/memory.py CLIP.mp4 [--minutes 1 10]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

import av


def loop(source: Path, target: Path, minutes: float) -> None:
    """Repeat a clip's packets until it is so long."""
    with av.open(str(source)) as first:
        length_s = float(first.duration or 0) / av.time_base + 0.2  # time stamps must keep growing
    with av.open(str(target), "w") as out:
        for round_number in range(round(minutes * 60 / length_s)):
            with av.open(str(source)) as again:
                if round_number == 0:
                    streams = {one.index: out.add_stream_from_template(one) for one in again.streams}
                for packet in again.demux():
                    if packet.dts is None or packet.pts is None:
                        continue
                    offset = round(round_number * length_s / packet.time_base)
                    packet.pts, packet.dts = packet.pts + offset, packet.dts + offset
                    packet.stream = streams[packet.stream.index]
                    out.mux(packet)


def build(folder: Path) -> dict[str, float]:
    """Build in one process of its own; its peak resident memory and time."""
    command = [sys.executable, "-m", "pipelines.cli", "build", str(folder / "clips"), "--quiet"]
    begun = time.perf_counter()
    process = subprocess.Popen([*command, "--out", str(folder / "out"), "--engine", "local"])
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, status
    return {"peak_mib": round(usage.ru_maxrss / 1024), "wall_s": round(time.perf_counter() - begun, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1.0, 10.0])
    options = parser.parse_args()
    found = {}
    for minutes in options.minutes:
        with tempfile.TemporaryDirectory() as folder:
            Path(folder, "clips").mkdir()
            loop(options.clip, Path(folder, "clips", "looped.mp4"), minutes)
            found[f"{minutes:g} min"] = build(Path(folder))
    print(json.dumps({"date": str(date.today()), "clip": options.clip.name, **found}, indent=1))


if __name__ == "__main__":
    main()
