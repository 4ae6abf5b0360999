from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import llm_server
import pytest

from manifests.store import Store
from synth.rewriting import Dialogue, RewriteConfig

KEY = "sk-proj-Zq7Wm3Xv9Rt5Lk2Np8Bc4Hd6Fg1"
Make = Callable[..., Any]


@pytest.fixture(scope="session")
def llm_url() -> Iterator[str]:
    """Base URL of a real, small language model."""
    absent = llm_server.missing()
    if absent:
        pytest.skip(f"{absent} is not installed")
    with llm_server.llm_server() as url:
        yield url


@pytest.fixture
def api_key(monkeypatch: pytest.MonkeyPatch) -> str:
    """A key in the environment that looks like a real one."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return KEY


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "out")


@pytest.fixture
def make_config() -> Callable[..., RewriteConfig]:
    """A config for a loopback server with short waits; `server` fields are given by name."""

    def make(url: str, server: dict[str, Any] | None = None, **fields: Any) -> RewriteConfig:
        quick = {"base_url": url, "backoff_s": 0.01, "deadline_s": 5.0, "tries": 3, "concurrency": 4}
        return RewriteConfig.model_validate({"server": quick | (server or {}), "model": "fake"} | fields)

    return make


def script(number: int, short: str = "", **speaker: Any) -> Dialogue:
    """A dialogue with one short turn, told from the others by its words."""
    turns = [
        {"speaker": "A", "text": "I waited for the bus for an hour and then it simply drove past me."},
        {"speaker": "B", "text": short or f"Oh no, {_letters(number)}."},
    ]
    speakers = {"A": {"name": "Anna", "gender": "female"}, "B": speaker or {"gender": "male"}}
    return Dialogue.model_validate({"id": f"d{number:05d}", "speakers": speakers, "turns": turns})


def _letters(number: int) -> str:
    """A made-up word: a number would be told as an entity."""
    return "".join("abcdefghij"[int(digit)] for digit in f"{number:05d}")


@pytest.fixture
def make_script() -> Callable[..., Dialogue]:
    return script
