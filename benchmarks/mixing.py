"""Mixing: clips read, mixed, proven and written, beside audiomentations and beside bare reading and writing.

Three ways take turns over the same files in the same run, each on one thread, by CPU time:
`bare` reads a clip and writes it; `audiomentations` reads it, lets its `AddBackgroundNoise` mix, and writes
16 bits: no proof; `duologue` reads it, mixes at an SNR over active speech by `synth.mixing.mix`, which
measures what it wrote, and writes. Both mixers keep their noises in memory, as workers do. Clips and noises
are 10 s of 16 kHz, 16 bits, cut from the recordings given: WAV, and FLAC, which is what shards hold.

    python benchmarks/mixing.py --speech FILE [FILE …] --noise FILE [FILE …] [--rounds 7]
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import numpy as np
import soundfile
import soxr
from common import machine, save

from synth.mixing import mix
from synth.noise_plan import InterfererPlan, MixPlan

RATE_HZ = 16_000
CLIP_S = 10
SNR_DB = 5.0
Way = Callable[[int], None]


def pieces(paths: list[Path], count: int) -> list[Any]:
    """`count` pieces of 10 s, int16, cut from recordings one after the other and repeated."""
    whole = []
    for path in paths:
        pcm, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
        whole.append(soxr.resample(pcm.mean(axis=1), rate_hz, RATE_HZ))
    joined = np.concatenate(whole)
    size = CLIP_S * RATE_HZ
    joined = np.resize(joined, max(len(joined), 2 * size))
    starts = [number * 7919 * 16 % (len(joined) - size) for number in range(count)]
    return [(joined[start : start + size] * 32767 * 0.5).astype(np.int16) for start in starts]


def ways(folder: Path, clips: list[Path], noises: list[Path], suffix: str) -> dict[str, Way]:
    """What takes turns: each does clip number n."""
    from audiomentations import AddBackgroundNoise

    held = [soundfile.read(path, dtype="int16")[0] for path in noises]
    augment = AddBackgroundNoise(
        sounds_path=str(noises[0].parent),
        min_snr_in_db=SNR_DB,
        max_snr_in_db=SNR_DB,
        p=1.0,
        lru_cache_size=64,
    )
    active = ((0, 4 * RATE_HZ), (5 * RATE_HZ, 9 * RATE_HZ))
    out = folder / f"out.{suffix}"

    def bare(number: int) -> None:
        pcm, rate_hz = soundfile.read(clips[number], dtype="int16")
        soundfile.write(out, pcm, rate_hz, subtype="PCM_16")

    def audiomentations(number: int) -> None:
        pcm, rate_hz = soundfile.read(clips[number], dtype="float32")
        soundfile.write(out, augment(pcm, sample_rate=rate_hz), rate_hz, subtype="PCM_16")

    def duologue(number: int) -> None:
        pcm, rate_hz = soundfile.read(clips[number], dtype="int16")
        noise = held[number % len(held)]
        interferer = InterfererPlan("noise", ((0, len(pcm)),), sources=("noise",), snr_db=SNR_DB)
        plan = MixPlan(f"clip{number}", "noisy", len(pcm), rate_hz, active=active, interferers=(interferer,))
        mixed = mix(plan, pcm, [noise])
        assert mixed.achieved[0].reason is None
        soundfile.write(out, mixed.pcm, rate_hz, subtype="PCM_16")

    return {"bare": bare, "audiomentations": audiomentations, "duologue": duologue}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--speech", type=Path, nargs="+", required=True)
    parser.add_argument("--noise", type=Path, nargs="+", required=True)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    before = machine()
    found = {suffix: measure(arguments, suffix) for suffix in ("wav", "flac")}
    print(found)
    save(arguments.json, before, {"clips": arguments.clips, "rounds": arguments.rounds, **found})


def measure(arguments: argparse.Namespace, suffix: str) -> dict[str, Any]:
    """Hours of sound that each way does in an hour of a core, and what that is beside the others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files: dict[str, list[Path]] = {"speech": [], "noise": []}
        for kind, paths, count in (
            ("speech", arguments.speech, arguments.clips),
            ("noise", arguments.noise, 8),
        ):
            (folder / kind).mkdir()
            for number, pcm in enumerate(pieces(paths, count)):
                files[kind].append(folder / kind / f"{number:04}.{suffix}")
                soundfile.write(files[kind][-1], pcm, RATE_HZ, subtype="PCM_16")
        ready = ways(folder, files["speech"], files["noise"], suffix)
        spent_s = {way: list[float]() for way in ready}
        for number in range(arguments.rounds + 1):
            for way, work in ready.items():
                begun = time.process_time()
                for clip in range(arguments.clips):
                    work(clip)
                if number:  # the first round warms caches
                    spent_s[way].append(time.process_time() - begun)
    hours = {way: arguments.clips * CLIP_S / statistics.median(one) for way, one in spent_s.items()}
    return {
        "hours_a_core_hour": {way: round(one) for way, one in hours.items()},
        "over_audiomentations": round(hours["duologue"] / hours["audiomentations"], 2),
        "over_bare": round(hours["duologue"] / hours["bare"], 2),
    }


if __name__ == "__main__":
    main()
