"""Units that die, hang, raise: the run ends, they are quarantined, every other unit is delivered."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import toy_steps

from manifests.sources import Listing
from manifests.store import Store
from pipelines.corpus import Corpus
from pipelines.driver import Driver, FatalError
from pipelines.engine import Engine, EngineError, LocalEngine
from pipelines.engine_ray import RayEngine
from pipelines.journal import Journal
from pipelines.reporter import QuietReporter
from pipelines.sections import EngineConfig, StepResources
from pipelines.step import Step


@pytest.fixture(scope="module")
def ray_engine() -> Iterator[Engine]:
    """One Ray for the module: starting it takes five seconds."""
    with RayEngine(workers=2) as engine:
        yield engine


def run(
    folder: Path, engine: Engine, *steps: Step[Any], deadline_s: float = 60.0, **resources: Any
) -> Corpus:
    corpus = Corpus(Store(folder), str(folder), Listing(()), {step.name: step for step in steps})
    config = EngineConfig(deadline_floor_s=deadline_s, deadline_factor=1, resources=resources)
    driver = Driver(corpus, engine, config, QuietReporter(), Journal(corpus.store))
    for step in steps:
        driver.run_step(step.name)
    return corpus


def toy(**config: Any) -> toy_steps.Toy:
    return toy_steps.Toy(toy_steps.ToyConfig(**config))


def ends(corpus: Corpus) -> dict[str, tuple[str, str | None]]:
    return {row["item"]: (row["status"], row["reason"]) for row in corpus.rows("toy")}


OK = ("ok", None)


def test_poison_units_are_quarantined_and_all_others_delivered(tmp_path: Path, ray_engine: Engine) -> None:
    poison = {"item0": "die", "item1": "kill", "item2": "raise", "item3": "hang", "item4": "fail"}
    corpus = run(tmp_path, ray_engine, toy(items=8, poison=poison), deadline_s=1.5)
    assert ends(corpus) == {
        "item0": ("quarantined", "crashed"),
        "item1": ("quarantined", "crashed"),
        "item2": ("quarantined", "raised"),
        "item3": ("quarantined", "timed_out"),
        "item4": ("failed", "decode_failed"),
        **dict.fromkeys(("item5", "item6", "item7"), OK),
    }
    details = {row["item"]: row["detail"] for row in corpus.rows("toy") if row["detail"]}
    assert "exit code 7" in details["item0"] and "SIGKILL" in details["item1"]
    assert "RuntimeError: the toy broke" in details["item2"] and "deadline" in details["item3"]
    attempts = [
        event
        for event in journal_events(tmp_path)
        if event["event"] == "attempt" and event["unit"] == "item0"
    ]
    assert len(attempts) == 3, "three attempts, no more"
    payloads = set(corpus.store.list(f"{corpus.folder('toy')}/data"))
    assert payloads == {"item5.txt", "item6.txt", "item7.txt"}


def journal_events(folder: Path) -> list[dict[str, Any]]:
    import json

    lines = [line for path in (folder / "runs").glob("*.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_a_poisoned_item_does_not_take_its_bundle_along(tmp_path: Path, ray_engine: Engine) -> None:
    corpus = run(tmp_path, ray_engine, toy(items=6, bundle=3, poison={"item1": "die"}))
    assert ends(corpus) == {f"item{n}": OK for n in range(6)} | {"item1": ("quarantined", "crashed")}


def test_a_missing_package_stops_the_run(tmp_path: Path, ray_engine: Engine) -> None:
    with pytest.raises(FatalError, match="a_missing_package"):
        run(tmp_path, ray_engine, toy(poison={"open": "ImportError"}))
    corpus = run(tmp_path, ray_engine, toy())
    assert set(ends(corpus).values()) == {OK}, "nothing was held against the units"


def test_preflight_refuses_what_ray_would_wait_for_silently(tmp_path: Path, ray_engine: Engine) -> None:
    with pytest.raises(EngineError, match=r"wants 128 CPU .* lower --workers"):
        run(tmp_path, ray_engine, toy(), toy=StepResources(cpus=64))


def test_a_second_run_does_no_work(tmp_path: Path, ray_engine: Engine) -> None:
    run(tmp_path, ray_engine, toy(bundle=2))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}

    class Refuses(LocalEngine):
        def run(self, job: Any, attempts: Any) -> Any:
            raise AssertionError("nothing is left to run")

    corpus = run(tmp_path, Refuses(), toy(bundle=2))
    assert set(ends(corpus).values()) == {OK}
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert after == before


def test_attempts_interrupted_from_outside_are_not_held_against_a_unit(tmp_path: Path) -> None:
    step = toy(items=1)
    corpus = Corpus(Store(tmp_path), str(tmp_path), Listing(()), {"toy": step})
    for number in (1, 2, 3):  # three runs were killed while this unit ran
        corpus.store.write(f"{corpus.folder('toy')}/attempts/item0.{number}.json", b'{"state": "started"}')
    assert ends(run(tmp_path, LocalEngine(), step)) == {"item0": OK}


@pytest.mark.parametrize("kind", ["local", "ray"])
def test_windows_have_exact_seams_and_gathers_see_all(tmp_path: Path, ray_engine: Engine, kind: str) -> None:
    engine = LocalEngine() if kind == "local" else ray_engine
    smooth = toy_steps.Smooth(toy_steps.SmoothConfig())
    corpus = run(tmp_path, engine, toy(), toy_steps.Total(toy_steps.TotalConfig()), smooth)
    parts = [corpus.store.read(row["artifacts"][0]["name"]) for row in corpus.rows("smooth")]
    assert len(parts) == 4
    assert b"".join(parts) == toy_steps.running_mean(toy_steps.signal(), 10).tobytes()
    assert [row["total"] for row in corpus.rows("total")] == [6 * len("payload of item0\n")]


def test_payloads_never_cross_the_object_store(tmp_path: Path, ray_engine: Engine) -> None:
    """300 MB of payloads through an object store of 160 MB: nothing of them is held or spilled there."""

    def held_mib() -> float:
        """Pages of the object store that were ever written: it lives in the raylet's shared memory."""
        raylets = [one for one in psutil.Process().children(recursive=True) if one.name() == "raylet"]
        assert raylets
        return sum(one.memory_info().shared for one in raylets) / 2**20

    run(tmp_path / "warm", ray_engine, toy(items=2))
    before = held_mib()
    corpus = run(tmp_path, ray_engine, toy(items=6, payload_mb=50))
    assert set(ends(corpus).values()) == {OK}
    assert held_mib() - before < 10
