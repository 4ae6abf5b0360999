"""Test sets of occluded pictures, pauses and hidden tokens, looked at from the files alone."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from set_samples import MakeSet, header_of, pcm_of, samples

from pipelines.testsets.testset import recall_set, set_books

ONE = {"split": "test", "per_condition": 1}


def _frames(data: bytes) -> Any:
    with av.open(io.BytesIO(data)) as video:
        return np.stack([frame.to_ndarray(format="gray") for frame in video.decode(video=0)]).astype(float)


def _array(data: bytes) -> Any:
    return np.load(io.BytesIO(data), allow_pickle=False)


@pytest.fixture(scope="module")
def occluded(clean_corpus: Path, media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipelines.engine import LocalEngine
    from pipelines.reporter import QuietReporter
    from pipelines.testsets.grid import GridConfig
    from pipelines.testsets.testset import make_set, open_set

    out = tmp_path_factory.mktemp("occluded")
    grid = {
        "clips": ONE,
        "folders": {"occluders": str(media / "occluders")},
        "dnsmos": False,
        "audio": [{"kind": "white", "snr_db": [0]}],
        "video": [
            {"kind": "hand", "severity": [1, 5], "spans": "cav2vec"},
            {"kind": "low_light", "severity": [5]},
        ],
        "combine": "product",
    }
    corpus = open_set(str(clean_corpus), str(out), GridConfig.model_validate(grid))
    assert not make_set(corpus, engine=LocalEngine(), reporter=QuietReporter()).account.problems
    return out


def _clean(occluded: Path, clean_corpus: Path) -> tuple[str, dict[str, bytes]]:
    key = header_of(next(iter(samples(occluded).values())))["base"]["key"]
    return key, samples(clean_corpus)[key]


def test_the_hand_is_where_the_spans_say(occluded: Path, clean_corpus: Path) -> None:
    key, clean = _clean(occluded, clean_corpus)
    found = samples(occluded)
    before = _frames(clean["lips.mp4"])
    hidden = {}
    for severity in (1, 5):
        sample = found[f"{key}-hand_s{severity}"]
        header = header_of(sample)
        inside = np.zeros(len(before), bool)
        for start, stop in header["corruption"]["spans"]:
            inside[start:stop] = True
        assert 0.1 <= inside.mean() <= 0.55
        away = np.abs(_frames(sample["lips.mp4"]) - before).mean(axis=(1, 2))
        far = away[~inside & ~np.roll(inside, -12)]  # the lips' transforms look twelve frames ahead
        assert np.median(away[inside]) > 3 * np.median(far)
        assert header["reliability"]["video"]["clean_25hz"] == "".join("10"[int(one)] for one in inside)
        assert set(header["reliability"]["audio"]["windows"]) == {"C"}
        hidden[severity] = (inside.tolist(), away[inside].mean())
    assert hidden[1][0] == hidden[5][0]  # the same frames at every severity
    assert hidden[1][1] < hidden[5][1]


def test_a_face_that_is_lost_is_lost(occluded: Path, clean_corpus: Path) -> None:
    key, _ = _clean(occluded, clean_corpus)
    sample = samples(occluded)[f"{key}-low_light_s5"]
    header = header_of(sample)
    seen = header["corruption"]
    assert seen["n_lost"] > 0.3 * seen["n_seen_clean"]
    if "lips.mp4" not in sample:
        assert header["missing"]["lips.mp4"] == "no_face"
        assert "lips.mp4" not in header["base"]["members"]
    else:
        assert not _array(sample["arkit52_valid.npy"]).all()
    assert "flac" in header["base"]["members"]


def test_a_product_shares_what_both_have_in_common(occluded: Path, clean_corpus: Path) -> None:
    key, _ = _clean(occluded, clean_corpus)
    found = samples(occluded)
    both = found[f"{key}-white_0db__hand_s5"]
    assert both["flac"] == found[f"{key}-white_0db"]["flac"]
    assert both["lips.mp4"] == found[f"{key}-hand_s5"]["lips.mp4"]
    assert header_of(both)["mix"] == header_of(found[f"{key}-white_0db"])["mix"]


def test_crops_are_corrupted_where_the_source_is_not_wanted(
    make: MakeSet, clean_corpus: Path, tmp_path: Path
) -> None:
    grid = {
        "clips": ONE,
        "clean": False,
        "corrupt": {"at": "crop"},
        "video": [{"kind": "blur", "severity": [5]}],
    }
    make(grid)
    (sample,) = samples(tmp_path / "set").values()
    header = header_of(sample)
    clean = samples(clean_corpus)[header["base"]["key"]]
    assert header["corruption"]["at"] == "crop"
    assert set(sample) == {"json", "lips.mp4", "face.mp4"}
    before, after = _frames(clean["lips.mp4"]), _frames(sample["lips.mp4"])
    assert before.shape == after.shape
    assert np.abs(np.diff(after, axis=2)).mean() < 0.7 * np.abs(np.diff(before, axis=2)).mean()
    assert "arkit52.npy" in header["base"]["members"]


def test_pauses_move_everything_along(make: MakeSet, clean_corpus: Path, tmp_path: Path) -> None:
    make({"clips": ONE, "clean": False, "pauses": [{"count": 2, "fill": "hold"}]})
    (sample,) = samples(tmp_path / "set").values()
    header = header_of(sample)
    clean = samples(clean_corpus)[header["base"]["key"]]
    spans = [(one["start_s"], one["stop_s"]) for one in header["pauses"]["spans"]]
    lengths = [stop - start for start, stop in spans]
    assert all(0.5 <= length <= 2.0 for length in lengths)
    assert not any(one["turn_end"] for one in header["pauses"]["spans"])
    assert header["duration_s"] == pytest.approx(header_of(clean)["duration_s"] + sum(lengths))
    for name in ("flac", "native.flac"):
        (pcm, rate_hz), (was, _) = pcm_of(sample[name]), pcm_of(clean[name])
        kept = np.ones(len(pcm), bool)
        for start, stop in spans:
            kept[int(np.ceil(round(start * rate_hz, 6))) : int(np.ceil(round(stop * rate_hz, 6)))] = False
        assert np.array_equal(pcm[kept], was)
        assert pcm[~kept].any()  # room tone, not digital silence
    for name in ("arkit52.npy", "arkit52_valid.npy", "group_valid.npy", "face61.npy"):
        now, was = _array(sample[name]), _array(clean[name])
        rate_hz = header["rates_hz"][name]
        kept = np.ones(len(now), bool)
        for start, stop in spans:
            kept[int(np.ceil(round(start * rate_hz, 6))) : int(np.ceil(round(stop * rate_hz, 6)))] = False
        assert np.array_equal(now[kept], was, equal_nan=True)
    assert len(_frames(sample["lips.mp4"])) == len(_array(sample["arkit52.npy"]))
    for (text, start, stop), (was_text, was_start, was_stop) in zip(
        header["words"], header_of(clean)["words"], strict=True
    ):
        moved = sum(length for (at, _), length in zip(spans, lengths, strict=True) if at <= start)
        assert (text, round(start - moved, 3), round(stop - moved, 3)) == (
            was_text,
            round(was_start, 3),
            round(was_stop, 3),
        )


def test_paused_clips_get_tokens_of_their_own(make: MakeSet, clean_corpus: Path, tmp_path: Path) -> None:
    """As the codec makes them of the sound that the shard holds, as long as the clip is now."""
    from extractors.codec import encode_one, to_codec_rate
    from extractors.codecs import make_codec

    grid = {"clips": ONE, "clean": False, "pauses": [{"count": 1}]}
    tokens = {"tokenize": {"codecs": ["lyra"]}, "mix": {"members": ["flac", "native.flac"]}}
    make(grid | tokens)
    (sample,) = samples(tmp_path / "set").values()
    header = header_of(sample)
    codec = make_codec("lyra")
    (pcm, rate_hz) = pcm_of(sample["native.flac"])
    mono = pcm.reshape(len(pcm), -1).T.astype(np.float32) / 32768
    truth = encode_one(codec, to_codec_rate(mono, rate_hz, codec.spec))
    found = _array(sample["lyra.npy"])
    assert found.shape == (46, round(header["duration_s"] * 50))
    assert header["duration_s"] > header_of(samples(clean_corpus)[header["base"]["key"]])["duration_s"] + 0.5
    assert np.array_equal(found, truth[:, : found.shape[1]])
    assert header["tokens"]["lyra.npy"]["trained"] and header["rates_hz"]["lyra.npy"] == 50.0
    assert "lyra.npy" not in header["missing"] and "lyra.npy" in header["members"]


def test_a_clip_without_words_cannot_pause(make: MakeSet, tmp_path: Path) -> None:
    corpus = make({"pauses": [{"count": 9}]})
    told = [row for row in set_books(corpus).rows if row["status"] != "ok"]
    assert {row["reason"] for row in told} == {"no_word_boundary"}
    assert len(told) == 3


def test_hidden_tokens_are_listed(make: MakeSet, tmp_path: Path) -> None:
    masks = [
        {"member": "lips_interpolated.npy", "share": [0.2, 0.6]},
        {"member": "units.npy", "name": "none"},
    ]
    make({"clips": ONE, "clean": False, "masks": masks})
    told = {
        header_of(sample)["set"]["condition"]: header_of(sample)["token_mask"]
        for sample in samples(tmp_path / "set").values()
    }
    assert set(told) == {"mask_p0_2", "mask_p0_6"}  # the clip has no units: no such sample
    for name, share in (("mask_p0_2", 0.2), ("mask_p0_6", 0.6)):
        assert len(told[name]["hidden"]) == round(share * told[name]["n_tokens"])
    assert set(told["mask_p0_2"]["hidden"]) < set(told["mask_p0_6"]["hidden"])
    books = set_books(recall_set(str(tmp_path / "set")))
    assert {row["reason"] for row in books.rows if row["status"] != "ok"} == {"no_tokens"}


def test_a_corpus_of_another_version_is_not_corrupted_unnoticed(
    clean_corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.config import ConfigError
    from pipelines.steps.watch import Watch
    from pipelines.testsets.grid import GridConfig
    from pipelines.testsets.testset import open_set

    grid = {"clips": ONE, "video": [{"kind": "blur"}]}
    corpus = open_set(str(clean_corpus), str(tmp_path / "set"), GridConfig.model_validate(grid))
    monkeypatch.setattr(Watch, "version", Watch.version + 1)
    with pytest.raises(ConfigError, match="built by another version"):
        _run(corpus)


def _run(corpus: Any) -> None:
    from pipelines.engine import LocalEngine
    from pipelines.reporter import QuietReporter
    from pipelines.testsets.testset import make_set

    make_set(corpus, engine=LocalEngine(), reporter=QuietReporter())


def test_landmarks_that_are_gone_are_told(clean_corpus: Path, tmp_path: Path) -> None:
    import shutil

    from pipelines.testsets.grid import GridConfig
    from pipelines.testsets.testset import open_set

    copy = tmp_path / "copy"
    shutil.copytree(clean_corpus, copy)
    for path in copy.glob("steps/watch-*/data/*.faces.parquet"):
        path.unlink()
    grid = {"clips": ONE, "video": [{"kind": "hand", "severity": [3]}]}
    corpus = open_set(str(copy), str(tmp_path / "set"), GridConfig.model_validate(grid))
    _run(corpus)
    (row,) = [row for row in set_books(corpus).rows if row["status"] != "ok"]
    assert (row["status"], row["reason"]) == ("failed", "landmarks_missing")
    assert "faces.parquet is gone" in row["detail"]
