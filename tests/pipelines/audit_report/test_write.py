"""The whole report: same bytes, bounded media, damage told, texts escaped, changes and probes shown."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from audit_report_records import audit, check, column, example
from made_audit import HOSTILE
from made_corpus import Made, header, talk, write_corpus

from pipelines.audit.compare import AuditFileError
from pipelines.audit.report.cards import MediaLimits
from pipelines.audit.report.write import write_report

FEW = MediaLimits(n_samples=2, n_dialogues=0)
KEYS = [f"{n:016x}-t00-{n * 7:07d}" for n in range(8)]
FINDINGS = audit(
    check("quiet", "fail", n=8, n_bad=8, worst=[example(key, value=1.0, detail=HOSTILE[1]) for key in KEYS]),
    column([3, 4, 1], thresholds={"max": 2.0}, n_bad=1, verdict="warn", worst=[example(KEYS[3], value=2.5)]),
)


def files_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".tmp" not in path.parts
    }


class Tags(HTMLParser):
    """Names of all elements, and of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_same_audit_and_corpus_give_the_same_bytes(corpus: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(corpus, moved)
    (tmp_path / "audit.json").write_text(json.dumps(FINDINGS))
    write_report(str(corpus), FINDINGS, str(tmp_path / "one"))
    write_report(str(moved), tmp_path / "audit.json", str(tmp_path / "two"))
    one, two = files_of(tmp_path / "one"), files_of(tmp_path / "two")
    assert one == two
    # the page; a face and a clip of each of eight, a strip of seven; of two views a face and a clip, of two
    # people a strip
    assert len(one) == 1 + (8 + 8 + 7) + (2 + 2 + 2)
    assert str(corpus) not in one["index.html"].decode() and str(tmp_path) not in one["index.html"].decode()


def test_texts_of_the_corpus_are_escaped(corpus: Path, tmp_path: Path) -> None:
    page = Path(write_report(str(corpus), FINDINGS, str(tmp_path))).read_text()
    tags = Tags(page)
    assert not {name for name in tags.attributes if name.startswith("on")}
    assert page.count("<script") == 1 and page.count("</script") == 1
    assert "unsafe-inline'; script-src 'sha256-" in page
    for text in HOSTILE[:3]:
        assert text not in page
    assert HOSTILE[4] in page


def test_media_stay_within_their_bounds(corpus: Path, tmp_path: Path) -> None:
    def made(n_bytes: int) -> tuple[str, dict[str, int]]:
        limits = MediaLimits(n_samples=4, n_dialogues=1, n_bytes=n_bytes)
        page = Path(write_report(str(corpus), FINDINGS, str(tmp_path), limits=limits)).read_text()
        return page, {path.name: path.stat().st_size for path in (tmp_path / "media").iterdir()}

    page, every = made(10**8)
    assert page.count("<article") == 4 and page.count("<video") == 4 and "did not fit" not in page
    pictures = {name: size for name, size in every.items() if name.endswith(".jpg")}
    smallest_clip = min(every[name] for name in every.keys() - pictures.keys())
    page, found = made(sum(pictures.values()) + smallest_clip)
    assert pictures.items() <= found.items() <= every.items()  # pictures come first
    assert 0 < sum(found.values()) <= sum(pictures.values()) + smallest_clip
    assert page.count("<video") == 1 and "3 did not fit" in page


def test_an_older_report_in_the_folder_leaves_nothing(corpus: Path, tmp_path: Path) -> None:
    stale, mine = tmp_path / "media" / f"{'0' * 16}.jpg", tmp_path / "media" / "holiday.jpg"
    stale.parent.mkdir()
    stale.write_bytes(b"old")
    mine.write_bytes(b"mine")
    write_report(str(corpus), FINDINGS, str(tmp_path), limits=FEW)
    assert not stale.exists() and mine.read_bytes() == b"mine"


def test_what_is_damaged_is_told_and_the_rest_is_shown(corpus: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "corpus"
    shutil.copytree(corpus, damaged)
    lost, cut = sorted((damaged / "shards").glob("train-*.tar"))[:2]
    lost.unlink()
    cut.write_bytes(cut.read_bytes()[:60_000])
    page = Path(write_report(str(damaged), FINDINGS, str(tmp_path / "report"))).read_text()
    assert f"shard {lost.name} cannot be read to its end" in page
    assert "not in the shard: flac, hyps_asr.json, hyps_vsr.json, lips.mp4, units.npy" in page
    assert f"not in shard {cut.name}" in page
    assert "<video" in page


def test_a_folder_without_an_index_has_a_page_too(tmp_path: Path) -> None:
    page = Path(write_report(str(tmp_path / "nothing"), FINDINGS, str(tmp_path / "report"))).read_text()
    assert "Fails the policy" in page and KEYS[0] in page and "<article" not in page


def test_an_overlay_borrows_the_sound_of_its_corpus(tmp_path: Path) -> None:
    base = talk(1, "train", face_px=64)
    key = f"{base.key}-dark"
    about = {"key": base.key, "shard": "", "members": {"flac": "00"}}
    folder = write_corpus(tmp_path / "base", [base])
    about["shard"] = next((folder / "shards").glob("*.tar")).name
    picture = {"face.mp4": base.members["face.mp4"]}
    changed = Made(key, "train", header(key, "train", 27, base=about), picture)
    overlay = write_corpus(tmp_path / "set", [changed])
    (overlay / "duologue.yaml").write_text(json.dumps({"command": "testset", "corpus": str(folder)}))
    record = audit(check("dark", "warn", worst=[example(key)]))
    assert ">level" in _curves(write_report(str(overlay), record, str(tmp_path / "one")))
    shutil.rmtree(folder)
    page = Path(write_report(str(overlay), record, str(tmp_path / "two"))).read_text()
    assert f"flac: in {base.key} of the base corpus, which is not at hand" in page


def _curves(page: str) -> str:
    return "".join(
        line.replace("> ", ">") for line in Path(page).read_text().splitlines() if 'class="curve' in line
    )


def test_changes_since_the_audit_before(corpus: Path, tmp_path: Path) -> None:
    before = audit(check("quiet", n=8, n_bad=0), column([8, 0, 0]), check("gone"))
    page = Path(write_report(str(corpus), FINDINGS, str(tmp_path), before=before, limits=FEW)).read_text()
    for told in ("pass → fail", "is no longer checked", 'class="before"', "What changed"):
        assert told in page
    again = write_report(str(corpus), FINDINGS, str(tmp_path), limits=FEW)
    assert "What changed" not in Path(again).read_text()
    (tmp_path / "bad.json").write_text("[]")
    with pytest.raises(AuditFileError):
        write_report(str(corpus), FINDINGS, str(tmp_path), before=tmp_path / "bad.json")


def test_probes_stand_side_by_side(corpus: Path, tmp_path: Path) -> None:
    result: dict[str, Any] = {
        "corpus": "rendered",
        "n_dialogues": 20,
        "n_train_dialogues": 12,
        "n_test_frames": 900,
        "face": {"value": 0.98, "low": 0.968, "high": 0.992},
        "shuffled": {"value": 0.496, "low": 0.48, "high": 0.51},
        "gain": None,
        "groups": [
            {
                "group": "head_rotation",
                "drop": {"value": 0.3, "low": 0.25, "high": 0.35},
                "alone": {"value": 0.97, "low": 0.95, "high": 0.98},
            }
        ],
        "carried_by": "head_rotation",
        "reason": None,
    }
    without = {"corpus": HOSTILE[0], "groups": [], "reason": "too_few_dialogues", "detail": "4 of them"}
    record = FINDINGS | {"probes": [result, without]}
    page = Path(write_report(str(corpus), record, str(tmp_path), limits=FEW)).read_text()
    for told in ("0.980 [0.968, 0.992]", "carries it", "no answer, 4 of them", "left:98.0%"):
        assert told in page


def test_a_page_of_two_hundred_examples_stays_small(tmp_path: Path) -> None:
    checks = [
        check(f"c{number}", "fail", worst=[example(KEYS[n % 8], value=float(n)) for n in range(25)])
        for number in range(8)
    ]
    plots = [column([n * k % 97 for n in range(50)]) | {"id": f"h{k}"} for k in range(100)]
    record = audit(*checks, *plots)
    page = Path(write_report(str(tmp_path / "no-corpus"), record, str(tmp_path / "report")))
    assert page.stat().st_size < 1_500_000
