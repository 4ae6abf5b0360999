"""Test sets with interferers: every number is measured again here, from the files alone."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from set_samples import MakeSet, header_of, pcm_of, samples

from manifests.store import Store
from pipelines.testsets.sounds import Sounds
from synth.mixing import apply
from synth.noise_plan import MixPlan

SNRS = [-10, 0, 10]
GRID: dict[str, Any] = {
    "seed": 3,
    "dnsmos": False,
    "audio": [
        {"kind": "speech", "snr_db": SNRS},
        {"kind": "babble", "voices": 2, "snr_db": SNRS},
        {"kind": "white", "snr_db": SNRS, "spans": {"count": 2, "min_share": 0.4, "max_share": 0.6}},
    ],
}


def _noise_of(sample: dict[str, bytes], clean: dict[str, bytes]) -> tuple[Any, Any, dict[str, Any]]:
    """Target, what was added to it (both float64), and KEY.json."""
    header = header_of(sample)
    target, rate_hz = pcm_of(clean["flac"])
    mixed, mixed_hz = pcm_of(sample["flac"])
    assert (len(mixed), mixed_hz) == (len(target), rate_hz)
    gain = header["mix"]["proofs"]["flac"]["gain"]
    spoken = np.rint(target.astype(np.float32) * np.float32(gain)).astype(np.float64)
    return spoken, mixed - spoken, header


@pytest.fixture(scope="module")
def noisy(clean_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from pipelines.engine import LocalEngine
    from pipelines.reporter import QuietReporter
    from pipelines.testsets.grid import GridConfig
    from pipelines.testsets.testset import make_set, open_set

    out = tmp_path_factory.mktemp("noisy")
    corpus = open_set(str(clean_corpus), str(out), GridConfig.model_validate(GRID))
    assert not make_set(corpus, engine=LocalEngine(), reporter=QuietReporter()).account.problems
    return out


def test_every_snr_is_what_was_asked_for(noisy: Path, clean_corpus: Path) -> None:
    clean = samples(clean_corpus)
    checked = 0
    for sample in samples(noisy).values():
        if header_of(sample)["mix"]["kind"] == "clean":
            continue
        key = header_of(sample)["base"]["key"]
        target, noise, header = _noise_of(sample, clean[key])
        plan = header["mix"]["plans"]["flac"]
        over = np.zeros(len(target), bool)
        for start, stop in plan["interferers"][0]["spans"]:
            over[start:stop] = True
        speaks = np.zeros(len(target), bool)
        for start, stop in plan["active"]:
            speaks[start:stop] = True
        assert not noise[~over].any()  # nothing outside of the spans
        achieved = 10 * np.log10((target[over & speaks] ** 2).sum() / (noise[over & speaks] ** 2).sum())
        assert abs(achieved - header["mix"]["snr_db"]) <= 0.05
        proof = header["mix"]["proofs"]["flac"]["interferers"][0]
        assert proof["active_snr_db"] == pytest.approx(achieved, abs=0.01)
        checked += 1
    assert checked == 3 * 3 * 3


def test_a_clip_meets_the_same_noise_at_every_snr(noisy: Path, clean_corpus: Path) -> None:
    clean, found = samples(clean_corpus), samples(noisy)
    for key in clean:
        for family in ("speech", "babble", "white"):
            _, low, _ = _noise_of(found[f"{key}-{family}_m10db"], clean[key])
            _, high, _ = _noise_of(found[f"{key}-{family}_p10db"], clean[key])
            assert np.corrcoef(low, high)[0, 1] > 0.999


def test_interferers_are_other_people(noisy: Path) -> None:
    for sample in samples(noisy).values():
        header = header_of(sample)
        told = header["mix"].get("sources", [])
        speakers = [one["speaker"] for one in told if "speaker" in one]
        assert header["speaker"] not in speakers
        assert len(set(speakers)) == len(speakers)
        if header["mix"].get("family") == "babble":
            assert len(speakers) == 2


def test_an_overlay_holds_what_changed_and_says_where_the_rest_is(noisy: Path, clean_corpus: Path) -> None:
    clean = samples(clean_corpus)
    for sample in samples(noisy).values():
        header = header_of(sample)
        base = clean[header["base"]["key"]]
        changed = {"json"} | ({"flac"} if header["mix"]["kind"] == "noisy" else set())
        assert set(sample) == changed
        stale = set(header["missing"]) if header["mix"]["kind"] == "noisy" else set()
        assert stale == ({"native.flac"} if header["mix"]["kind"] == "noisy" else set())
        assert set(header["base"]["members"]) == base.keys() - changed - stale
        for name, sha256 in header["base"]["members"].items():
            assert hashlib.sha256(base[name]).hexdigest() == sha256
        assert (clean_corpus / "shards" / header["base"]["shard"]).is_file()


def test_labels_follow_the_spans(noisy: Path) -> None:
    seen: Counter[str] = Counter()
    for sample in samples(noisy).values():
        header = header_of(sample)
        told = header["reliability"]["audio"]
        spans_s = told.get("corrupted_s", [])
        assert header["reliability"]["video"]["windows"].strip("C") == ""
        frames = told["clean_25hz"]
        for number, clean in enumerate(frames):
            hit = any(
                start < (number + 1) / 25 - 1e-9 and stop > number / 25 + 1e-9 for start, stop in spans_s
            )
            assert (clean == "0") == hit
        for number, label in enumerate(told["windows"][:-1]):
            share = frames[number * 10 : number * 10 + 10].count("1") / 10
            assert label == ("C" if share > 0.9 else "N" if share < 0.6 else "M")
            seen[label] += 1
    assert set(seen) >= {"C", "N"}


def test_a_trainer_gets_the_same_samples_from_the_plan(noisy: Path, clean_corpus: Path) -> None:
    clean, store = samples(clean_corpus), Store(str(clean_corpus))
    rows = {row["key"]: row for row in pq.read_table(_receipts(noisy, "clips")).to_pylist()}
    for sample in samples(noisy).values():
        header = header_of(sample)
        if header["mix"]["kind"] == "clean":
            continue
        plan = MixPlan.from_json(header["mix"]["plans"]["flac"])
        target, rate_hz = pcm_of(clean[header["base"]["key"]]["flac"])
        sounds = {}
        for name in {one for interferer in plan.interferers for one in interferer.sources}:
            row = rows[name]
            source = {"name": name, "shard": row["shard"], "members": json.loads(row["members"])}
            source["active_s"] = json.loads(row["active_s"])
            sounds[name] = Sounds().sound(source, "flac", rate_hz, store)
        assert np.array_equal(apply(plan, target[None], sounds).pcm[0], pcm_of(sample["flac"])[0])


def _receipts(out: Path, step: str) -> Path:
    (folder,) = (out / "steps").glob(f"{step}-*")
    return folder / "receipts"


def test_one_condition_alone_is_the_same(noisy: Path, make: MakeSet, tmp_path: Path) -> None:
    make({**GRID, "clean": False, "audio": [{"kind": "babble", "voices": 2, "snr_db": [0]}]}, "alone")
    whole = {path.name: path.read_bytes() for path in (noisy / "shards").glob("babble_0db*")}
    alone = {path.name: path.read_bytes() for path in (tmp_path / "alone" / "shards").glob("*.tar")}
    assert alone == whole
    assert len(alone) == 1


def test_another_seed_gives_other_noise(noisy: Path, make: MakeSet, tmp_path: Path) -> None:
    make({**GRID, "seed": 4, "audio": [{"kind": "white", "snr_db": [0]}]}, "other")
    assert {path.name for path in (tmp_path / "other" / "shards").glob("white*")}.isdisjoint(
        path.name for path in (noisy / "shards").glob("white*")
    )


def test_materialized_shards_need_no_other(make: MakeSet, clean_corpus: Path, tmp_path: Path) -> None:
    make({**GRID, "materialize": True, "audio": [{"kind": "white", "snr_db": [0]}]})
    clean = samples(clean_corpus)
    for sample in samples(tmp_path / "set").values():
        header = header_of(sample)
        base = clean[header["base"]["key"]]
        noisy = header["mix"]["kind"] == "noisy"
        assert sample.keys() == base.keys() - ({"native.flac"} if noisy else set())
        assert header["base"]["members"] == {}
        same = sample.keys() - {"json"} - ({"flac"} if noisy else set())
        assert all(sample[name] == base[name] for name in same)


def test_a_plan_alone_writes_no_sound(make: MakeSet, noisy: Path, tmp_path: Path) -> None:
    make({**GRID, "mix": {"plans_only": True}})
    written, planned = samples(noisy), samples(tmp_path / "set")
    assert written.keys() == planned.keys()
    for key, sample in planned.items():
        assert set(sample) == {"json"}
        assert header_of(sample)["mix"].get("plans") == header_of(written[key])["mix"].get("plans")


def test_both_recordings_of_a_clip_can_be_mixed(make: MakeSet, clean_corpus: Path, tmp_path: Path) -> None:
    make({**GRID, "mix": {"members": ["flac", "native.flac"]}, "audio": [{"kind": "speech", "snr_db": [-5]}]})
    clean = samples(clean_corpus)
    for key, sample in samples(tmp_path / "set").items():
        if key.endswith("clean"):
            continue
        header = header_of(sample)
        for name in ("flac", "native.flac"):
            assert header["mix"]["proofs"][name]["interferers"][0]["active_snr_db"] == pytest.approx(
                -5, abs=0.05
            )
        assert len(pcm_of(sample["native.flac"])[0]) == len(
            pcm_of(clean[header["base"]["key"]]["native.flac"])[0]
        )


def test_rooms_and_further_sounds(make: MakeSet, media: Path, tmp_path: Path) -> None:
    family = {"kind": "noise", "folder": str(media / "noise"), "snr_db": [5], "rooms": str(media / "rir")}
    family["also"] = [{"kind": "white", "snr_db": 20}]
    make({**GRID, "audio": [family], "clean": False})
    found = samples(tmp_path / "set")
    assert len(found) == 3
    for sample in found.values():
        mix = header_of(sample)["mix"]
        achieved = [one["active_snr_db"] for one in mix["proofs"]["flac"]["interferers"]]
        assert achieved == pytest.approx([5, 20], abs=0.05)
        assert len(mix["rooms"]) == 3
        assert set(header_of(sample)["reliability"]["audio"]["windows"]) == {"N"}


def test_noise_without_speech_has_a_kind_of_its_own(make: MakeSet, tmp_path: Path) -> None:
    make({**GRID, "clean": False, "audio": [{"kind": "pink", "noise_only_dbfs": -30.0}]})
    for sample in samples(tmp_path / "set").values():
        header = header_of(sample)
        assert (header["mix"]["kind"], header["mix"]["snr_db"]) == ("noise_only", None)
        pcm, _ = pcm_of(sample["flac"])
        assert 20 * np.log10(np.sqrt(np.mean(np.square(pcm / 32768)))) == pytest.approx(-30, abs=0.05)


@pytest.mark.parametrize(
    ("family", "reason", "told"),
    [
        ({"kind": "babble", "voices": 5}, "no_disjoint_speaker", "needs 5 other speakers"),
        ({"kind": "noise", "folder": "/nowhere"}, "no_interferer", "no folder /nowhere"),
    ],
)
def test_what_cannot_be_mixed_ends_with_a_reason(
    make: MakeSet, family: dict[str, Any], reason: str, told: str, tmp_path: Path
) -> None:
    make({**GRID, "audio": [{**family, "snr_db": [0]}]})
    rows = pq.read_table(tmp_path / "set" / "manifest.parquet").to_pylist()
    bad = [row for row in rows if row["status"] != "ok"]
    assert len(bad) == 3
    assert {row["reason"] for row in bad} == {reason}
    assert all(told in row["detail"] for row in bad)
    assert len(samples(tmp_path / "set")) == 3  # the clean ones


def test_an_empty_folder_and_a_file_that_is_no_sound(make: MakeSet, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "a.wav").write_text("no sound")
    families = [
        {"kind": "noise", "name": name, "folder": str(tmp_path / name), "snr_db": [0]}
        for name in ("empty", "text")
    ]
    make({**GRID, "audio": families})
    rows = pq.read_table(tmp_path / "set" / "manifest.parquet").to_pylist()
    told = [row["detail"] for row in rows if row["status"] != "ok"]
    assert sum("has no file with one of" in one for one in told) == 3
    assert sum("a.wav cannot be read" in one for one in told) == 3


def test_an_export_has_a_list_for_each_condition(make: MakeSet, tmp_path: Path) -> None:
    from manifests.exports.run import run_export

    make({**GRID, "materialize": True, "audio": [{"kind": "white", "snr_db": [0, 10]}]})
    report = run_export(str(tmp_path / "set"), "avhubert", str(tmp_path / "av"), {"text": True})
    assert (report.ok, report.skipped, report.failed) == (9, 0, 0)
    for name in ("clean", "white_0db", "white_p10db"):
        assert len((tmp_path / "av" / f"{name}.tsv").read_text().splitlines()) == 1 + 3
        assert len((tmp_path / "av" / f"{name}.wrd").read_text().splitlines()) == 3
