from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from manifests.store import Store, StoreError, StoreLockedError


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(tmp_path if request.param == "local" else f"memory://{tmp_path.name}")


def test_what_is_written_is_read(store: Store) -> None:
    artifact = store.write("steps/a/x.bin", b"hello")
    assert store.read("steps/a/x.bin") == b"hello"
    assert (artifact.bytes, artifact.sha256[:8]) == (5, "2cf24dba")
    assert store.artifact("steps/a/x.bin") == artifact
    assert store.list("steps/a") == ["x.bin"] and store.list("nothing") == []
    store.delete("steps/a/x.bin")
    store.delete("steps/a/x.bin")
    assert not store.exists("steps/a/x.bin")


def test_a_write_that_fails_leaves_nothing(store: Store) -> None:
    store.write("kept", b"old")
    with pytest.raises(RuntimeError), store.writing("kept") as handle:
        handle.write(b"half")
        raise RuntimeError
    assert store.read("kept") == b"old"
    assert store.list(".tmp") == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/etc/passwd", ""])
def test_names_stay_inside(store: Store, name: str) -> None:
    with pytest.raises(ValueError, match="not a name inside"):
        store.write(name, b"")


def test_outputs_that_cannot_be_used_are_errors(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="not a folder"), Store(tmp_path / "file").locked():
        pass
    with pytest.raises(StoreError, match="foo"):
        Store("foo://x")


def test_two_writers_at_once(store: Store) -> None:
    with store.writing("a") as one, store.writing("b") as two:
        one.write(b"1")
        two.write(b"2")
    assert (store.read("a"), store.read("b")) == (b"1", b"2")


def test_a_second_holder_is_told_who_is_first(store: Store) -> None:
    with store.locked(), pytest.raises(StoreLockedError, match=str(os.getpid())), store.locked():
        pass
    with store.locked():
        pass


def test_a_local_lock_dies_with_its_process(tmp_path: Path) -> None:
    code = (
        "import os, sys; from manifests.store import Store\n"
        "with Store(sys.argv[1]).locked():\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read(1); os.kill(os.getpid(), 9)"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None and child.stdin is not None
    assert child.stdout.readline() == "held\n"
    with pytest.raises(StoreLockedError) as caught, Store(tmp_path).locked():
        pass
    assert f"pid {child.pid}" in str(caught.value)
    child.communicate("x")
    with Store(tmp_path).locked():
        assert json.loads((tmp_path / "run.lock").read_text())["pid"] == os.getpid()


def test_a_remote_lock_can_be_broken(tmp_path: Path) -> None:
    store = Store(f"memory://{tmp_path.name}-lock")
    store.write("run.lock", b'{"pid": 1, "host": "gone"}')
    with pytest.raises(StoreLockedError, match=r"pid 1 on gone.*--break-lock"), store.locked():
        pass
    with store.locked(break_lock=True):
        pass
