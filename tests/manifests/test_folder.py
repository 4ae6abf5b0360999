from __future__ import annotations

import os
from pathlib import Path

import pytest

from manifests.sidecar import SidecarError
from manifests.sources.folder import CorpusError, list_folder

AWKWARD = ["-dash.mp4", "with space.mp4", "line\nbreak.mp4", "ünï/日本.MOV", "50%.wav", "a:b.mkv"]


def make(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_awkward_names_are_listed_once_in_order(tmp_path: Path) -> None:
    make(tmp_path, [*AWKWARD, "notes.txt", ".hidden.mp4", ".git/x.mp4"])
    found = list_folder(tmp_path)
    assert [one.path for one in found.sources] == sorted(AWKWARD)
    assert len({one.id for one in found.sources}) == len(AWKWARD)


def test_a_changed_file_has_another_fingerprint_and_the_same_id(tmp_path: Path) -> None:
    make(tmp_path, ["a.mp4"])
    (before,) = list_folder(tmp_path).sources
    os.utime(tmp_path / "a.mp4", (1, 1))
    (after,) = list_folder(tmp_path).sources
    assert before.id == after.id and before.fingerprint != after.fingerprint


def test_a_sidecar_beside_the_clips_is_found(tmp_path: Path) -> None:
    make(tmp_path, ["a.mp4", "b.mp4"])
    (tmp_path / "sidecar.csv").write_text("path,speaker\na.mp4,ann\nx.mp4,bob\n")
    found = list_folder(tmp_path)
    assert [one.labels for one in found.sources] == [{"speaker": "ann"}, {}]
    assert len(found.complaints) == 1


def test_what_cannot_be_followed_is_told(tmp_path: Path) -> None:
    make(tmp_path, ["a.mp4", "real/b.mp4"])
    (tmp_path / "gone.mp4").symlink_to(tmp_path / "nowhere.mp4")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    found = list_folder(tmp_path)
    assert [one.path for one in found.sources] == ["a.mp4", "real/b.mp4"]
    assert {one.where for one in found.complaints} == {"gone.mp4", "linked"}


def test_a_build_inside_the_corpus_is_not_its_input(tmp_path: Path) -> None:
    make(tmp_path, ["a.mp4", "corpus/steps/x/data/y.face.mp4"])
    (tmp_path / "corpus" / "duologue.yaml").write_text("")
    assert [one.path for one in list_folder(tmp_path).sources] == ["a.mp4"]


def test_one_file_is_a_corpus(tmp_path: Path) -> None:
    make(tmp_path, ["a.mp4", "b.mp4"])
    assert [one.path for one in list_folder(tmp_path / "a.mp4").sources] == ["a.mp4"]


def test_nothing_usable_is_said(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="no file with a media suffix"):
        list_folder(tmp_path)
    with pytest.raises(CorpusError, match="no such file"):
        list_folder(tmp_path / "gone")
    make(tmp_path, ["a.mp4"])
    with pytest.raises(SidecarError, match="no such file"):
        list_folder(tmp_path, sidecar=tmp_path / "labels.csv")


def test_a_text_is_a_source_only_where_the_sidecar_says_so(tmp_path: Path) -> None:
    make(tmp_path, ["talk.mp4", "talk.txt", "essay.txt", "notes.txt", "other/essay.txt"])
    (tmp_path / "sidecar.csv").write_text(
        "path,task,language\ntalk.mp4,asr,\nessay.txt,text_continuation,en\nnotes.txt,asr,\n"
    )
    found = list_folder(tmp_path)
    assert [(one.path, one.labels) for one in found.sources] == [
        ("essay.txt", {"task": "text_continuation", "language": "en"}),
        ("talk.mp4", {"task": "asr"}),
    ]
    essay, talk = found.sources
    assert essay.transcript is None and talk.transcript is not None
    assert [(one.where, str(one.reason)) for one in found.complaints] == [
        ("sidecar.csv line 4", "sidecar_unmatched")
    ]
    assert [one.path for one in list_folder(tmp_path, pattern="*.mp4").sources] == ["talk.mp4"]


def test_a_single_text_is_no_recording(tmp_path: Path) -> None:
    make(tmp_path, ["essay.txt"])
    with pytest.raises(CorpusError, match="--reader text"):
        list_folder(tmp_path / "essay.txt")
