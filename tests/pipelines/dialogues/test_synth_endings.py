"""However a dialogue ends, the books balance and say where and why."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from fault_server import FaultServer
from scripted_dialogues import script, synthesise

from manifests.corpus_reader import CorpusReader
from pipelines.dialogues.dialogues import dialogue_books
from pipelines.step import UnusableError
from synth.llm.api_key import ApiKeyError

LONG = "I waited for the bus for an hour."
GERMAN = "Ich habe eine Stunde lang auf den Bus gewartet."
GOOD_GERMAN = "Ehrlich gesagt, so hatte ich das noch nie gesehen. Erzähl mir doch, was danach passiert ist."
SERVER = {"backoff_s": 0.01, "deadline_s": 5.0, "tries": 2, "concurrency": 2, "give_up_after": 50}


def rewrite(url: str, **more) -> dict:
    return {"server": SERVER | {"base_url": url}, "model": "fake", "attempts": 2} | more


def ends(folder: Path) -> dict[str, tuple[str, str, str | None]]:
    """Of each dialogue, by the manifest: step, status, reason."""
    rows = pq.read_table(folder / "manifest.parquet").to_pylist()
    return {
        row["key"]: (row["step"], row["status"], row["reason"]) for row in rows if row["kind"] == "source"
    }


def behaviour(number: int, row: str) -> str:
    return {"Rejected.": "refusal_text", "Unanswered.": "500"}.get(row, "ok")


def test_every_ending_is_told_and_balances(voices: None, models: Path, tmp_path: Path) -> None:
    women = {name: {"gender": "female"} for name in "AB"}
    scripts = [
        script("kept", LONG, "Fine."),
        script("rejected", LONG, "Rejected."),
        script("unanswered", LONG, "Unanswered."),
        script("voiceless", LONG, LONG, speakers=women),
        script("german", GERMAN, GERMAN, language="de"),
        script("unspoken", LONG, "你好你好你好你好你好"),
    ]
    scripts[0]["turns"][0]["backchannels"] = [{"after_word": 4, "text": "嗯嗯嗯嗯嗯嗯。"}]
    scripts[0]["turns"][1]["backchannels"] = [{"after_word": 1, "text": "Okay."}]
    with FaultServer(behaviour) as server:
        once = {"tries": 1}
        corpus = synthesise(tmp_path, scripts, rewrite=rewrite(server.url), speak=once)
        asked = server.total
        found = ends(tmp_path / "out")
        assert found.pop("unspoken")[:2] == ("speak", "failed")
        assert found == {
            "kept": ("pack", "ok", None),
            "rejected": ("rewrite", "failed", "rewrite_rejected"),
            "unanswered": ("rewrite", "failed", "llm_no_answer"),
            "voiceless": ("speak", "failed", "no_voice"),
            "german": ("speak", "failed", "no_voice"),
        }
        books = dialogue_books(corpus)
        assert books.sources == Counter(ok=1, failed=5)
        reader = CorpusReader(str(tmp_path / "out"))
        assert [row.key for row in reader.rows()] == ["kept-a", "kept-b"]
        (sample, _) = _headers(reader)
        # neither nod is lost in silence: one could not be spoken, the place of the other is gone
        told = {one["key"]: one["reason"] for one in sample["unplaced"]}
        assert told["kept-0001-b0"] == "its turn was rewritten"
        assert told["kept-0000-b0"].startswith("it was not spoken: ")
        # nothing is asked for again, until the user says so
        synthesise(tmp_path, scripts, rewrite=rewrite(server.url), speak=once)
        assert server.total == asked
        server.script = lambda number, row: "ok"
        synthesise(tmp_path, scripts, rewrite=rewrite(server.url), speak=once, retry=("failed",))
    assert ends(tmp_path / "out")["unanswered"] == ("pack", "ok", None)
    # a refusal is an answer: it is kept, and a retry takes the same path
    assert ends(tmp_path / "out")["rejected"] == ("rewrite", "failed", "rewrite_rejected")


def _headers(reader: CorpusReader) -> list[dict]:
    return [sample.header for shard in reader.shards for sample in reader.samples(shard)]


def test_a_spent_budget_skips_and_a_larger_one_goes_on(voices: None, models: Path, tmp_path: Path) -> None:
    scripts = [script(name, GERMAN, f"Oh {name}.", language="de") for name in ("ada", "bea")]
    with FaultServer(good=GOOD_GERMAN) as server:
        synthesise(tmp_path, scripts, rewrite=rewrite(server.url, budget={"tokens": 1}))
        skipped = ("rewrite", "skipped", "llm_budget_spent")
        assert ends(tmp_path / "out") == {"ada": skipped, "bea": skipped} and server.total == 0
        synthesise(tmp_path, scripts, rewrite=rewrite(server.url, budget={"tokens": 100_000}))
        assert server.total == 2
    # rewritten now; that no voice speaks German is another matter
    assert ends(tmp_path / "out") == dict.fromkeys(("ada", "bea"), ("speak", "failed", "no_voice"))


def test_clips_and_the_original_come_through_rewriting_and_joining(
    voices: None, models: Path, tmp_path: Path
) -> None:
    """The answer is the third turn of the script, and the second that is spoken."""
    one = script("bus", LONG, "Fine.")
    more = {"speaker": "A", "text": "And then it began to rain.", "clips": ["c1"]}
    one["turns"] = [one["turns"][0] | {"clips": ["c0"]}, more, one["turns"][1] | {"clips": ["c2#4"]}]
    with FaultServer(lambda number, row: "ok") as server:
        synthesise(tmp_path, [one], rewrite=rewrite(server.url))
    reader = CorpusReader(str(tmp_path / "out"))
    (pair,) = (
        pair
        for shard in reader.shards
        for sample in reader.samples(shard)
        for pair in json.loads(sample.read("pairs.json"))
    )
    assert pair["input"]["clips"] == ["c0", "c1"] and pair["response"]["clips"] == ["c2#4"]
    assert pair["response"]["rewritten_from"] == "Fine." != pair["response"]["text"]


def test_a_rewrite_that_crashed_is_not_spoken_as_it_was(
    tmp_path: Path, voices: None, models: Path, monkeypatch
):
    from synth.rewriting.rewriter import Rewriter

    def crash(self, dialogues):
        raise ZeroDivisionError("not foreseen")

    monkeypatch.setattr(Rewriter, "run", crash)
    with FaultServer() as server:
        synthesise(tmp_path, [script("one", LONG, "Fine.")], rewrite=rewrite(server.url))
    assert ends(tmp_path / "out") == {"one": ("rewrite", "quarantined", "raised")}


def test_a_missing_key_or_voice_stops_the_run_at_once(
    voices: None, models: Path, tmp_path: Path, monkeypatch
):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ApiKeyError, match="OPENAI_API_KEY"):
        synthesise(tmp_path, [script("one", LONG, "Fine.")], rewrite=rewrite("https://llm.example.org/v1"))
    with pytest.raises(UnusableError, match="nobody"):
        synthesise(tmp_path, [script("one", LONG, LONG)], speak={"voices": ["flite:nobody"]})
    with pytest.raises(UnusableError, match="no offsets are called"):
        synthesise(tmp_path, [script("one", LONG, LONG)], arrange={"offsets": "nobody"})
    with pytest.raises(UnusableError, match=r"faces\.corpus"):
        synthesise(tmp_path, [script("one", LONG, LONG)], faces={"corpus": str(tmp_path / "none")})
