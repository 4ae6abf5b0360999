"""`select.whole` on real recordings: captioned sound that is no speech, from its beginning to its end."""

from __future__ import annotations

import csv
import io
import shutil
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from set_samples import header_of, samples

from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter

MUSIC = "Kevin_MacLeod_-_Vibe_Ace.ogg"
CAPTIONS = {
    "am_hens.ogg": "hens cluck",
    MUSIC: "funk with brass",
    "libri.ogg": "a man reads",
    "noise.wav": "",
}


@pytest.fixture(scope="module")
def sounds(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sounds")
    shutil.copy2(media / "noise/am_hens.ogg", folder)
    shutil.copy2(media / "music" / MUSIC, folder)
    shutil.copy2(media / "noise/speechbrain_noise1.wav", folder / "noise.wav")
    shutil.copy2(media / "audio/libri_198-209-0000.ogg", folder / "libri.ogg")
    with (folder / "sidecar.csv").open("w", newline="") as handle:
        rows = [(name, "captioning", caption) for name, caption in CAPTIONS.items()]
        csv.writer(handle).writerows([("path", "task", "caption"), *rows])
    return folder


def make(sounds: Path, out: Path, *overrides: str) -> Built:
    cheap = ["tokenize.codecs=[]", "listen.dnsmos=false", "listen.events=false"]
    config = load_config(preset="av-dialog-stage1", overrides=[*cheap, *overrides])
    corpus = Corpus(Store(out), str(sounds), list_folder(sounds), build_steps(config))
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all: what is measured stays."""
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def captioned(sounds: Path, models: Path, store: Path) -> dict[str, list[dict[str, Any]]]:
    assert not make(sounds, store).account.problems
    return by_source(store)


def by_source(store: Path) -> dict[str, list[dict[str, Any]]]:
    """Headers by the source's path, in the order of time; each with its sound under `pcm`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for _, members in sorted(samples(store).items()):
        pcm, rate_hz = soundfile.read(io.BytesIO(members["native.flac"]), dtype="int16", always_2d=True)
        header = header_of(members) | {"pcm": pcm, "rate_hz": rate_hz}
        found.setdefault(header["source"]["path"], []).append(header)
    return found


def span(header: dict[str, Any]) -> tuple[Fraction, Fraction]:
    return Fraction(header["source"]["start"]), Fraction(header["source"]["stop"])


def test_what_has_a_caption_is_there_from_beginning_to_end(sounds: Path, captioned: dict[str, Any]) -> None:
    for name in ("am_hens.ogg", MUSIC):
        length_s = soundfile.info(str(sounds / name)).duration
        spans = [span(one) for one in captioned[name]]
        assert spans[0][0] == 0 and length_s - float(spans[-1][1]) < 0.08
        assert all(one[1] == later[0] for one, later in pairwise(spans))
        assert all(stop - start <= 15 for start, stop in spans)
    assert len(captioned[MUSIC]) > 1


def test_the_pieces_are_the_recording(sounds: Path, captioned: dict[str, Any]) -> None:
    """Put together they are the file as libsndfile reads it, within what two Vorbis decoders round."""
    truth, rate_hz = soundfile.read(str(sounds / MUSIC), dtype="int16", always_2d=True)
    whole = np.concatenate([one["pcm"] for one in captioned[MUSIC]])
    assert {one["rate_hz"] for one in captioned[MUSIC]} == {rate_hz}
    assert 0 <= len(truth) - len(whole) < 0.08 * rate_hz + 1
    assert np.abs(whole.astype(int) - truth[: len(whole)]).max() <= 2


def test_the_caption_is_said_to_be_of_the_whole_recording(sounds: Path, captioned: dict[str, Any]) -> None:
    length_s = soundfile.info(str(sounds / MUSIC)).duration
    for one in captioned[MUSIC]:
        assert one["caption"] == "funk with brass" and one["task"] == "captioning"
        start, stop = map(Fraction, one["caption_span"])
        assert start == 0 and float(stop) == pytest.approx(length_s, abs=0.05)
        assert start <= span(one)[0] < span(one)[1] <= stop


def test_speech_with_a_caption_is_whole_too_and_what_has_none_is_cut_as_ever(
    captioned: dict[str, Any],
) -> None:
    assert "noise.wav" not in captioned, "nobody speaks in it"
    assert span(captioned["libri.ogg"][0])[0] == 0


def test_never_is_as_before(sounds: Path, store: Path, captioned: dict[str, Any]) -> None:
    books = make(sounds, store, "select.whole=never").account
    ends = {row["path"]: row["reason"] for row in books.rows if row["kind"] == "source"}
    assert ends["am_hens.ogg"] == ends["noise.wav"] == "no_speech" and ends["libri.ogg"] is None
    headers = [one for found in by_source(store).values() for one in found]
    assert headers and all("caption_span" not in one for one in headers)


def test_all_takes_every_recording(sounds: Path, store: Path, captioned: dict[str, Any]) -> None:
    assert not make(sounds, store, "select.whole=all").account.problems
    found = by_source(store)
    assert found.keys() == CAPTIONS.keys() and "caption" not in found["noise.wav"][0]
    for name in ("am_hens.ogg", MUSIC):
        assert [one["key"] for one in found[name]] == [one["key"] for one in captioned[name]]
