"""A server that does everything wrong: no row is lost, and the API key appears nowhere."""

from __future__ import annotations

import logging
import time
import traceback
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from fault_server import GOOD, FaultServer

from manifests.reasons import Status
from synth.llm.api_key import ApiKeyError
from synth.rewriting import Fault, Rewriter, Rewritten, ServerUnusableError

HEALED_BY_A_TRY = [
    "429", "429:0.2", "500", "503", "408", "drop", "cut_body", "huge", "huge_error", "gzip",
    "no_choices", "html",
    "echo_error", "echo_plain", "echo_answer", "echo_model", "echo_escaped", "echo_field",
]  # fmt: skip
HEALED_BY_AN_ATTEMPT = [
    "truncated_json", "cut_off", "wrong_schema", "refusal_text", "refusal_field",
]  # fmt: skip
EVERY = [*HEALED_BY_A_TRY, *HEALED_BY_AN_ATTEMPT]
MANY = {"deadline_s": 60.0, "concurrency": 25}  # a busy machine may take long to answer


def respond_rows(rewriter: Rewriter, dialogues: list) -> dict[str, Rewritten]:
    rows = [row for row in rewriter.run(dialogues) if row.fault is not Fault.TURN_NOT_SHORT]
    return {row.original: row for row in rows}


def behaviour_of(row: str) -> str:
    return row.removeprefix("Oh, ").removesuffix("!").replace(" ", "_").replace("-", ":")


def scripts_for(behaviours: list[str], make_script) -> list:
    """A row for each behaviour, which its short line names."""
    lines = [f"Oh, {name.replace('_', ' ').replace(':', '-')}!" for name in behaviours]
    assert [behaviour_of(line) for line in lines] == behaviours
    return [make_script(number, short=line) for number, line in enumerate(lines)]


class Secret:
    """A key, and all places where it must not turn up."""

    def __init__(self, key: str, folder: Path, logs: pytest.LogCaptureFixture, output: Any) -> None:
        self.key = key
        self._folder = folder
        self._logs = logs
        self._output = output

    def is_nowhere(self, *texts: str) -> None:
        files = [f"{path} {path.read_bytes()!r}" for path in self._folder.rglob("*") if path.is_file()]
        forms = (self.key, self.key[:14], self.key[-14:], b64encode(self.key.encode()).decode()[:30])
        for text in (*texts, self._logs.text, *self._output.readouterr(), *files):
            assert not [form for form in forms if form.lower() in text.lower()]


@pytest.fixture
def secret(api_key, store, caplog, capfd) -> Secret:
    caplog.set_level(logging.DEBUG)
    return Secret(api_key, Path(store.root), caplog, capfd)


def test_each_fault_once_loses_no_row_and_leaks_no_key(store, make_config, make_script, secret) -> None:
    dialogues = scripts_for(EVERY, make_script)
    with FaultServer(lambda number, row: behaviour_of(row) if number == 1 else "ok") as server:
        rewriter = Rewriter(make_config(server.url, MANY), store)
        rows = respond_rows(rewriter, dialogues)
    assert server.headers[0]["authorization"] == f"Bearer {secret.key}"  # the key did go out
    assert len(rows) == len(EVERY)
    for row in rows.values():
        name = behaviour_of(row.original)
        assert (row.status, row.text) == (Status.OK, GOOD), (name, row.detail)
        assert row.attempts == 1 or (row.attempts == 2 and name in HEALED_BY_AN_ATTEMPT), name
        assert server.asked[row.original] >= 2, name
    said = repr(rows) + repr(rewriter) + repr(rewriter.__dict__) + repr(rewriter.counts)
    secret.is_nowhere(said)


def test_faults_that_stay_end_in_a_reason_and_the_others_go_on(
    store, make_config, make_script, secret
) -> None:
    dialogues = scripts_for([*EVERY, "400", "ok"], make_script)
    with FaultServer(lambda number, row: behaviour_of(row)) as server:
        config = make_config(server.url, MANY | {"tries": 2, "give_up_after": 1000})
        rows = respond_rows(Rewriter(config, store), dialogues)
    assert len(rows) == len(EVERY) + 2
    for row in rows.values():
        name = behaviour_of(row.original)
        if name == "ok":
            assert row.status is Status.OK
        elif name in HEALED_BY_AN_ATTEMPT:
            assert (row.fault, row.attempts) == (Fault.REWRITE_REJECTED, 3), name
        else:
            assert (row.fault, row.text) == (Fault.LLM_NO_ANSWER, None), name
            # a try on a connection that the server has just closed does not reach it
            assert 1 <= server.asked[row.original] <= (1 if name == "400" else 2), name
            assert ("1 of 2 tries" if name == "400" else "2 of 2 tries") in row.detail
    assert "HTTP 500" in rows["Oh, echo error!"].detail and "[api key]" in rows["Oh, echo error!"].detail
    secret.is_nowhere(repr(rows))


@pytest.mark.parametrize("behaviour", ["echo_401", "404"])
def test_what_no_request_survives_ends_the_run(store, make_config, make_script, secret, behaviour) -> None:
    with FaultServer(lambda number, row: behaviour) as server:
        with pytest.raises(ServerUnusableError, match=r"HTTP 40[14]") as caught:
            list(Rewriter(make_config(server.url), store).run([make_script(n) for n in range(40)]))
        assert server.total <= 4
    assert caught.tb is not None and caught.tb.tb_next is not None
    error, inner = caught.value, caught.tb.tb_next  # without this test's own frame, which knows the key
    told = traceback.TracebackException(type(error), error, inner, capture_locals=True)
    secret.is_nowhere("".join(told.format(chain=True)))
    assert caught.value.__context__ is None and caught.value.__cause__ is None


def test_a_server_that_is_gone_ends_the_run(store, make_config, make_script) -> None:
    with FaultServer() as server:
        url = server.url
    config = make_config(url, {"tries": 1, "give_up_after": 3})
    rows = []
    with pytest.raises(ServerUnusableError, match="3 rows in a row"):
        rows.extend(Rewriter(config, store).run([make_script(n) for n in range(40)]))


def test_it_waits_as_long_as_the_server_asks(store, make_config, make_script) -> None:
    with FaultServer(lambda number, row: "429:0.4" if number == 1 else "ok") as server:
        respond_rows(Rewriter(make_config(server.url), store), [make_script(1)])
        (times,) = server.times.values()
    assert times[1] - times[0] >= 0.4


def test_it_does_not_wait_for_an_hour(store, make_config, make_script) -> None:
    started = time.monotonic()
    with FaultServer(lambda number, row: "429:3600") as server:
        (row,) = respond_rows(Rewriter(make_config(server.url), store), [make_script(1)]).values()
        assert server.total == 1
    assert row.fault is Fault.LLM_NO_ANSWER and "3600 s" in row.detail
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_a_try_ends_at_its_deadline(store, make_config, make_script, behaviour) -> None:
    """The drip takes 15 s as a whole, though every single read is quick; the hang takes 30 s."""
    started = time.monotonic()
    with FaultServer(lambda number, row: behaviour) as server:
        config = make_config(server.url, {"deadline_s": 0.5, "tries": 1})
        (row,) = respond_rows(Rewriter(config, store), [make_script(1)]).values()
    assert "within 0.5 s" in row.detail
    assert time.monotonic() - started < 12


@pytest.mark.parametrize("behaviour", ["hang", "drip"])
def test_after_a_deadline_the_next_try_answers(store, make_config, make_script, behaviour) -> None:
    with FaultServer(lambda number, row: behaviour if number == 1 else "ok") as server:
        config = make_config(server.url, {"deadline_s": 2.0, "tries": 6})
        (row,) = respond_rows(Rewriter(config, store), [make_script(1)]).values()
        assert server.total >= 2
    assert row.text == GOOD


def test_a_key_is_asked_for_unless_the_server_is_here(store, make_config, monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    Rewriter(make_config("http://127.0.0.1:1/v1"), store)
    Rewriter(make_config("http://localhost:1/v1"), store)
    with pytest.raises(ApiKeyError, match="OPENAI_API_KEY"):
        Rewriter(make_config("https://llm.example/v1"), store)
    with pytest.raises(ApiKeyError, match="MY_KEY"):
        Rewriter(make_config("https://llm.example/v1", {"api_key_env": "MY_KEY"}), store)


def test_a_key_in_the_address_is_refused_and_not_repeated(make_config, secret) -> None:
    for url in (f"http://me:{secret.key}@localhost/v1", f"http://localhost/v1?key={secret.key}"):
        with pytest.raises(ValueError, match="give a key by its variable") as caught:
            make_config(url)
        secret.is_nowhere(str(caught.value), repr(caught.value))
