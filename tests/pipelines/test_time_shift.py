"""Move the content of a source by a known time, and every member that varies with time moves by exactly that.

The sources (`tests/helpers/shifted_media.py`) are lossless copies of one recording: `late` has later time
stamps, `black` and `still` have pictures and silence put before the content. Nothing here knows how a member
is made.
"""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from decoding import decoded
from numpy.typing import NDArray
from shifted_media import HIDDEN, WORDS, Shifted

from extractors.extractor import EXTRACTORS
from manifests.exports.run import run_export
from pipelines.config import load_config, preset_names

REFERENCES = {f"reference{which}.png" for which in ("", "_blur05", "_blur1", "_blur2", "_turned30")}
NOT_OF_TIME = {
    **dict.fromkeys(REFERENCES, "a portrait out of the whole source, lead-in included"),
    "smirk_shape.npy": "one shape of the head a clip",
    "smirk58_shape.npy": "one shape of the head a clip",
}
"""Members without a time axis, and what they are."""

EXACT = ("late", "black")
"""Copies whose content is measured in the same state: time stamps do not enter it, and a cut ends it."""
FLOAT_S = 1e-6
"""Instants are float64 seconds when coefficients are interpolated: the last digits depend on the time."""
STATE_SHARE, STATE_LEVELS = 0.05, 2.0
"""What else was seen before (`still`) may change: numbers, on average, by this share of their spread in the
clip, and crops by so many grey levels of 255."""
LAGS = (-2, -1, 1, 2)

Array = NDArray[Any]


def signals(one: Array, other: Array) -> tuple[Array, Array]:
    """Both as (T, D) float64, each column in units of the spread of `one`; of pictures, blocks of 8x8 pixels
    in grey levels, for where nothing moves there is only the encoder's noise."""
    if one.ndim == 3:
        t, height, width = one.shape
        blocks = (t, height // 8, 8, width // 8, 8)
        ours, theirs = (part.reshape(blocks).mean(axis=(2, 4)).reshape(t, -1) for part in (one, other))
        return ours, theirs
    ours, theirs = (part.reshape(len(part), -1).astype(np.float64) for part in (one, other))
    spread = np.nanstd(ours, axis=0)
    spread[spread == 0] = 1.0
    return ours / spread, theirs / spread


def apart(one: Array, other: Array) -> float:
    """Mean distance of (T, D) signals; NaN and a number are 1 apart."""
    return float(np.nanmean(np.where(np.isnan(one) != np.isnan(other), 1.0, np.abs(one - other))))


def lagged(one: Array, other: Array, lag: int) -> float:
    """`apart` of element i of one and element i + lag of the other, as far as they vary."""
    low, high = max(0, -lag), len(one) - max(0, lag)
    ours, theirs = one[low:high], other[low + lag : high + lag]
    return apart(ours - np.nanmean(ours, axis=0), theirs - np.nanmean(theirs, axis=0))


@pytest.fixture(params=["late", "black", "still"])
def copy(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def pair(
    shifted: Shifted, copy: str
) -> tuple[dict[str, Any], dict[str, Any], dict[str, tuple[Array, Array]]]:
    """Headers of the clip and of its shifted copy, and both arrays of each member that varies with time."""
    before, after = shifted.sample("whole"), shifted.sample(copy)
    headers = [json.loads(one["json"]) for one in (before, after)]
    names = [name for name in headers[0]["members"] if name not in NOT_OF_TIME]
    assert set(before) == set(after) == {"json", *headers[0]["members"]}
    found = {name: (decoded(name, before[name]), decoded(name, after[name])) for name in names}
    codes = {name: tuple(part.T for part in found[name]) for name in headers[0].get("tokens", {})}
    return (*headers, found | codes)  # codes lie as (codebooks, frames)


def test_the_clip_moves(shifted: Shifted, copy: str) -> None:
    before, after, _ = pair(shifted, copy)
    for edge in ("start", "stop"):
        moved = Fraction(after["source"][edge]) - Fraction(before["source"][edge])
        assert moved == shifted.shift_s[copy]
    assert after["words"] == before["words"], "they count from the clip's start"
    assert [word for word, _, _ in before["words"]] == [word for word, _, _ in WORDS]
    assert before["words"][0][1] == pytest.approx(WORDS[0][1] - float(Fraction(before["source"]["start"])))
    timeless = ("duration_s", "rates_hz", "channels", "groups", "members", "missing", "track", "tokens")
    assert {name: before.get(name) for name in timeless} == {name: after.get(name) for name in timeless}


def test_every_member_moves_with_it(shifted: Shifted, copy: str) -> None:
    before, _, arrays = pair(shifted, copy)
    for name, (one, other) in arrays.items():
        assert len(one) == round(before["rates_hz"][name] * before["duration_s"]), name
        assert one.shape == other.shape and one.dtype == other.dtype, name
        if copy in EXACT and one.dtype.kind == "f":
            np.testing.assert_allclose(other, one, rtol=0, atol=FLOAT_S, err_msg=name)
        elif copy in EXACT or one.dtype.kind in "bi":  # flags, samples, codes
            assert np.array_equal(one, other), name
        elif one.dtype == np.uint8:
            assert np.abs(one.astype(int) - other).mean() < STATE_LEVELS, name
        else:
            assert apart(*signals(one, other)) < STATE_SHARE, name
            assert np.array_equal(np.isnan(one), np.isnan(other)), name


def test_what_trainers_are_given_moves_with_it(shifted: Shifted, copy: str, tmp_path: Path) -> None:
    """Lists and files of exports count from the clip's start, and that has moved: they stay as they were."""
    run_export(shifted.url, "avhubert", str(tmp_path / "avh"), {})
    rows = {
        line.split("\t")[0].rpartition("/")[2]: (line.split("\t")[1:], said)
        for tsv in (tmp_path / "avh").glob("*.tsv")
        for line, said in zip(
            tsv.read_text().splitlines()[1:],
            tsv.with_suffix(".wrd").read_text().splitlines(),
            strict=True,
        )
    }
    (whole, text), (moved, moved_text) = (rows[shifted.keys[name]] for name in ("whole", copy))
    n_frames, n_samples = map(int, whole[2:])
    assert whole[2:] == moved[2:] and text == moved_text == " ".join(word for word, _, _ in WORDS)
    sounds = [soundfile.read(tmp_path / "avh" / one[1], dtype="int16")[0] for one in (whole, moved)]
    assert len(sounds[0]) == n_samples and np.array_equal(*sounds)
    lips = [decoded("mp4", (tmp_path / "avh" / one[0]).read_bytes()) for one in (whole, moved)]
    assert len(lips[0]) == n_frames and lips[0].shape == lips[1].shape
    assert np.abs(lips[0].astype(int) - lips[1]).mean() <= (0 if copy in EXACT else STATE_LEVELS)


def test_arrays_and_words_in_lhotse_s_cuts_move_with_it(shifted: Shifted, copy: str, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    lhotse.audio.set_current_audio_backend("LibsndfileBackend")
    fields = ("face61", "arkit52", "fbank104", "trust")
    run_export(shifted.url, "lhotse-shar", str(tmp_path), {"arrays": [f"{name}.npy" for name in fields]})
    cuts = {
        cut.id: cut
        for split in ("train", "valid", "test")
        if (tmp_path / split).is_dir()
        for cut in lhotse.CutSet.from_shar(in_dir=tmp_path / split, shuffle_shards=False)
    }
    one, other = (cuts[shifted.keys[name]] for name in ("whole", copy))
    said = [
        [(w.symbol, w.start, w.end) for w in cut.supervisions[0].alignment["word"]] for cut in (one, other)
    ]
    assert said[0] == said[1] and len(said[0]) == len(WORDS)
    assert np.array_equal(one.load_audio(), other.load_audio())
    for name in fields:
        ours, theirs = (getattr(cut, f"load_{name}")() for cut in (one, other))
        if copy in EXACT:
            np.testing.assert_allclose(theirs, ours, rtol=0, atol=FLOAT_S, err_msg=name)
        else:
            assert apart(*signals(ours, theirs)) < STATE_SHARE, name


def test_no_member_is_found_at_another_time(shifted: Shifted, copy: str) -> None:
    """Among shifts of up to two elements, none fits better: and the members vary enough to tell."""
    for name, arrays in pair(shifted, copy)[2].items():
        one, other = signals(*arrays)
        distances = {lag: lagged(one, other, lag) for lag in (0, *LAGS)}
        others = [distances[lag] for lag in LAGS]
        assert distances[0] < 0.5 * min(others), (name, distances)


def test_only_what_the_hidden_face_takes_away_is_missing(shifted: Shifted) -> None:
    before, _, arrays = pair(shifted, "late")
    trust, _ = arrays["trust.npy"]
    first = round(Fraction(before["source"]["start"]) * 25)
    hidden = np.isin(np.arange(first - 2, first + len(trust) + 2), list(HIDDEN))
    around = np.convolve(hidden, np.ones(5), "valid") > 0  # jitter takes two frames on either side
    hidden = hidden[2:-2]
    columns = dict(zip(before["channels"]["trust.npy"], trust.T, strict=True))
    assert np.array_equal(columns["seen"] == 1, ~hidden)
    assert np.array_equal(arrays["lips_interpolated.npy"][0], hidden)
    for name, values in columns.items():
        if name not in ("seen", "speaking"):
            assert np.array_equal(np.isnan(values), around if name == "jitter" else hidden), name


def test_no_member_of_a_preset_is_left_out(shifted: Shifted) -> None:
    presets = [load_config(preset=name) for name in preset_names()]
    wanted = {member for preset in presets for member in preset.cut.members}
    config = shifted.config
    left_out = wanted - set(config.cut.members)
    assert left_out <= (set(EXTRACTORS) if config.cut.lookahead_frames is not None else set())
    before, _, arrays = pair(shifted, "late")
    assert set(arrays) == set(before["rates_hz"]), "a rate is what varies with time has"
