"""Move what is said in a dialogue by a known time, and every exported field that varies with time moves by
exactly that. Clips of one person are moved in `tests/pipelines/test_time_shift.py`, exports included."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
from made_corpus import Made, flac, header, turns_json, two, write_corpus

from manifests.exports.run import run_export

LONG_S = 40
"""Long enough that what is said, up to 19 s, stays inside after every shift."""
MICROSECOND_S = 1.01e-6
"""What lists of trainers are rounded to."""
SHIFTS_S = [Fraction(2, 25), Fraction(5335, 16_000), Fraction(17)]


def moved(value: Any, shift_s: Fraction) -> Any:
    """`turns.json` with every time later; times are the texts "n/d"."""
    if isinstance(value, dict):
        return {name: one if name == "duration" else moved(one, shift_s) for name, one in value.items()}
    if isinstance(value, list):
        return [moved(one, shift_s) for one in value]
    is_time = isinstance(value, str) and value.replace("/", "").isdigit()
    return str(Fraction(value) + shift_s) if is_time else value


def dialogue(shift_s: Fraction) -> Made:
    """The dialogue of `turns_json`, `shift_s` later, and its sound behind as much silence."""
    at_first = two(1, "train", turns=turns_json(str(LONG_S)), n_frames=LONG_S * 25 // 2)
    lead = round(shift_s * 16_000)
    pcm = {
        name: np.concatenate([np.zeros(lead, np.int16), sound])[: len(sound)]
        for name, sound in at_first.pcm.items()
    }
    members = {name: flac(sound, 16_000) for name, sound in pcm.items()}
    members["turns.json"] = json.dumps(moved(json.loads(at_first.members["turns.json"]), shift_s)).encode()
    head = header(at_first.key, "train", LONG_S * 25 // 2, language="en")
    return Made(at_first.key, "train", head, members, pcm)


@pytest.fixture(scope="module", params=SHIFTS_S, ids=str)
def shift_s(request: pytest.FixtureRequest) -> Fraction:
    value: Fraction = request.param
    return value


@pytest.fixture(scope="module")
def corpora(tmp_path_factory: pytest.TempPathFactory, shift_s: Fraction) -> tuple[str, str]:
    """The dialogue as it was, and moved."""
    folder = tmp_path_factory.mktemp("moved")
    paths = [
        write_corpus(folder / name, [dialogue(one)])
        for name, one in {"before": Fraction(0), "after": shift_s}.items()
    ]
    return str(paths[0]), str(paths[1])


def both(corpora: tuple[str, str], layout: str, out: Path, **options: Any) -> tuple[Path, Path]:
    for corpus, name in zip(corpora, ("a", "b"), strict=True):
        run_export(corpus, layout, str(out / name), options)
    return out / "a", out / "b"


def only(folder: Path, pattern: str) -> Path:
    (found,) = folder.glob(pattern)
    return found


def sound_moved(before: Path, after: Path, shift_s: Fraction) -> None:
    """Sample by sample, in every channel, where nothing is resampled."""
    one, rate_hz = soundfile.read(before, dtype="int16", always_2d=True)
    other, _ = soundfile.read(after, dtype="int16", always_2d=True)
    lead = round(shift_s * rate_hz)
    assert rate_hz == 16_000 and np.array_equal(other[lead:], one[: len(one) - lead])
    assert not other[:lead].any()


def test_moshi_s_words(corpora: tuple[str, str], shift_s: Fraction, tmp_path: Path) -> None:
    folders = both(corpora, "moshi", tmp_path / "out", other_words=True)
    before, after = (json.loads(only(one, "**/*-na-*.json").read_text())["alignments"] for one in folders)
    assert [word for word, _, _ in before] == [word for word, _, _ in after] and len(before) == 6
    for (_, was, _), (_, now, _) in zip(before, after, strict=True):
        assert now == pytest.approx([edge + float(shift_s) for edge in was], abs=MICROSECOND_S)


def test_moshi_s_sound(corpora: tuple[str, str], shift_s: Fraction, tmp_path: Path) -> None:
    """At 24 kHz: where the shift is whole samples of both rates, the same numbers, later."""
    folders = both(corpora, "moshi", tmp_path / "out")
    (one, rate_hz), (other, _) = (
        soundfile.read(only(folder, "**/*-na-*.wav"), dtype="int16", always_2d=True) for folder in folders
    )
    lead = shift_s * rate_hz
    if lead.denominator > 1:
        pytest.skip("no whole number of samples at 24 kHz")
    clear = 2_400  # the resampler's reach, at the ends
    told = other[int(lead) + clear :].astype(int) - one[clear : len(one) - int(lead)]
    assert rate_hz == 24_000 and np.abs(told[:-clear]).max() <= 1


def test_vap_s_activity_and_sound(corpora: tuple[str, str], shift_s: Fraction, tmp_path: Path) -> None:
    folders = both(corpora, "vap", tmp_path / "out")
    before, after = (json.loads(only(one, "vad/*.json").read_text()) for one in folders)
    for was, now in zip(before, after, strict=True):
        assert np.allclose(np.array(now), np.array(was) + float(shift_s), rtol=0, atol=MICROSECOND_S)
    sound_moved(*(only(one, "audio/*.wav") for one in folders), shift_s)
    name = "splits/sliding_window_dset_train.csv"
    tables = [pd.read_csv(one / name, converters={"vad_list": json.loads}) for one in folders]
    before_s, after_s = (_in_windows(table) for table in tables)
    moved_on = {(channel, round(edge + float(shift_s), 6)) for channel, edge in before_s}
    # windows lie where they lay: an edge counts that is inside of one before and after
    covered = [(row.start, row.end + 2) for row in tables[1].itertuples()]
    inside = {one for one in moved_on if any(low < one[1] < high for low, high in covered)}
    assert inside <= after_s and len(inside) >= 8


def _in_windows(table: pd.DataFrame) -> set[tuple[int, float]]:
    """Edges of activity on the dialogue's time line, but for those that a window's own ends made."""
    found = set()
    for row in table.itertuples():
        length = row.end - row.start + 2  # and the horizon
        for channel, spans in enumerate(row.vad_list):
            for edge in (one for span in spans for one in span):
                if 0 < edge < length:
                    found.add((channel, round(row.start + edge, 6)))
    return found


def test_lhotse_s_supervisions(corpora: tuple[str, str], shift_s: Fraction, tmp_path: Path) -> None:
    lhotse = pytest.importorskip("lhotse", reason="lhotse is not installed")
    lhotse.audio.set_current_audio_backend("LibsndfileBackend")
    folders = both(corpora, "lhotse-shar", tmp_path / "out")
    (before,), (after,) = (list(lhotse.CutSet.from_shar(in_dir=one / "train")) for one in folders)
    assert len(before.supervisions) == len(after.supervisions) == 5
    for was, now in zip(before.supervisions, after.supervisions, strict=True):
        assert (was.text, was.channel) == (now.text, now.channel)
        assert now.start == pytest.approx(was.start + float(shift_s), abs=MICROSECOND_S)
        assert now.end == pytest.approx(was.end + float(shift_s), abs=MICROSECOND_S)
    lead = round(shift_s * 16_000)
    one, other = before.load_audio(), after.load_audio()
    assert np.array_equal(other[:, lead:], one[:, : one.shape[1] - lead])


def test_the_benchmark_s_cases(corpora: tuple[str, str], shift_s: Fraction, tmp_path: Path) -> None:
    """A case's times count from its own sound, so they stay; its sound is what lay there."""
    before, after = both(corpora, "full-duplex-bench", tmp_path / "out")
    names = sorted(str(one.relative_to(before)) for one in before.glob("*/*/*"))
    assert names == sorted(str(one.relative_to(after)) for one in after.glob("*/*/*")) and len(names) == 8
    for name in (one for one in names if one.endswith("json")):
        (was,), (now,) = (json.loads((one / name).read_text()) for one in (before, after))
        lead = _lead_s(before, after, name, shift_s)
        expected = [edge + lead for edge in was.pop("timestamp")]
        assert now.pop("timestamp") == pytest.approx(expected, abs=1e-4)
        assert was == now


def _lead_s(before: Path, after: Path, name: str, shift_s: Fraction) -> float:
    """How much more of the dialogue a case hears before what it is about: half a second, if there is one."""
    sounds = [soundfile.read((one / name).parent / "input.wav", dtype="int16")[0] for one in (before, after)]
    longer = len(sounds[1]) - len(sounds[0])
    assert 0 <= longer <= min(shift_s, Fraction(1, 2)) * 16_000
    assert np.array_equal(sounds[1][longer:], sounds[0])
    return longer / 16_000
