from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from manifests.shards import Member, PlannedSample, plan_shards, write_tar


def sample(key: str, split: str = "train", size: int = 100, sha: str = "0" * 64) -> PlannedSample:
    return PlannedSample(key, split, (Member("json", size, sha, inline="{}"),))


def test_samples_are_cut_by_size_and_count_within_their_split() -> None:
    samples = [sample(f"k{n:02d}", "test" if n % 5 == 0 else "train") for n in range(20)]
    shards = plan_shards(reversed(samples), max_bytes=4 * 1024, max_samples=100)
    assert [(one.split, len(one.samples)) for one in shards] == [("test", 4)] + [("train", 4)] * 4
    assert [one.key for shard in shards for one in shard.samples if shard.split == "train"] == sorted(
        one.key for one in samples if one.split == "train"
    )
    assert {len(one.samples) for one in plan_shards(samples, max_bytes=10**9, max_samples=3)} <= {1, 2, 3}
    assert len({one.name for one in shards}) == len(shards)


def test_a_shard_is_named_by_what_is_in_it() -> None:
    def name(sha: str) -> str:
        return plan_shards([sample("k", sha=sha)], max_bytes=10**6, max_samples=9)[0].name

    assert name("0" * 64) == name("0" * 64) != name("1" * 64)
    assert name("0" * 64).startswith("train-000000-")


def test_the_shuffle_is_seeded_and_moves_nobody_when_a_sample_leaves() -> None:
    samples = [sample(f"k{n:02d}") for n in range(30)]

    def order(seed: int, drop: int | None = None) -> list[str]:
        chosen = [one for n, one in enumerate(samples) if n != drop]
        (shard,) = plan_shards(chosen, max_bytes=10**9, max_samples=100, shuffle_seed=seed)
        return [one.key for one in shard.samples]

    assert order(1) == order(1) != order(2)
    assert order(1, drop=7) == [key for key in order(1) if key != "k07"]


@pytest.mark.parametrize("key", ["", "a.b", "a/b"])
def test_keys_that_readers_would_split_wrongly_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="must be non-empty and without"):
        plan_shards([sample(key)], max_bytes=1, max_samples=1)


def test_no_samples_make_no_shards() -> None:
    assert plan_shards([], max_bytes=1, max_samples=1) == []


def test_a_key_planned_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="planned twice"):
        plan_shards([sample("a"), sample("a", "test")], max_bytes=1, max_samples=1)


def test_tars_are_deterministic_and_plain(tmp_path: Path) -> None:
    members = [("a.json", b"{}"), ("a." + "long-" * 30 + "name.txt", "ü".encode()), ("b.json", b"x" * 1000)]
    first, second = io.BytesIO(), io.BytesIO()
    write_tar(first, members)
    write_tar(second, members)
    assert first.getvalue() == second.getvalue()
    with tarfile.open(fileobj=io.BytesIO(first.getvalue())) as tar:
        infos = tar.getmembers()
        assert {(one.mtime, one.uid, one.gid, one.uname, one.gname, one.mode) for one in infos} == {
            (0, 0, 0, "", "", 0o644)
        }
    path = tmp_path / "x.tar"
    path.write_bytes(first.getvalue())
    listed = subprocess.run(["tar", "tf", str(path)], capture_output=True, text=True, check=True).stdout
    assert listed.splitlines() == [name for name, _ in members]
