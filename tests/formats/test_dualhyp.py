"""What DualHyp's data set asks (sungnyun/dualhyp:data/av_dataset.py, data/utils.py, data/merge_json.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from made_corpus import MadeCorpus, flac, talk, write_corpus

from manifests.exports.run import run_export

h5py = pytest.importorskip("h5py", reason="h5py is not installed (extra `exports`)")
FIELDS = {
    "Uid",
    "Caption",
    "Clean_Wav",
    "Noise_Wav",
    "Noise_Category",
    "SNR",
    "Mouthroi",
    "nhyps_asr",
    "nhyps_vsr",
}


def listed(out: Path, split: str = "train") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((out / f"{split}.json").read_text())
    return found


def mask(corruption: dict[str, Any]) -> str:
    """The frames that `get_noise_mask` calls noisy: `occ_len` from `start_fr` on, of `total_len`."""
    marks = np.zeros(corruption["total_len"], bool)
    marks[corruption["start_fr"] : corruption["start_fr"] + corruption["occ_len"]] = True
    assert len(marks) == corruption["total_len"]
    return "".join("CN"[int(one)] for one in marks)


def test_every_field_sound_and_lips(talks: MadeCorpus, out: Path, tmp_path: Path) -> None:
    run_export(talks.path, "dualhyp", str(out))
    rows = listed(out) + listed(out, "valid")
    assert {row["Uid"] for row in rows} == set(talks.samples)
    assert [row["Uid"] for row in listed(out)] == sorted(row["Uid"] for row in listed(out))
    for row in rows:
        assert set(row) >= FIELDS
        made = talks.samples[row["Uid"]]
        assert row["Caption"] == made.header["text"]
        sound, rate_hz = soundfile.read(out / row["Clean_Wav"], dtype="int16")
        assert rate_hz == 16_000
        assert np.array_equal(sound, made.pcm["flac"])
        (tmp_path / "lips.mp4").write_bytes(made.members["lips.mp4"])
        with av.open(str(tmp_path / "lips.mp4")) as video:
            truth = np.stack([frame.to_ndarray(format="gray") for frame in video.decode(video=0)])
        with h5py.File(out / row["Mouthroi"]) as file:
            assert np.array_equal(file["video_frames"][:], truth)
        assert truth.shape[1:] == (96, 96)
        assert set(mask(row["Audio_Corruption"])) == set(mask(row["Visual_Corruption"])) == {"C"}
        assert len(mask(row["Visual_Corruption"])) == len(truth)


def test_hypotheses_best_first_with_their_scores(talks: MadeCorpus, out: Path) -> None:
    """`sample[key]["hyps"][0]` goes first, `[1:]` after it."""
    run_export(talks.path, "dualhyp", str(out))
    for row in listed(out):
        text = talks.samples[row["Uid"]].header["text"]
        assert row["nhyps_asr"] == {"hyps": [text, "bin blue"], "scores": [-0.1, -0.7]}
        assert row["nhyps_vsr"] == {"hyps": ["bin blue", text], "scores": [-0.7, -0.1]}


def noisy(*, stems: bool) -> Any:
    spans = [[3200, 9600], [16_000, 20_800]]
    mix = {
        "kind": "noisy",
        "family": "babble",
        "snr_db": -5.0,
        "sources": [{"name": "a/noise.wav"}],
        "plans": {"flac": {"n_samples": 34_560, "rate_hz": 16_000, "interferers": [{"spans": spans}]}},
    }
    corruption = {"kind": "corrupted", "family": "hands", "spans": [[10, 20]]}
    made = talk(1, "babble_m5db", mix=mix, corruption=corruption)
    if stems:
        for number, name in enumerate(("target.flac", "interferer0.flac")):
            made.pcm[name] = np.full(34_560, 100 + number, np.int16)
            made.members[name] = flac(made.pcm[name], 16_000)
    return made


@pytest.mark.parametrize("stems", [False, True])
def test_a_noisy_sample_tells_when_and_how_loud(tmp_path: Path, stems: bool) -> None:
    made = noisy(stems=stems)
    run_export(str(write_corpus(tmp_path / "corpus", [made])), "dualhyp", str(tmp_path / "out"))
    (row,) = listed(tmp_path / "out", "babble_m5db")
    assert (row["SNR"], row["Noise_Category"]) == (-5.0, ["babble", "hands"])
    heard = mask(row["Audio_Corruption"])
    assert (heard.index("N"), heard.rindex("N"), len(heard)) == (3200, 20_799, 34_560)
    assert (row["Audio_Corruption"]["snr"], row["Audio_Corruption"]["noise_name"]) == (-5.0, "a/noise.wav")
    assert mask(row["Visual_Corruption"]) == "C" * 10 + "N" * 10 + "C" * 34
    sound, _ = soundfile.read(tmp_path / "out" / row["Clean_Wav"], dtype="int16")
    assert np.array_equal(sound, made.pcm["target.flac" if stems else "flac"])
    assert bool(row["Noise_Wav"]) == stems
    if stems:
        noise, _ = soundfile.read(tmp_path / "out" / row["Noise_Wav"], dtype="int16")
        assert np.array_equal(noise, made.pcm["interferer0.flac"])


@pytest.mark.parametrize("content", [b"[]", b"{", b'[{"text": "a"}]'])
def test_hypotheses_that_are_none_fail(tmp_path: Path, content: bytes) -> None:
    made = talk(1, "train")
    made.members["hyps_asr.json"] = content
    report = run_export(str(write_corpus(tmp_path / "corpus", [made])), "dualhyp", str(tmp_path / "out"))
    assert report.reasons == {"member_damaged": 1}
