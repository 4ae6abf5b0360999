"""The whole command against a server that misbehaves, and against a kill."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from base64 import b64encode
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fault_server import FaultServer
from scripted_dialogues import script, write_scripts
from typer.testing import CliRunner

from pipelines.cli import app

LONG = "I waited for the bus for an hour."
FAULTS = (
    *("429", "500", "hang", "truncated_json", "wrong_schema", "refusal_text", "huge", "drip"),
    *("echo_error", "echo_plain", "echo_answer", "echo_model", "echo_escaped", "echo_field"),
)
QUICK = (
    *("rewrite.server.backoff_s=0.01", "rewrite.server.deadline_s=2", "rewrite.server.tries=3"),
    "rewrite.server.give_up_after=100",
)


def line_of(fault: str) -> str:
    """A short turn that names what befalls it."""
    return f"Oh, {fault.replace('_', ' ')}!"


def command(scripts: Path, out: Path, url: str, *more: str) -> list[str]:
    settings = [*QUICK, "pack.split_shares={train: 1}", *more]
    options = [part for one in settings for part in ("--set", one)]
    voices = ["--voice", "hibari:heart", "--voice", "flite:rms"]
    llm = ["--llm-base-url", url, "--llm-model", "fake"]
    return [
        "dialogue",
        "synth",
        str(scripts),
        "--out",
        str(out),
        *llm,
        *voices,
        "--engine",
        "local",
        *options,
    ]


@pytest.mark.usefixtures("voices", "models")
def test_no_fault_loses_a_row_or_shows_the_key(api_key: str, tmp_path: Path, caplog, capfd) -> None:
    """Each fault befalls a row once and another for ever. The scripts are German: nothing is to be spoken."""
    caplog.set_level(logging.DEBUG)
    scripts = [
        script(f"{fault.replace('_', '-')}-{often}", LONG, line_of(f"{fault} {often}"), language="de")
        for fault in FAULTS
        for often in ("once", "always")
    ]
    for one in scripts:
        one["turns"][0]["text"] = "Ich habe eine Stunde lang auf den Bus gewartet, und er kam nicht."

    def behaviour(number: int, row: str) -> str:
        fault, _, often = row.removeprefix("Oh, ").removesuffix("!").rpartition(" ")
        return fault.replace(" ", "_") if number == 1 or often == "always" else "ok"

    good = "Ehrlich gesagt, so hatte ich das noch nie gesehen. Erzähl mir doch, was danach passiert ist."
    with FaultServer(behaviour, good=good) as server:
        call = command(write_scripts(tmp_path / "s.jsonl", scripts), tmp_path / "out", server.url)
        result = CliRunner().invoke(app, [*call, "--set", "rewrite.server.concurrency=28"])
        assert server.headers[0]["authorization"] == f"Bearer {api_key}"  # it did go out
    assert result.exit_code == 0, result.output
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    ends = {row["key"]: row for row in rows if row["kind"] == "source"}
    assert ends.keys() == {one["id"] for one in scripts}
    for key, row in ends.items():
        # healed by another try: the dialogue comes as far as the voices, none of which speaks German
        step = "rewrite" if key.endswith("always") else "speak"
        assert (row["step"], row["status"]) == (step, "failed"), (key, row["detail"])
        assert row["reason"] in ("llm_no_answer", "rewrite_rejected", "no_voice")
    forms = (api_key, api_key[:14], api_key[-14:], b64encode(api_key.encode()).decode()[:30])
    texts = [result.output, caplog.text, *capfd.readouterr()]
    texts += [f"{path} {path.read_bytes()!r}" for path in tmp_path.rglob("*") if path.is_file()]
    for row in rows:  # receipts are compressed: their words are looked at too
        texts.append(repr(row))
    for receipt in (tmp_path / "out").rglob("*.parquet"):
        texts.append(repr(pq.read_table(receipt).to_pylist()))
    assert not [form for form in forms for text in texts if form.lower() in text.lower()]


@pytest.mark.parametrize(
    "setting",
    [
        "rewrite.server.base_url=http://user:{key}@localhost/v1",
        "rewrite.server.base_url=http://localhost/v1?key={key}",
        "rewrite.server.api_key={key}",
        "rewrite.server.api_key_env={key}",
        "rewrite.server.deadline_s={key}",
    ],
)
def test_a_key_in_the_wrong_place_is_refused_and_not_repeated(
    setting: str, api_key: str, tmp_path: Path
) -> None:
    scripts = write_scripts(tmp_path / "s.jsonl", [script("one", LONG, "Fine.")])
    call = ["dialogue", "synth", str(scripts), "--out", str(tmp_path / "out"), "--engine", "local"]
    call += ["--set", "rewrite.model=m", "--set", "rewrite.server.base_url=http://localhost/v1"]
    done = CliRunner().invoke(app, [*call, "--set", setting.format(key=api_key)])
    assert done.exit_code == 2 and done.output
    assert api_key not in done.output and not (tmp_path / "out").exists()


@pytest.mark.usefixtures("voices", "models")
def test_a_kill_repeats_at_most_what_was_in_flight(api_key: str, tmp_path: Path) -> None:
    at_once, rows = 3, 12
    names = [f"{first}{second}" for first in "abcdef" for second in "xy"]
    scripts = write_scripts(
        tmp_path / "s.jsonl",
        [
            script(name, "Ich warte hier schon seit einer Stunde.", f"Oh {name}.", language="de")
            for name in names
        ],
    )
    good = "Ehrlich gesagt, so hatte ich das noch nie gesehen. Erzähl mir doch, was danach passiert ist."
    with FaultServer(latency_s=0.4, good=good) as server:
        call = command(
            scripts, tmp_path / "out", server.url, f"rewrite.server.concurrency={at_once}",
            "rewrite.server.deadline_s=60",
        )  # fmt: skip
        run = [sys.executable, "-m", "pipelines.cli", *call]
        process = subprocess.Popen(run, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 120
        while server.total < 6 and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        killed_at = server.total
        assert 6 <= killed_at < rows, "the kill came too late to say anything"
        done = subprocess.run([*run, "--break-lock"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert rows <= server.total <= rows + at_once
        assert not [row for row, times in server.asked.items() if times > 2]
    table = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert sum(row["kind"] == "source" for row in table) == rows
