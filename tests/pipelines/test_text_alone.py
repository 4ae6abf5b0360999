"""Documents through a build and out of it: pieces, books, exports, forgetting."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from raw_search import hits
from set_samples import header_of, samples

from manifests.cards import CARD, write_cards
from manifests.exports.run import run_export
from manifests.sources.readers import read_corpus
from manifests.store import Store
from pipelines.audit.payload.sample import Sample
from pipelines.audit.payload.texts import measure_texts
from pipelines.audit.sketches import Limits
from pipelines.audit.summarise import Summariser
from pipelines.audit.tasks import Promised
from pipelines.build import Built, build, build_steps
from pipelines.config import load_config
from pipelines.contact_sheet import contact_sheet
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.forget import forget
from pipelines.look import replay_unit, sample_report
from pipelines.planning import estimate
from pipelines.reporter import QuietReporter
from pipelines.sample_page import write_page
from pipelines.steps.ingest import DOCUMENT

STORY = "\n\n".join(f"Paragraph {number}. " + "It goes on and on. " * 12 for number in range(9)) + "\n"
POEMS = [f"Poem {number}: ünï 日本." for number in range(6)]
BROKEN = {
    "nul.txt": (b"a\0b", "not_text"),
    "empty.txt": (b"", "empty_file"),
    "dots.txt": (b"...", "text_empty"),
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    (folder / "story.txt").write_text(STORY)
    for name, (data, _) in BROKEN.items():
        (folder / name).write_bytes(data)
    rows = [
        {
            "id": f"poem{number}",
            "text": text,
            "language": "en",
            "licence": "CC0-1.0",
            "speaker": f"poet{number % 3}",
        }
        for number, text in enumerate(POEMS)
    ]
    (folder / "poems.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def make(texts: Path, out: Path, *overrides: str, unit_s: float = 5.0) -> Built:
    config = load_config(preset="av-dialog-stage1", overrides=["tokenize.codecs=[]", *overrides])
    listing, root = read_corpus(str(texts), reader="text", stage=out.with_name(f"{out.name}.stage"))
    corpus = Corpus(Store(out), root, listing, build_steps(config), unit_s=unit_s)
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


@pytest.fixture(scope="module")
def built(texts: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    return make(texts, tmp_path_factory.mktemp("built") / "corpus", "select.max_text_chars=500")


def folder_of(built: Built) -> str:
    return str(built.corpus.store.root)


@dataclass(frozen=True)
class Piece:
    key: str
    header: dict[str, Any]
    text: str


def pieces_of(built: Built, path: str) -> list[Piece]:
    found = [
        Piece(key, header_of(members), members["txt"].decode())
        for key, members in samples(folder_of(built)).items()
    ]
    return sorted((one for one in found if one.header["source"]["path"] == path), key=lambda one: one.key)


def test_a_sample_is_its_text_and_what_is_known_of_it(built: Built) -> None:
    (piece,) = pieces_of(built, "poems.jsonl/poem3.txt")
    assert piece.text == piece.header["text"] == POEMS[3]
    assert piece.header["members"] == ["txt"] and piece.header["track"] is None
    assert (piece.header["task"], piece.header["speaker"]) == ("text_continuation", "poet0")
    assert (piece.header["language"], piece.header["licence"]) == ("en", "CC0-1.0")
    source = piece.header["source"]
    assert (source["text_start"], source["text_stop"]) == (0, len(POEMS[3])) and "start" not in source
    assert piece.header["duration_s"] == 0 and piece.header["rates_hz"] == {}
    lacking = dict.fromkeys(("flac", "native"), "no_audio")
    assert piece.header["missing"] == lacking | dict.fromkeys(("lips", "trust"), "no_video")


def test_a_long_document_comes_in_pieces_that_say_where_they_are(built: Built) -> None:
    pieces = pieces_of(built, "story.txt")
    assert len(pieces) > 3
    for one in pieces:
        start, stop = (one.header["source"][name] for name in ("text_start", "text_stop"))
        assert STORY[start:stop] == one.text and 0 < len(one.text) <= 500
        assert one.key == f"{one.header['source']['id']}-na-{start:07d}"
    assert "".join("".join(one.text for one in pieces).split()) == "".join(STORY.split())


def test_the_sums_balance(built: Built) -> None:
    books = built.account
    assert not books.problems
    ends = {row["path"]: (row["status"], row["reason"]) for row in books.rows if row["kind"] == "source"}
    poems = {f"poems.jsonl/poem{number}.txt": ("ok", None) for number in range(6)}
    broken = {name: ("failed", reason) for name, (_, reason) in BROKEN.items()}
    assert ends == {"story.txt": ("ok", None), **poems, **broken}
    clips = [row for row in books.rows if row["kind"] == "clip"]
    assert len(clips) == len(samples(folder_of(built))) and {row["start_s"] for row in clips} == {None}


def test_everybody_s_documents_are_in_one_split(built: Built) -> None:
    splits: dict[str, set[str]] = {}
    for members in samples(folder_of(built)).values():
        header = header_of(members)
        splits.setdefault(header.get("speaker", header["source"]["id"]), set()).add(header["split"])
    assert len(splits) == 4 and all(len(found) == 1 for found in splits.values())


def test_the_bundling_of_work_changes_no_byte(built: Built, texts: Path, tmp_path: Path) -> None:
    alone = make(texts, tmp_path / "other", "select.max_text_chars=500", unit_s=0.001)
    names = [
        sorted(path.name for path in Path(folder_of(one), "shards").glob("*.tar")) for one in (built, alone)
    ]
    assert names[0] == names[1]
    assert samples(folder_of(built)) == samples(folder_of(alone))


def test_a_moved_limit_cuts_only_what_is_new(texts: Path, tmp_path: Path) -> None:
    first = make(texts, tmp_path / "corpus", "select.max_text_chars=500")
    before = {one.id for one in first.corpus.items("cut").values()}
    second = make(texts, tmp_path / "corpus")
    after = {one.id for one in second.corpus.items("cut").values()}
    assert len(after - before) == 1 and len(before & after) == 6, "the poems stay, the story is one piece now"
    assert pieces_of(second, "story.txt")[0].text == STORY.strip()


@pytest.mark.parametrize(
    ("needs", "reason"), [("select.need_video=true", "no_video"), ("select.need_audio=true", "no_audio")]
)
def test_a_config_that_needs_more_than_text_says_so(
    texts: Path, tmp_path: Path, needs: str, reason: str
) -> None:
    built = make(texts, tmp_path / "corpus", needs)
    assert (
        not built.account.problems and built.account.reasons[reason] == 7 == built.account.sources["skipped"]
    )


def test_it_can_be_looked_at(built: Built, tmp_path: Path) -> None:
    (piece,) = pieces_of(built, "poems.jsonl/poem1.txt")
    table = sample_report(folder_of(built), piece.key)
    assert POEMS[1] in list(table.columns[2].cells)
    page = write_page(folder_of(built), piece.key, tmp_path / "page.html").read_text()
    assert f"characters 0–{len(POEMS[1])}" in page and POEMS[1] in page
    contact_sheet(sorted(Path(folder_of(built), "shards").glob("*.tar")), tmp_path / "sheet.png")
    told = "\n".join(replay_unit(folder_of(built), piece.key))
    assert "same as its receipt" in told and "DIFFERS" not in told
    assert all(
        one.done == one.planned and one.hours == 0 for one in estimate(built.corpus) if one.name != "select"
    )


def test_the_card_counts_it(built: Built) -> None:
    write_cards(folder_of(built), name="Texts", description="By hand.")
    page = Path(folder_of(built), CARD).read_text()
    n_story = len(pieces_of(built, "story.txt"))
    assert "| CC0-1.0 | 6 |" in page and f"{n_story} of {n_story + 6} samples have no licence given." in page
    assert "a piece of a document of text alone" in page


def test_the_audit_sees_neither_length_nor_pace(built: Built) -> None:
    found = Summariser({"clip_duration": Limits(0.08, 60.0), "text_rate": Limits(1.0, 35.0)}, {})
    found.add("index", pq.read_table(Path(folder_of(built), "shards/index.parquet")))
    for key, members in samples(folder_of(built)).items():
        header = header_of(members)
        promised = Promised(header["split"], 0.0, tuple(members))
        measure_texts(Sample(key, "shard", header, members, promised, found))
    assert {name: sketch.facts()["n"] for (name, _), sketch in found.found.items()} == {"clip_duration": 0}


def test_hugging_face_reads_it(built: Built, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    run_export(folder_of(built), "hf-datasets", str(tmp_path / "hf"))
    found = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    rows = {row["key"]: row for part in found.values() for row in part}
    truth = samples(folder_of(built))
    assert rows.keys() == truth.keys()
    for key, row in rows.items():
        assert row["text"].encode() == row["txt"] == truth[key]["txt"]
        assert json.loads(row["header"]) == header_of(truth[key])


def test_energon_has_it_and_sound_formats_say_why_not(built: Built, tmp_path: Path) -> None:
    done = run_export(folder_of(built), "energon", str(tmp_path / "energon"))
    assert done.ok == len(samples(folder_of(built)))
    heard = run_export(folder_of(built), "lhotse-shar", str(tmp_path / "shar"))
    assert heard.ok == 0 and heard.reasons["member_missing"] == len(samples(folder_of(built)))


def test_a_writer_is_forgotten(texts: Path, models: Path, tmp_path: Path) -> None:
    out, stage = tmp_path / "corpus", tmp_path / "corpus.stage"
    make(texts, out)
    done = forget(str(out), ["poet1"], derived=[str(stage)])
    assert done.n_samples == 2 and not done.traces
    assert not hits(out, ["poet1", POEMS[1], POEMS[4]])
    again = make(texts, out)
    assert len(samples(out)) == 5 and not again.account.problems
    assert not list(stage.rglob("poem1.txt")), "nor does reading the table bring it back"


def test_a_text_of_the_folder_is_a_document_where_the_sidecar_says_so(tmp_path: Path, models: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    (clips / "essay.txt").write_text("An essay.")
    with (clips / "sidecar.csv").open("w", newline="") as handle:
        csv.writer(handle).writerows([("path", "task"), ("essay.txt", "text_continuation")])
    listing, root = read_corpus(str(clips))
    config = load_config(preset="av-dialog-stage1", overrides=["tokenize.codecs=[lyra]"])
    corpus = Corpus(Store(tmp_path / "out"), root, listing, build_steps(config))
    build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())
    (recording,) = corpus.rows("ingest")
    assert (
        recording["container"] == DOCUMENT and recording["audio_stream"] is recording["video_stream"] is None
    )
    (sample,) = samples(tmp_path / "out").values()
    assert sample["txt"] == b"An essay." and header_of(sample)["missing"]["lyra"] == "no_audio"
