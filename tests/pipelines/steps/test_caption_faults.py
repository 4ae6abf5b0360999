"""Captions against a server that misbehaves, and against a kill."""

from __future__ import annotations

import io
import json
import shutil
import signal
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import soundfile
from caption_server import CaptionServer, digest_of
from typer.testing import CliRunner

from manifests.store import Store
from pipelines.cli import app
from pipelines.look import read_sample

KEY = "sk-proj-Zq7Wm3Xv9Rt5Lk2Np8Bc4Hd6Fg1"
FAULTS = {
    **dict.fromkeys(("429", "500", "drop", "html", "no_choices", "huge"), "llm_no_answer"),
    **dict.fromkeys(("echo_answer", "echo_model", "echo_error"), "llm_no_answer"),
    **dict.fromkeys(("refusal_text", "refusal_field", "cut_off", "says"), "no_caption"),
}
SETTINGS = (
    *(
        "listen.dnsmos=false",
        "listen.events=false",
        "cut.members=[flac]",
        "pack.split_shares={train: 1}",
        "tokenize.codecs=[]",
    ),
    *("need_labels=[]", "select.min_chunk_s=0.5", "select.max_chunk_s=15"),
)
ASKING = (
    *("caption.model=fake", "caption.tasks=[]", "caption.server.backoff_s=0.01", "caption.server.tries=2"),
    *("caption.server.deadline_s=60", "caption.server.give_up_after=50", "caption.attempts=2"),
)


def command(clips: Path, out: Path, *settings: str) -> list[str]:
    options = [part for one in (*SETTINGS, *settings) for part in ("--set", one)]
    build = ["build", str(clips), "--out", str(out), "--preset", "av-dialog-stage1"]
    return [*build, "--engine", "local", *options]


def asking(clips: Path, out: Path, url: str, *settings: str) -> list[str]:
    return command(clips, out, *ASKING, f"caption.server.base_url={url}", *settings)


@pytest.fixture(scope="module")
def clips(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short sound for each fault, called after it."""
    folder = tmp_path_factory.mktemp("sounds")
    read, rate_hz = soundfile.read(media / "audio" / "libri_3436-172162-0000.ogg", dtype="int16")
    step = (len(read) - 3 * rate_hz) // len(FAULTS)
    for number, fault in enumerate(FAULTS):
        soundfile.write(folder / f"{fault}.wav", read[number * step : number * step + 3 * rate_hz], rate_hz)
    return folder


@pytest.fixture(scope="module")
def bare(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus before anybody was asked."""
    out = tmp_path_factory.mktemp("bare") / "corpus"
    done = CliRunner().invoke(app, command(clips, out))
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def out(bare: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bare, tmp_path / "corpus"))


def headers(corpus: Path) -> dict[str, dict[str, Any]]:
    """KEY.json by fault."""
    rows = pq.read_table(corpus / "manifest.parquet").to_pylist()
    kept = [row for row in rows if row["kind"] == "clip" and row["status"] == "ok"]
    store = Store(corpus)
    return {Path(row["path"]).stem: json.loads(read_sample(store, row["key"])[1]["json"]) for row in kept}


def rows_of(corpus: Path) -> dict[str, str]:
    """The fault of each clip, by how the server tells the clips apart."""
    found = {}
    store = Store(corpus)
    for fault, header in headers(corpus).items():
        flac = read_sample(store, header["key"])[1]["flac"]
        samples, rate_hz = soundfile.read(io.BytesIO(flac), dtype="int16")
        wav = io.BytesIO()
        soundfile.write(wav, samples, rate_hz, format="WAV", subtype="PCM_16")
        found[digest_of(wav.getvalue())] = fault
    return found


@pytest.mark.parametrize("often", ["once", "always"])
def test_no_fault_loses_a_clip_or_shows_the_key(
    often: str, clips: Path, out: Path, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    fault_of = rows_of(out)
    assert set(fault_of.values()) == set(FAULTS)

    def behaviour(number: int, row: str) -> str:
        return fault_of[row] if number == 1 or often == "always" else "ok"

    with CaptionServer(behaviour) as server:
        done = CliRunner().invoke(app, asking(clips, out, server.url, "caption.server.concurrency=16"))
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"  # it did go out
    assert done.exit_code == 0, done.output
    found = headers(out)
    assert found.keys() == FAULTS.keys()
    for fault, header in found.items():
        if often == "once":
            assert header["caption_from"] == "server" and "caption" not in header["missing"], fault
        else:
            assert header["missing"]["caption"] == FAULTS[fault], fault
            assert not {"caption", "caption_from", "caption_by"} & header.keys()
    forms = (KEY, KEY[:14], KEY[-14:], b64encode(KEY.encode()).decode()[:30])
    texts = [done.output, caplog.text]
    texts += [f"{path} {path.read_bytes()!r}" for path in out.rglob("*") if path.is_file()]
    texts += [repr(pq.read_table(path).to_pylist()) for path in out.rglob("*.parquet")]
    assert not [form for form in forms for text in texts if form.lower() in text.lower()]


def test_a_kill_repeats_at_most_what_was_in_flight(clips: Path, out: Path) -> None:
    at_once = 3
    with CaptionServer(latency_s=0.3) as server:
        call = asking(clips, out, server.url, f"caption.server.concurrency={at_once}")
        run = [sys.executable, "-m", "pipelines.cli", *call]
        process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while server.total < 5 and time.monotonic() < until:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        before = server.total
        assert 5 <= before < len(FAULTS)
        server.latency_s = 0.0
        done = CliRunner().invoke(app, [*call, "--break-lock"])
        assert done.exit_code == 0, done.output
        assert len(FAULTS) <= server.total <= len(FAULTS) + at_once
        assert max(server.asked.values()) <= 2
    assert all(header["caption_from"] == "server" for header in headers(out).values())
