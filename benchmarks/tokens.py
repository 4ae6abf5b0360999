"""Codecs: planned batches against a plain loop over files, in the same run.

The plain loop is what one writes first: transformers' model (or LiteRT's signature runners, for Lyra), one
file a call, no padding. The other side is `extractors.token_batches` as the pipeline uses it. Both end with
codes as arrays on the host; `equal_codes` says what share of them is the same. Clips of 2 to 12 s (seeded)
are cut from the given recordings. On the CPU one thread and CPU time count, on a GPU the wall clock. Turns
alternate and the best of each side stands. Mimi and DAC have random weights: their speed is that of trained
ones; what bf16 does to their codes is an indication only.

    python benchmarks/tokens.py AUDIO [AUDIO …] [--seconds 60] [--planned 0 40] [--out F.json]
    python benchmarks/tokens.py AUDIO [AUDIO …] --device cuda [--precision bf16] --planned 160 640
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipelines.threads import ONE_THREAD

os.environ.update(ONE_THREAD)

import numpy as np
import soundfile as sf

from extractors.codec import Codec, CodecSpec, Codes, Pcm, encode_one, to_codec_rate
from extractors.dac import Dac
from extractors.lyra import Lyra
from extractors.mimi import Mimi
from extractors.token_batches import encode_bundle
from extractors.torch_codec import keep_freed_memory
from extractors.weights import locate

CLIP_S = (2.0, 12.0)
PLAIN = "per file"
Encode = Callable[[Mapping[str, Pcm]], dict[str, Codes]]


def clips(paths: list[Path], spec: CodecSpec, *, seconds: float) -> dict[str, Pcm]:
    """About `seconds` of sound at the codec's rate, in clips of random length."""
    rng = np.random.default_rng(0)
    sources = []
    for path in paths:
        samples, rate_hz = sf.read(path, dtype="float32", always_2d=True)
        sources.append(to_codec_rate(samples.T, rate_hz, spec))
    found: dict[str, Pcm] = {}
    left = seconds
    while left > 0:
        source = sources[len(found) % len(sources)]
        n = min(int(rng.uniform(*CLIP_S) * spec.rate_hz), len(source))
        start = int(rng.integers(0, len(source) - n + 1))
        found[f"clip{len(found):04}"] = source[start : start + n]
        left -= n / spec.rate_hz
    return found


def plain_loop(codec: Codec) -> Encode:
    """The loop over files that somebody writes who has the model and no time."""
    if isinstance(codec, Lyra):
        return _plain_lyra

    import torch

    model: Any = codec._model  # type: ignore[attr-defined]
    device = next(model.parameters()).device
    n = codec.spec.n_codebooks // (2 if codec.spec.family == "dac16x25" else 1)

    def one(samples: Pcm) -> Codes:
        whole = np.pad(samples, (0, -len(samples) % codec.spec.hop))
        with torch.inference_mode():
            rows = torch.from_numpy(whole)[None, None].to(device)
            if isinstance(codec, Mimi):
                codes = model.encode(rows, num_quantizers=n).audio_codes
            else:
                codes = model.encode(rows, n_quantizers=n).audio_codes
        found: Codes = codes[0].cpu().numpy().astype(np.int16)
        return found

    return lambda samples: {key: one(pcm) for key, pcm in samples.items()}


def _plain_lyra(samples: Mapping[str, Pcm]) -> dict[str, Codes]:
    from ai_edge_litert.interpreter import Interpreter

    found = {}
    for key, pcm in samples.items():
        encode = Interpreter(str(locate("lyra_encoder").path)).get_signature_runner()
        quantize = Interpreter(str(locate("lyra_quantizer").path)).get_signature_runner("encode")
        whole = np.clip(np.round(pcm * np.float32(32768)), -32768, 32767) / np.float32(32768)
        frames = np.pad(whole, (0, -len(pcm) % 320)).reshape(-1, 1, 320)
        features = [encode(input_audio=frame)["output_0"] for frame in frames]
        codes = [quantize(input_frames=one, num_quantizers=np.int32(46))["output_0"] for one in features]
        found[key] = np.stack([one.ravel() for one in codes], axis=1).astype(np.int16)
    return found


def unstacked(codec: Codec, codes: dict[str, Codes]) -> dict[str, Codes]:
    """The codes of `encode_bundle` in the form of the plain loop."""
    from extractors.dac import unstack_frames

    if codec.spec.family != "dac16x25":
        return codes
    return {key: unstack_frames(one, 2) for key, one in codes.items()}


def agreement(one: Mapping[str, Codes], other: Mapping[str, Codes]) -> float:
    """Share of codes that are the same."""
    same = sum(int((codes == other[key]).sum()) for key, codes in one.items())
    return same / sum(codes.size for codes in one.values())


def measure(
    codec: Codec, samples: dict[str, Pcm], planned: list[float], *, gpu: bool, repeats: int
) -> list[dict[str, Any]]:
    """One row for the plain loop and one for each planned size."""
    clock = time.perf_counter if gpu else time.process_time
    sides: dict[str, Encode] = {PLAIN: plain_loop(codec)}
    for size_s in planned:
        sides[f"batches of {size_s:g} s"] = lambda clip, size_s=size_s: unstacked(  # type: ignore[misc]
            codec, encode_bundle(codec, clip, planned_s=[size_s]).codes
        )
    encode_one(codec, next(iter(samples.values())))  # warm
    best, codes = dict.fromkeys(sides, float("inf")), {}
    for _ in range(repeats):
        for name, side in sides.items():
            keep_freed_memory(name != PLAIN)
            begun = clock()
            codes[name] = side(samples)
            best[name] = min(best[name], clock() - begun)
    total_s = sum(len(pcm) for pcm in samples.values()) / codec.spec.rate_hz
    return [
        {
            "codec": codec.spec.name,
            "side": name,
            "audio_s": round(total_s, 1),
            "clips": len(samples),
            "times_real_time": round(total_s / best[name], 2),
            "against_per_file": round(best[PLAIN] / best[name], 2),
            "equal_codes": round(agreement(codes[name], codes[PLAIN]), 5),
        }
        for name in sides
    ]


def machine(*, gpu: bool) -> str:
    """What ran this."""
    if gpu:
        import torch

        return str(torch.cuda.get_device_name())
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{model or platform.processor()}, one thread of {os.cpu_count()}"


def main() -> None:
    import torch

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("audio", nargs="+", type=Path)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--planned", type=float, nargs="+", default=[0, 40])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    gpu = options.device == "cuda"
    made: list[Callable[[], Codec]] = [
        lambda: Mimi.untrained(device=options.device, precision=options.precision),
        lambda: Dac.untrained(device=options.device, precision=options.precision),
    ]
    rows: list[dict[str, Any]] = []
    for make in made if gpu else [*made, Lyra]:
        codec = make()
        samples = clips(options.audio, codec.spec, seconds=options.seconds)
        rows += measure(codec, samples, options.planned, gpu=gpu, repeats=options.repeats)
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    facts = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": machine(gpu=gpu),
        "clock": "wall" if gpu else "CPU time",
        "precision": options.precision,
        "torch": torch.__version__,
        "rows": rows,
    }
    if options.out:
        options.out.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
