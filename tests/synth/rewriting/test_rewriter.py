from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pyarrow as pa
import pytest
from fault_server import GOOD, FaultServer

from manifests.ids import canonical_json
from manifests.reasons import Reason, Status
from manifests.receipts import Row, write_receipt
from manifests.store import Store
from synth.rewriting import REWRITTEN, Dialogue, Fault, Rewriter, Rewritten, ScriptError


def done(rewriter: Rewriter, dialogues: list[Dialogue]) -> dict[str, Rewritten]:
    rows = list(rewriter.run(dialogues))
    found = {row.key: row for row in rows}
    assert len(found) == len(rows)
    return found


def responses(rows: dict[str, Rewritten]) -> list[Rewritten]:
    return [rows[key] for key in sorted(rows) if rows[key].fault is not Fault.TURN_NOT_SHORT]


def receipt(store: Store, rows: dict[str, Rewritten]) -> bytes:
    """What a step commits of the rows."""
    lines = [
        Row(row.dialogue_id, row.key, None, row.status, row.fault and Reason.NO_TEXT, row.detail,
            measures=row.measures())
        for row in rows.values()
    ]  # fmt: skip
    return store.read(write_receipt(store, "receipts", "unit", lines, REWRITTEN).name)


def test_every_turn_has_a_row_with_its_provenance(store, make_config, make_script) -> None:
    with FaultServer() as server:
        rewriter = Rewriter(make_config(server.url), store)
        rows = done(rewriter, [make_script(1)])
    long, short = rows["d00001-0000-respond"], rows["d00001-0001-respond"]
    assert (long.status, long.fault) == (Status.SKIPPED, Fault.TURN_NOT_SHORT)
    assert (short.status, short.text, short.original) == (Status.OK, GOOD, "Oh no, aaaab.")
    assert (short.model, short.served_model, short.attempts) == ("fake", "fake", 1)
    assert (short.prompt, short.prompt_version) == ("respond", 1)
    assert short.prompt_sha == rewriter.prompts["respond"].sha
    assert (short.prompt_tokens, short.completion_tokens, short.cached) == (100, 20, False)
    sent = server.bodies[0]
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert "Anna: I waited for the bus" in sent["messages"][1]["content"]
    assert "Gender: male" in sent["messages"][1]["content"]


def test_a_rerun_costs_nothing_and_gives_the_same_bytes(store, make_config, make_script, tmp_path) -> None:
    dialogues = [make_script(number) for number in range(12)]
    with FaultServer() as server:
        config = make_config(server.url)
        first = receipt(store, done(Rewriter(config, store), dialogues))
        assert server.total == 12
        again = Rewriter(config, store)
        rows = done(again, dialogues[::-1])
        assert server.total == 12
        assert again.counts.cached == 12 and again.counts.sent == 0
    assert all(row.cached for row in responses(rows))
    assert receipt(store, rows) == first


def test_answers_that_fail_are_told_and_asked_for_again(store, make_config, make_script) -> None:
    with FaultServer(lambda number, row: "refusal_text" if number == 1 else "ok") as server:
        row = done(Rewriter(make_config(server.url), store), [make_script(1)])["d00001-0001-respond"]
    assert (row.status, row.attempts, row.failed_checks) == (Status.OK, 2, ("refusal",))
    assert row.prompt_tokens == 200  # both attempts count
    told = server.bodies[1]["messages"]
    assert [one["role"] for one in told] == ["system", "user", "assistant", "user"]
    assert "answer as the speaker" in told[3]["content"]
    assert server.bodies[0]["seed"] != server.bodies[1]["seed"]


def test_what_never_passes_fails_with_its_reason(store, make_config, make_script) -> None:
    with FaultServer(lambda number, row: "wrong_schema") as server:
        row = done(Rewriter(make_config(server.url), store), [make_script(1)])["d00001-0001-respond"]
        assert server.total == 3
        assert (row.fault, row.failed_checks, row.text) == (Fault.REWRITE_REJECTED, ("malformed",), None)
        done(Rewriter(make_config(server.url), store), [make_script(1)])
        assert server.total == 3  # also a row that fails is paid for once


def test_equal_requests_in_flight_are_sent_once(store, make_config, make_script) -> None:
    """Without a seed, rows with equal prompts are one request, and get one text."""
    same = [make_script(number, short="Oh no.") for number in range(8)]
    with FaultServer(latency_s=0.05) as server:
        rows = done(Rewriter(make_config(server.url, sampling={"seed": None}), store), same)
        assert server.total == 1
    assert {row.text for row in responses(rows)} == {GOOD}


def test_no_more_requests_at_once_than_asked_for(store, make_config, make_script) -> None:
    with FaultServer(latency_s=0.03) as server:
        rewriter = Rewriter(make_config(server.url, {"concurrency": 3}), store)
        done(rewriter, [make_script(number) for number in range(20)])
    assert server.most_at_once == 3


def test_dialogues_are_read_as_they_are_needed(store, make_config, make_script) -> None:
    """Memory stays flat: a slow consumer stops the reading."""
    read = 0

    def stream():
        nonlocal read
        for number in range(300):
            read += 1
            yield make_script(number)

    with FaultServer() as server:
        rows = Rewriter(make_config(server.url, {"concurrency": 2}), store).run(stream())
        for _ in range(10):
            next(rows)
        time.sleep(0.3)
        assert read <= 10
        rows.close()  # whoever stops early leaves no thread behind and does not hang
    assert read <= 14


def test_a_wrong_line_is_told_as_it_is(store, make_config, make_script) -> None:
    def stream():
        yield make_script(1)
        raise ScriptError("scripts.jsonl line 2: not JSON")

    with FaultServer() as server, pytest.raises(ScriptError, match="line 2"):
        list(Rewriter(make_config(server.url), store).run(stream()))


def test_columns_are_what_a_receipt_needs() -> None:
    row = Rewritten("k", "d", "respond", 0)
    assert set(row.measures()) == set(REWRITTEN.names)
    pa.Table.from_pylist([row.measures()], schema=REWRITTEN)
    assert "cached" not in REWRITTEN.names  # it differs between runs


def test_damaged_cache_entries_are_asked_for_anew(store, make_config, make_script, caplog) -> None:
    with FaultServer() as server:
        done(Rewriter(make_config(server.url), store), [make_script(1)])
        (entry,) = Path(store.root, "llm").rglob("*.json")
        entry.write_bytes(entry.read_bytes()[:50])
        rows = done(Rewriter(make_config(server.url), store), [make_script(1)])
        assert server.total == 2
    assert responses(rows)[0].text == GOOD
    assert "is damaged" in caplog.text


def test_what_decides_the_text_is_in_the_identity(store, make_config) -> None:
    def identity(**fields) -> bytes:
        server = fields.pop("server", None)
        return canonical_json(
            Rewriter(make_config("http://localhost:1/v1", server, **fields), store).identity()
        )

    assert identity() == identity(server={"concurrency": 1}, budget={"tokens": 1})
    for change in ({"model": "b"}, {"sampling": {"seed": 1}}, {"checks": {"max_words": 9}}, {"attempts": 1}):
        assert identity(**change) != identity()


CHILD = """
import sys
from manifests.store import Store
from synth.rewriting import Rewriter, RewriteConfig, read_scripts
from pathlib import Path
url, scripts, out = sys.argv[1:]
server = {"base_url": url, "concurrency": 4}
rewriter = Rewriter(RewriteConfig(server=server, model="fake"), Store(out))
for row in rewriter.run(read_scripts(Path(scripts))):
    pass
"""


def test_killed_and_resumed_repeats_at_most_what_was_in_flight(
    store, make_config, make_script, tmp_path
) -> None:
    dialogues = [make_script(number) for number in range(40)]
    scripts = tmp_path / "scripts.jsonl"
    scripts.write_text("".join(one.model_dump_json() + "\n" for one in dialogues))
    with FaultServer(latency_s=0.05) as server:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(CHILD), server.url, str(scripts), store.root],
            cwd=Path(__file__).parents[3],
        )
        while server.total < 15:
            assert child.poll() is None
            time.sleep(0.002)
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert server.total < 40
        rows = done(Rewriter(make_config(server.url), store), dialogues)
        assert server.total <= 40 + 4
        repeated = [row for row, count in server.asked.items() if count > 1]
        assert len(repeated) <= 4
        assert len(server.asked) == 40 and len(responses(rows)) == 40
        asked = server.total
        once_more = done(Rewriter(make_config(server.url), store), dialogues)
        assert server.total == asked
        assert {key: row.text for key, row in once_more.items()} == {
            key: row.text for key, row in rows.items()
        }
