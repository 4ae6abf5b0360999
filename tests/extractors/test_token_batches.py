"""Batches of a bundle: planned shapes, codes that know no neighbours, and memory that runs out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest

from extractors.codec import BatchTooLargeError, CodecSpec, Codes, Pcm, check_batch
from extractors.token_batches import encode_bundle, plan_batches, row_frames

SPEC = CodecSpec(family="loudness", rate_hz=1000, hop=100, n_codebooks=1, codebook_size=100, trained=True)


class Loudness:
    """A codec worked out by hand: the mean of |x| in percent. Memory for `capacity` samples."""

    spec = SPEC

    def __init__(self, capacity: int = 10**9) -> None:
        self.capacity = capacity
        self.shapes: list[tuple[int, ...]] = []

    def encode(self, batch: Pcm, n_samples: Sequence[int]) -> list[Codes]:
        check_batch(SPEC, batch, n_samples)
        self.shapes.append(batch.shape)
        if batch.size > self.capacity:
            raise BatchTooLargeError(f"{batch.shape}")
        means = np.abs(batch).reshape(len(batch), -1, 100).mean(axis=2)
        codes = np.floor(100 * means + 1e-3).astype(np.int16)[:, None]
        return [row[:, : SPEC.n_frames(n)] for row, n in zip(codes, n_samples, strict=True)]

    def decode(self, codes: Codes) -> Pcm:
        return np.repeat(codes[0] / np.float32(100), 100).astype(np.float32)


def constant(percent: int, n: int) -> Pcm:
    return np.full(n, percent / 100, np.float32)


BUNDLE = {f"clip{n}": constant(n, 250 * n) for n in range(1, 12)}


def test_widths_are_few_and_waste_an_eighth_at_most() -> None:
    widths = [row_frames(n) for n in range(1, 5000)]
    assert all(n <= width <= 1.125 * n + 1e-9 for n, width in enumerate(widths, 1))
    assert all(low <= high for low, high in itertools.pairwise(widths))
    assert widths[:17] == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18]
    assert len({width for width in widths if 1000 < width <= 2000}) <= 9


def test_a_plan_by_hand() -> None:
    """Frames 2, 3 and 20; a second of sound is ten frames."""
    lengths = {"c": 200, "a": 2000, "b": 120, "d": 300, "e": 200}
    found = plan_batches(lengths, SPEC, planned_s=0.5)
    assert [(batch.keys, batch.width, batch.n_rows) for batch in found] == [
        (("b", "c"), 200, 2),
        (("e",), 200, 2),  # the second row stays empty
        (("d",), 300, 1),
        (("a",), 2000, 1),
    ]
    alone = plan_batches(lengths, SPEC, planned_s=0)
    assert [batch.n_rows for batch in alone] == [1] * 5
    (exact,) = plan_batches({"e": 1690}, SPEC, planned_s=0)  # 17 frames, which batches would pad to 18
    (padded,) = plan_batches({"e": 1690}, SPEC, planned_s=0.1)
    assert (exact.width, padded.width) == (1700, 1800)


@pytest.mark.parametrize("planned_s", [0.0, 1.0, 7.0, 100.0])
def test_codes_of_a_bundle_by_hand(planned_s: float) -> None:
    found = encode_bundle(Loudness(), BUNDLE, planned_s=[planned_s])
    assert list(found.codes) == sorted(BUNDLE) and (found.planned_s, found.n_retries) == (planned_s, 0)
    for n in range(1, 12):
        frames, rest = divmod(250 * n, 100)
        expected = [n] * frames + [n * rest // 100] * (rest > 0)
        assert found.codes[f"clip{n}"].tolist() == [expected]


def test_a_recording_sees_one_shape_whatever_else_is_there() -> None:
    codec, alone = Loudness(), Loudness()
    encode_bundle(codec, BUNDLE, planned_s=[20])
    encode_bundle(alone, {"clip6": BUNDLE["clip6"]}, planned_s=[20])
    assert alone.shapes == [(13, 1500)] and (13, 1500) in codec.shapes  # 15 frames; 20 s hold 13 such rows
    backwards = Loudness()
    encode_bundle(backwards, dict(reversed(BUNDLE.items())), planned_s=[20])
    assert backwards.shapes == codec.shapes


def test_without_memory_the_whole_bundle_is_done_at_the_next_size() -> None:
    codec = Loudness(capacity=9000)
    found = encode_bundle(codec, BUNDLE, planned_s=[64, 16, 8, 4])
    assert (found.planned_s, found.n_retries) == (8, 2)
    assert codec.shapes[0][0] * codec.shapes[0][1] > 9000, "the largest batch is tried first"
    good = Loudness()
    alone = encode_bundle(good, BUNDLE, planned_s=[8])
    assert codec.shapes[-len(good.shapes) :] == good.shapes, "every batch again, none kept from a larger size"
    assert all((found.codes[key] == alone.codes[key]).all() for key in BUNDLE)
    with pytest.raises(BatchTooLargeError):
        encode_bundle(Loudness(capacity=1000), BUNDLE, planned_s=[64, 4])


def test_wrong_calls() -> None:
    for sizes in ([], [4, 4], [4, 8]):
        with pytest.raises(ValueError, match="must descend"):
            encode_bundle(Loudness(), BUNDLE, planned_s=sizes)
    with pytest.raises(ValueError, match="clip0 has no samples"):
        encode_bundle(Loudness(), BUNDLE | {"clip0": constant(0, 0)}, planned_s=[1])
    assert encode_bundle(Loudness(), {}, planned_s=[1]).codes == {}
