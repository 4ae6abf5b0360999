"""Run as a script: SHA-256 of what both encoders make of one moving picture. See test_encode.py."""

from __future__ import annotations

import hashlib
import sys

import numpy as np
from skimage import data

from extractors.encode import FACE_OPTIONS, LIP_OPTIONS, Mp4Writer


def frames(grey: bool) -> list[np.ndarray]:
    photo = data.astronaut()
    noise = np.random.default_rng(0)
    found = []
    for t in range(50):
        x, y = 120 + int(20 * np.sin(t / 4)), 20 + t // 3
        part = photo[y : y + 224, x : x + 224].astype(int) + noise.integers(-4, 5, (224, 224, 3))
        part = np.clip(part, 0, 255).astype(np.uint8)
        found.append(np.ascontiguousarray(part[64:160, 64:160, 1] if grey else part))
    return found


def main(extra: str) -> None:
    sha = hashlib.sha256()
    over = {"x264-params": extra} if extra else {}
    for grey, options in ((True, LIP_OPTIONS), (False, FACE_OPTIONS)):
        writer = Mp4Writer(grey=grey, options={**options, **over})
        for frame in frames(grey):
            writer.add(frame)
        sha.update(writer.finish())
    sys.stdout.write(sha.hexdigest())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")
