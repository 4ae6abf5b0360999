"""A finished corpus of dialogues that were made of scripts."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import llm_server
import pytest
from scripted_dialogues import SCRIPTS, synthesise

KEY = "sk-proj-Zq7Wm3Xv9Rt5Lk2Np8Bc4Hd6Fg1"


@pytest.fixture(scope="session")
def voices() -> None:
    """The voices that these tests speak with."""
    pytest.importorskip("hibari")
    if shutil.which("flite") is None:
        pytest.skip("flite is not installed (Debian: apt-get install flite)")


@pytest.fixture(scope="session")
def made(voices: None, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished corpus of `SCRIPTS`, as scripted. Not to be written to."""
    folder = tmp_path_factory.mktemp("made-dialogues")
    synthesise(folder, SCRIPTS)
    return folder / "out"


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
