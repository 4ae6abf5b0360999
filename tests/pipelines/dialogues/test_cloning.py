"""People of a corpus spoken by a server that is given a clip of them: who, from what, on which terms."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
from lent_voices import TERMS, lender, write_lending
from made_corpus import Made
from raw_search import hits
from scripted_dialogues import script, synthesise
from speech_server import SERVER, Asked, decoded, man, pitch_hz, speech_server, woman

from manifests.corpus_reader import CorpusReader
from pipelines.dialogues.sections import SynthConfig
from pipelines.forget import forget, prove_forgotten
from pipelines.step import UnusableError

SAID = {
    "anna": "The garden behind our house is full of snails again this year.",
    "ben": "My brother repairs old radios in the shed behind his house.",
    "tom": "Nobody told me that the museum is closed on Mondays.",
}
ASKED = "Do you remember how long we waited for the bus?"
ANSWER = "We waited for an hour, and then it did not stop."


def clips() -> list[Made]:
    """anna and ben may be imitated, and so may tom, of the test set; of the others something is missing."""
    anna, ben, tom = woman(SAID["anna"]), man(SAID["ben"]), man(SAID["tom"])
    measured = {"measures": {"dnsmos_ovrl": 3.2, "other_voice_share": 0.0}}
    return [
        lender("anna", anna, SAID["anna"], **measured),
        lender("anna", anna, "of less quality", measures={"dnsmos_ovrl": 2.1, "other_voice_share": 0.0}),
        lender("ben", ben, SAID["ben"]),
        lender("tom", tom, SAID["tom"], split="test"),
        lender("cat", anna, "research alone", consent="research; no voice cloning"),
        lender("dan", ben, "no licence at all", licence=None),
        lender("eve", woman("Too short."), "Too short."),
    ]


def people(first: str, second: str) -> dict[str, Any]:
    genders = {"ben": "male", "tom": "male", "dan": "male"}
    return {
        side: {"person": person, "gender": genders.get(person, "female")}
        for side, person in (("A", first), ("B", second))
    }


SCRIPTS = [
    script("both", ASKED, ANSWER, speakers=people("anna", "ben")),
    script("mixed", ASKED, ANSWER, speakers=people("stranger", "tom")),
    script("linked", ASKED, ANSWER, speakers=people("anna", "tom")),
    *(script(f"of-{one}", ASKED, ANSWER, speakers=people("stranger", one)) for one in ("cat", "dan", "eve")),
    script("others", ASKED, ANSWER, speakers={"A": {"gender": "female"}, "B": {"gender": "male"}}),
]


def imitating(folder: Path, scripts: list[dict[str, Any]], lending: Path, url: str, **speak: Any) -> Any:
    """One split of strangers' voices is not enough here: whoever talks with tom is in the test set."""
    config = {"server": SERVER | {"base_url": url}, "clone": {"corpus": str(lending), "voice": "server:base"}}
    return synthesise(folder, scripts, speak=config | {"one_voice": True, "min_dnsmos": 1.5} | speak)


@pytest.fixture(scope="module")
def done(
    voices: None, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Asked]]:
    folder = tmp_path_factory.mktemp("cloned")
    lending = write_lending(folder / "lending", clips())
    with speech_server() as server:
        imitating(folder, SCRIPTS, lending, server.url)
        yield folder, server


def headers(folder: Path) -> dict[str, Any]:
    reader = CorpusReader(str(folder))
    return {one.key: one.header for shard in reader.shards for one in reader.samples(shard)}


def ends(folder: Path) -> dict[str, tuple[str, str | None]]:
    rows = pq.read_table(folder / "manifest.parquet").to_pylist()
    return {row["key"]: (row["status"], row["reason"]) for row in rows if row["kind"] == "source"}


def test_who_may_not_be_imitated_ends_the_dialogue_with_the_reason(done: tuple[Path, Asked]) -> None:
    folder, server = done
    assert ends(folder / "out") == {
        "both": ("ok", None),
        "mixed": ("ok", None),
        "linked": ("failed", "split_conflict"),
        "of-cat": ("failed", "consent_missing"),
        "of-dan": ("failed", "licence_missing"),
        "of-eve": ("failed", "no_reference"),
        "others": ("ok", None),
    }
    rows = pq.read_table(folder / "out" / "manifest.parquet").to_pylist()
    details = {row["key"]: row["detail"] for row in rows}
    assert details["linked"].startswith("tom is of test and anna is of train")
    assert "1 shorter than 3 s" in details["of-eve"] and "voice cloning" in details["of-cat"]
    # nothing of them left the house
    sent = {one["ref_text"] for one in server.requests}
    assert sent == {SAID["anna"], SAID["ben"], SAID["tom"]}


def test_the_server_hears_the_very_clip(done: tuple[Path, Asked]) -> None:
    _, server = done
    lent = {one.header["text"]: one for one in clips()}
    assert {one["input"] for one in server.requests} == {ASKED, ANSWER}
    for request in server.requests:
        pcm, rate_hz = decoded(request["ref_audio"])
        own = lent[request["ref_text"]].pcm["native.flac"]
        assert rate_hz == (24_000 if request["ref_text"] == SAID["anna"] else 16_000)
        assert np.array_equal(np.round(pcm * 32768).astype(np.int16), own)
        assert request["voice"] == "base"


def test_they_sound_like_their_clips_and_key_json_says_from_what(done: tuple[Path, Asked]) -> None:
    folder, _ = done
    told = headers(folder / "out")
    lent = {one.header["text"]: one for one in clips()}
    speakers = told["both-a"]["speakers"]
    for side, person in (("main", "anna"), ("other", "ben")):
        about, clip = speakers[side], lent[SAID[person]]
        assert (about["person"], about["voice"], about["voice_identity"]) == (person, "server:base", person)
        assert (about["cloned_speaker"], about["cloned_consent"], about["cloned_licence"]) == (
            *(person, TERMS["consent"], TERMS["licence"]),
        )
        reference = about["reference"]
        assert (reference["key"], reference["person"]) == (clip.key, person)
        assert reference["source"]["path"] == clip.header["source"]["path"]
        assert reference["duration_s"] == clip.header["duration_s"]
    assert "CC-BY-4.0" in told["both-a"]["licence"]
    turns = told["both-a"]["turns"]
    assert all(one["similarity"] > 0.7 for one in turns)
    # the pitch of what is in the shards, by the test's own ears: a woman, then a man
    reader = CorpusReader(str(folder / "out"))
    (sample,) = [one for shard in reader.shards for one in _both(reader, shard)]
    assert pitch_hz(*sample["main"]) > 160 and pitch_hz(*sample["other"]) < 130
    for key in ("others-a", "others-b"):
        for about in told[key]["speakers"].values():
            assert about["reference"] is None and about["cloned_speaker"] is None


def _both(reader: CorpusReader, shard: str) -> Iterator[dict[str, tuple[np.ndarray, int]]]:
    import io

    for one in reader.samples(shard):
        if one.key == "both-a":
            yield {side: soundfile.read(io.BytesIO(one.read(f"{side}.flac"))) for side in ("main", "other")}


def test_a_person_stays_in_the_split_that_lends_them(done: tuple[Path, Asked]) -> None:
    folder, _ = done
    told = headers(folder / "out")
    splits = {told[key]["dialogue"]: told[key]["split"] for key in told}
    # `pack.split_shares` is train alone: what is of the test set is so because tom is
    assert splits == {"both": "train", "mixed": "test", "others": "train"}


def test_a_server_that_does_not_listen_is_found_out(done: tuple[Path, Asked], tmp_path: Path) -> None:
    with speech_server(deaf=True) as server:
        imitating(tmp_path, SCRIPTS[:1], done[0] / "lending", server.url, tries=2)
    assert ends(tmp_path / "out") == {"both": ("failed", "voice_differs")}
    rows = pq.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    told = [row["detail"] for row in rows if row["kind"] == "clip"]
    assert len(told) == 2 and all("try 2 of 2" in one for one in told)


def test_a_real_person_is_not_whom_the_server_can_imitate(
    done: tuple[Path, Asked], media: Path, tmp_path: Path
) -> None:
    """A reader of LibriSpeech (CC-BY 4.0; her consent here is the test's) has a woman's pitch, and is not
    hibari."""
    pcm, rate_hz = soundfile.read(media / "audio" / "libri_198-209-0000.ogg", dtype="float32")
    lending = write_lending(
        tmp_path / "lending", [lender("198", (pcm[: 8 * rate_hz], rate_hz), "as printed")]
    )
    one = script("one", ASKED, ANSWER, speakers=people("198", "stranger"))
    with speech_server() as server:
        imitating(tmp_path, [one], lending, server.url, tries=1)
        assert {request["ref_text"] for request in server.requests} == {"as printed"}
    assert ends(tmp_path / "out") == {"one": ("failed", "voice_differs")}


def test_forgetting_reaches_what_was_spoken_in_their_voice(done: tuple[Path, Asked], tmp_path: Path) -> None:
    import shutil

    folder, server = done
    for name in ("lending", "out"):
        shutil.copytree(folder / name, tmp_path / name)
    found = forget(str(tmp_path / "lending"), ["anna"], derived=[str(tmp_path / "out")])
    assert found.traces == () and found.n_samples == 4  # her two clips, both views of her dialogue
    assert headers(tmp_path / "out").keys() == {"mixed-a", "mixed-b", "others-a", "others-b"}
    ids = [one.key[:16] for one in clips() if one.header["speaker"] == "anna"]
    assert hits(tmp_path / "out", ['"anna"', "people/anna", *ids]) == []
    # not a sound of the dialogue is left, ben's side and what was only a step on the way included
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert not [name for name in left if name.startswith(("both-", "linked-"))]
    receipts = [pq.read_table(path) for path in (tmp_path / "out" / "steps").rglob("*.parquet")]
    assert not {"both"} & {one for table in receipts for one in table.column("source_id").to_pylist()}
    assert any(name.startswith("mixed-") for name in left)
    # the scripts still have her: she is not spoken again, by any voice
    before = len(server.requests)
    shutil.copy(folder / "out.jsonl", tmp_path / "out.jsonl")
    imitating(tmp_path, SCRIPTS, tmp_path / "lending", server.url)
    assert ends(tmp_path / "out")["both"] == ("skipped", "forgotten")
    assert ends(tmp_path / "out")["mixed"] == ("ok", None)
    assert len(server.requests) == before and prove_forgotten(str(tmp_path / "out")) == []


def test_a_killed_forgetting_is_finished_by_the_next(done: tuple[Path, Asked], tmp_path: Path) -> None:
    """Whatever was done before the kill: what is left names its people until all else is gone."""
    import shutil

    from manifests.store import Store
    from manifests.tombstones import Tombstones
    from pipelines.forgetting.purge import Purge

    folder, _ = done
    tombstones = Tombstones().added(names=["anna"])
    whole = [one.name for one in Purge(Store(folder / "out"), tombstones, homes={}).changes()]
    for stop_at in range(1, len(whole), 5):
        out = tmp_path / str(stop_at)
        shutil.copytree(folder / "out", out)
        for number, change in enumerate(Purge(Store(out), tombstones, homes={}).changes()):
            if number == stop_at:
                break
            change.apply()
        for change in Purge(Store(out), tombstones, homes={}).changes():
            change.apply()
        left = {path.name for path in out.rglob("*") if path.is_file()}
        assert not [name for name in left if name.startswith("both-")], stop_at
        shutil.rmtree(out)


@pytest.mark.parametrize(
    ("speak", "message"),
    [
        ({"server": None}, "imitates nobody until server.reference_audio_field names"),
        ({"server": {"base_url": "http://localhost:1/v1", "model": "m"}}, "embedded voices cannot imitate"),
        ({"clone": {"corpus": "c", "voice": "hibari:heart"}}, "server:"),
        ({"clone": {"corpus": "c", "voice": "server:x", "min_s": 9.0, "max_s": 2.0}}, "min_s exceeds max_s"),
    ],
)
def test_what_cannot_imitate_is_told_at_once(speak: dict[str, Any], message: str) -> None:
    good = {
        "server": SERVER | {"base_url": "http://localhost:1/v1"},
        "clone": {"corpus": "c", "voice": "server:x"},
    }
    assert SynthConfig.model_validate({"speak": good})
    with pytest.raises(ValueError, match=message):
        SynthConfig.model_validate({"speak": good | speak})


def test_a_corpus_that_is_not_there_stops_the_run(voices: None, tmp_path: Path) -> None:
    with pytest.raises(UnusableError, match=r"speak\.clone\.corpus: .*nowhere"):
        imitating(tmp_path, SCRIPTS[:1], tmp_path / "nowhere", "http://localhost:1/v1")
