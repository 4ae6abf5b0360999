"""Mixing: clips read, mixed, proven and written, beside audiomentations and beside bare reading and writing.

Three ways take turns over the same files in the same run, each on one thread, by CPU time:
`bare` reads a clip and a noise and writes the clip; `audiomentations` reads the clip, lets its
`AddBackgroundNoise` read the noise (through its cache, as it comes) and mix, and writes 16 bits: no proof;
`duologue` reads both, mixes at an SNR over active speech by `synth.mixing.mix`, which measures what it wrote,
and writes. Clips and noises are 10 s of 16 kHz, 16 bits, cut from the recordings given.

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


def ways(folder: Path, clips: list[Path], noises: list[Path]) -> dict[str, Way]:
    """What takes turns: each does clip number n."""
    from audiomentations import AddBackgroundNoise

    augment = AddBackgroundNoise(
        sounds_path=str(noises[0].parent),
        min_snr_in_db=SNR_DB,
        max_snr_in_db=SNR_DB,
        p=1.0,
        lru_cache_size=64,
    )
    active = ((0, 4 * RATE_HZ), (5 * RATE_HZ, 9 * RATE_HZ))
    out = folder / "out.wav"

    def bare(number: int) -> None:
        pcm, rate_hz = soundfile.read(clips[number], dtype="int16")
        soundfile.read(noises[number % len(noises)], dtype="int16")
        soundfile.write(out, pcm, rate_hz, subtype="PCM_16")

    def audiomentations(number: int) -> None:
        pcm, rate_hz = soundfile.read(clips[number], dtype="float32")
        soundfile.write(out, augment(pcm, sample_rate=rate_hz), rate_hz, subtype="PCM_16")

    def duologue(number: int) -> None:
        pcm, rate_hz = soundfile.read(clips[number], dtype="int16")
        noise, _ = soundfile.read(noises[number % len(noises)], dtype="int16")
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
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found: dict[str, list[Path]] = {"speech": [], "noise": []}
        for kind, paths, count in (
            ("speech", arguments.speech, arguments.clips),
            ("noise", arguments.noise, 8),
        ):
            (folder / kind).mkdir()
            for number, pcm in enumerate(pieces(paths, count)):
                found[kind].append(folder / kind / f"{number:04}.wav")
                soundfile.write(found[kind][-1], pcm, RATE_HZ, subtype="PCM_16")
        ready = ways(folder, found["speech"], found["noise"])
        spent_s = {way: list[float]() for way in ready}
        for number in range(arguments.rounds + 1):
            for way, work in ready.items():
                begun = time.process_time()
                for clip in range(arguments.clips):
                    work(clip)
                if number:  # the first round warms caches
                    spent_s[way].append(time.process_time() - begun)
    times = {way: arguments.clips * CLIP_S / statistics.median(one) for way, one in spent_s.items()}
    result = {
        "hours_a_core_hour": {way: round(one) for way, one in times.items()},
        "over_audiomentations": round(times["duologue"] / times["audiomentations"], 2),
        "over_bare": round(times["duologue"] / times["bare"], 2),
    }
    print(result)
    save(arguments.json, before, {"clips": arguments.clips, "rounds": arguments.rounds, **result})


if __name__ == "__main__":
    main()
