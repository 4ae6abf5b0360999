"""H.264 and back, on real frames."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from synth.corruption.apply import apply, stream
from synth.corruption.plan import Corruption, CorruptionPlan


def planned(qp: int, spans: Any = ((0, 12),)) -> CorruptionPlan:
    return CorruptionPlan("a", 12, (Corruption("h264", spans, (("qp", qp),)),))


def error(some: list[np.ndarray], others: list[np.ndarray]) -> float:
    return float(np.mean([np.abs(a.astype(int) - b).mean() for a, b in zip(some, others, strict=True)]))


@pytest.mark.parametrize("grey", [False, True])
def test_a_fine_quantiser_changes_little_and_a_coarse_one_much(talking: Any, grey: bool) -> None:
    frames = [image[..., 1] if grey else image for image in talking.frames[:12]]
    errors = [error(apply(planned(qp), frames).frames, frames) for qp in (5, 30, 50)]
    assert errors[0] < (2.0 if grey else 4.0) < errors[2] and errors[0] < errors[1] < errors[2]


def test_frames_come_back_in_order_and_those_outside_the_spans_untouched(talking: Any) -> None:
    frames = [image.copy() for image in talking.frames[:12]]
    for at, image in enumerate(frames):
        image[:48, 24 * at : 24 * at + 24] = 255  # a mark that tells each frame
    done = apply(planned(40, ((2, 5), (5, 7), (9, 10))), frames, masks=True)
    inside = [2, 3, 4, 5, 6, 9]
    assert np.flatnonzero(done.corrupted).tolist() == inside
    for at, image in enumerate(done.frames):
        errors = [np.abs(image.astype(int) - other).mean() for other in frames]
        assert int(np.argmin(errors)) == at
        assert (errors[at] == 0) == (at not in inside)
    assert done.spans == ((2, 7), (9, 10))
    alone = apply(planned(40, ((5, 7),)), frames).frames  # each span is a stream of its own
    assert np.array_equal(alone[5], done.frames[5])


def test_odd_sides(talking: Any) -> None:
    frames = [image[:101, :135] for image in talking.frames[:12]]
    done = apply(planned(10), frames)
    assert done.frames[0].shape == (101, 135, 3) and error(done.frames, frames) < 4


def test_memory_does_not_grow_with_the_span(talking: Any) -> None:
    taken = 0

    def frames() -> Iterator[np.ndarray]:
        nonlocal taken
        for taken in range(1, 101):
            yield talking.frames[taken % 30][:96, :96]

    plan = CorruptionPlan("a", 100, (Corruption("h264", ((0, 100),), (("qp", 35),)),))
    for given, _ in enumerate(stream(plan, frames()), 1):
        assert taken - given <= 4
    assert taken == 100


def test_the_same_bytes_in_another_process(talking: Any) -> None:
    code = (
        "import io, sys, hashlib, numpy as np\n"
        "from synth.corruption.apply import apply\n"
        "from synth.corruption.plan import Corruption, CorruptionPlan\n"
        "frames = list(np.load(io.BytesIO(sys.stdin.buffer.read())))\n"
        "plan = CorruptionPlan('a', 12, (Corruption('h264', ((0, 12),), (('qp', 35),)),))\n"
        "sys.stdout.write(hashlib.sha256(np.stack(apply(plan, frames).frames).tobytes()).hexdigest())\n"
    )
    import hashlib
    import io

    sent = io.BytesIO()
    np.save(sent, np.stack(talking.frames[:12]))
    told = subprocess.run(
        [sys.executable, "-c", code], input=sent.getvalue(), capture_output=True, check=True
    ).stdout.decode()
    here = np.stack(apply(planned(35), talking.frames[:12]).frames).tobytes()
    assert told == hashlib.sha256(here).hexdigest()


def test_the_kernel_needs_pyav_for_this_alone() -> None:
    code = (
        "import sys\n"
        "import synth.corruption.apply, synth.corruption.draw, synth.corruption.painted\n"
        "found = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not found & {'av', 'torch', 'extractors', 'pipelines', 'pyarrow', 'mediapipe'}, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
