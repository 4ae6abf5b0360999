"""Captions from a server that is really asked: what it is shown, what is written, and what goes wrong."""

from __future__ import annotations

import io
import json
import shutil
from base64 import b64encode
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
import soundfile
from caption_server import CAPTION, CaptionServer

from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import ConfigError, load_config
from pipelines.corpus import Corpus
from pipelines.driver import FatalError
from pipelines.engine import LocalEngine
from pipelines.look import read_sample
from pipelines.reporter import QuietReporter
from synth.llm.api_key import ApiKeyError

KEY = "sk-proj-Zq7Wm3Xv9Rt5Lk2Np8Bc4Hd6Fg1"
CHEAP = (
    *("watch.embedder=none", "who.model=none", "who.offset=none", "cut.members=[flac]"),
    *("listen.dnsmos=false", "listen.events=false"),
    *("pack.split_shares={train: 1}", "need_labels=[]", "tokenize.codecs=[]"),
)
QUICK = (
    *("caption.model=fake", "caption.server.backoff_s=0.01", "caption.server.deadline_s=5"),
    *("caption.server.tries=2", "caption.server.concurrency=4"),
)
OWN = "the corpus says that a woman reads"


@pytest.fixture(scope="module")
def clips(media: Path, models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face, two sounds to be captioned, one with a caption of its own, and one for something else."""
    folder = tmp_path_factory.mktemp("clips")
    shutil.copy(media / "video" / "grid_pwij3p.mpg", folder / "face.mpg")
    read, rate_hz = soundfile.read(media / "audio" / "libri_198-209-0000.ogg", dtype="int16")
    for number, name in enumerate(("read", "told", "own", "asr")):
        piece = read[number * 3 * rate_hz : (number + 1) * 3 * rate_hz]
        soundfile.write(folder / f"{name}.wav", piece, rate_hz)
    tasks = {"face.mpg": "", "read.wav": "", "told.wav": "", "own.wav": OWN}
    lines = [f"{name},captioning,{told},{Path(name).stem}" for name, told in tasks.items()]
    told = ["path,task,caption,speaker", *lines, "asr.wav,asr,,asr"]
    (folder / "sidecar.csv").write_text("\n".join(told) + "\n")
    return folder


def run(clips: Path, out: Path, *overrides: str, retry: tuple[str, ...] = ()) -> Built:
    config = load_config(preset="av-dialog-stage1", overrides=[*CHEAP, *overrides])
    listing = list_folder(clips, sidecar=clips / "sidecar.csv")
    corpus = Corpus(Store(out), str(clips), listing, build_steps(config), unit_s=config.engine.unit_s)
    built = build(corpus, config, engine=LocalEngine(), reporter=QuietReporter(), retry=retry)
    assert not built.account.problems
    return built


@pytest.fixture(scope="module")
def bare(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus before anybody was asked."""
    out = tmp_path_factory.mktemp("bare") / "corpus"
    run(clips, out)
    return out


@pytest.fixture
def out(bare: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bare, tmp_path / "corpus"))


def asked(clips: Path, out: Path, url: str, *overrides: str, **more: Any) -> Built:
    return run(clips, out, *QUICK, f"caption.server.base_url={url}", *overrides, **more)


def samples(built: Built) -> dict[str, tuple[dict[str, Any], dict[str, bytes]]]:
    """KEY.json and members, by the source's name without its suffix."""
    found = {}
    for row in built.account.rows:
        if row["kind"] == "clip" and row["status"] == "ok":
            _, members = read_sample(built.corpus.store, row["key"])
            found[Path(row["path"]).stem] = (json.loads(members["json"]), members)
    return found


def test_off_means_nothing_is_asked_and_nothing_is_said(bare: Path) -> None:
    built_steps = {path.name.partition("-")[0] for path in (bare / "steps").iterdir()}
    assert "caption" not in built_steps and not (bare / "llm").exists()


def test_the_server_hears_the_clip_sample_by_sample(clips: Path, out: Path) -> None:
    with CaptionServer() as server:
        found = samples(asked(clips, out, server.url))
    assert set(found) == {"face", "read", "told", "own", "asr"}
    heard = {}
    for shown in server.shown:
        ((kind, data),) = shown.sounds
        samples_heard, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16")
        assert (kind, rate_hz, shown.pictures) == ("wav", 16_000, ())
        heard[samples_heard.tobytes()] = data
    truth = {
        name: soundfile.read(io.BytesIO(found[name][1]["flac"]), dtype="int16")[0].tobytes()
        for name in ("face", "read", "told")
    }
    assert heard.keys() == set(truth.values()) and server.total == 3
    for name in truth:
        header = found[name][0]
        assert (header["caption"], header["caption_from"]) == (CAPTION, "server")
        about = header["caption_by"]
        assert (about["model"], about["served_model"], about["prompt"], about["prompt_version"]) == (
            *("fake", "fake"),
            *("caption", 1),
        )
        assert (about["sound"], about["frames"]) == (True, 0)
        assert (about["prompt_tokens"], about["completion_tokens"]) == (100, 20)
        assert (out / "llm" / about["request"][:2] / f"{about['request']}.json").is_file()
    own = found["own"][0]
    assert (own["caption"], own["caption_from"]) == (OWN, "corpus") and "caption_by" not in own
    assert not {"caption", "caption_from"} & found["asr"][0].keys()
    kept = b"".join(path.read_bytes() for path in (out / "llm").rglob("*.json"))
    assert b64encode(next(iter(heard.values())))[:200] not in kept  # digests, not sound


def test_flac_goes_as_it_is_packed_and_all_tasks_can_be_asked_about(clips: Path, out: Path) -> None:
    with CaptionServer() as server:
        found = samples(asked(clips, out, server.url, "caption.sound=flac", "caption.tasks=[]"))
    sent = {shown.sounds[0] for shown in server.shown}
    assert sent == {("flac", found[name][1]["flac"]) for name in ("face", "read", "told", "asr")}
    assert found["asr"][0]["caption_from"] == "server" and found["own"][0]["caption_from"] == "corpus"


def test_frames_are_the_source_s_at_even_distances(clips: Path, out: Path) -> None:
    """Against a decode by PyAV alone; JPEG and a smaller size change pixels, not which frame it is."""
    with CaptionServer() as server:
        built = asked(clips, out, server.url, "caption.frames=3", "caption.frame_px=180")
        found = samples(built)["face"][0]
    (shown,) = (one for one in server.shown if one.pictures)
    assert len(shown.sounds) == 1 and "3 pictures" in shown.text
    start, stop = (Fraction(found["source"][edge]) for edge in ("start", "stop"))
    with av.open(clips / "face.mpg") as container:
        decoded = [
            (Fraction(f.pts) * f.time_base, f.to_ndarray(format="bgr24")) for f in container.decode(video=0)
        ]
    frames = [(pts, cv2.resize(image, (180, 144))) for pts, image in decoded]
    for number, data in enumerate(shown.pictures):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (144, 180, 3)
        differences = [np.abs(picture.astype(int) - image).mean() for _, image in frames]
        middle = start + (stop - start) * Fraction(2 * number + 1, 6)
        nearest = min(range(len(frames)), key=lambda at: abs(frames[at][0] - middle))
        assert int(np.argmin(differences)) == nearest and differences[nearest] < 4
    assert found["caption_by"]["frames"] == 3 and found["caption_by"]["sound"] is True


def test_a_rerun_costs_nothing_and_gives_the_same_shards(clips: Path, out: Path, tmp_path: Path) -> None:
    with CaptionServer() as server:
        asked(clips, out, server.url)
        first = {path.name: path.read_bytes() for path in (out / "shards").iterdir()}
        for folder in [*(out / "steps").glob("caption-*"), *(out / "steps").glob("pack-*")]:
            shutil.rmtree(folder)  # only what was answered is left
        asked(clips, out, server.url, "caption.server.concurrency=1", "engine.unit_s=0")
        assert server.total == 3
    assert {path.name: path.read_bytes() for path in (out / "shards").iterdir()} == first


def test_another_prompt_is_another_caption(clips: Path, out: Path, tmp_path: Path) -> None:
    (tmp_path / "caption.yaml").write_text(
        "name: caption\nversion: 7\nsource: me\nsystem: Describe in $language.\nuser: Here is $given\n"
    )
    with CaptionServer() as server:
        first = samples(asked(clips, out, server.url))["read"][0]["caption_by"]
        second = samples(asked(clips, out, server.url, f"caption.prompts={tmp_path}"))["read"][0][
            "caption_by"
        ]
        assert server.total == 6
    assert (first["prompt_version"], second["prompt_version"]) == (1, 7)
    assert first["prompt_sha"] != second["prompt_sha"]
    assert server.bodies[-1]["messages"][0]["content"] == "Describe in en."


def test_what_failed_is_asked_again_on_request(clips: Path, out: Path) -> None:
    with CaptionServer(lambda number, row: "500") as server:
        assert samples(asked(clips, out, server.url))["read"][0]["missing"]["caption"] == "llm_no_answer"
        server.script = lambda number, row: "ok"
        assert "caption" not in samples(asked(clips, out, server.url))["read"][0]
        again = samples(asked(clips, out, server.url, retry=("failed",)))
    assert again["read"][0]["caption"] == CAPTION and "caption" not in again["read"][0]["missing"]


def test_a_budget_ends_the_asking_and_a_larger_one_goes_on(clips: Path, out: Path) -> None:
    one_by_one = "caption.server.concurrency=1"
    with CaptionServer(lambda number, row: "dear") as server:
        small = samples(asked(clips, out, server.url, one_by_one, "caption.budget.tokens=8000"))
        ends = [one[0] for name, one in small.items() if name in ("face", "read", "told")]
        # 5020 a caption: after the second nothing is left
        assert sum("caption" in one for one in ends) == server.total == 2
        left = [one["missing"]["caption"] for one in ends if "caption" not in one]
        assert left == ["llm_budget_spent"]
        large = samples(asked(clips, out, server.url, "caption.budget.tokens=100000"))
        assert server.total == 3
    assert all("caption" in large[name][0] for name in ("face", "read", "told"))


def test_who_is_forgotten_leaves_no_answer(clips: Path, out: Path) -> None:
    """Neither the caption nor the answer that was rejected before it."""
    from pipelines.forget import forget

    with CaptionServer(lambda number, row: "refusal_text" if number == 1 else "ok") as server:
        found = samples(asked(clips, out, server.url))
    assert found["read"][0]["caption_by"]["prompt_tokens"] == 200  # of two answers
    before = set((out / "llm").rglob("*.json"))
    theirs = {path for path in before if found["read"][0]["source"]["id"] in path.read_text()}
    assert len(before) == 6 and len(theirs) == 2
    forget(str(out), ["read"])
    assert set((out / "llm").rglob("*.json")) == before - theirs


def test_a_model_that_hears_nothing_stops_the_run(clips: Path, out: Path) -> None:
    with CaptionServer(lambda number, row: "text_only") as server, pytest.raises(FatalError) as told:
        asked(clips, out, server.url, "caption.server.concurrency=1")
    assert "fake takes no sound" in str(told.value) and "At most 0 audio" in str(told.value)
    assert server.total == 1


def test_what_is_lacking_is_said_before_any_work(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    for overrides, told in {
        ("caption.model=m",): "caption.server",
        ("caption.server.base_url=http://localhost/v1",): "caption.model",
        (*QUICK, "caption.server.base_url=http://localhost/v1", "caption.sound=null"): "sound",
        (*QUICK, "caption.server.base_url=http://localhost/v1", "cut.members=[lips]"): "flac",
        (*QUICK, f"caption.server.base_url=http://user:{KEY}@localhost/v1"): "caption.server.base_url",
    }.items():
        with pytest.raises(ConfigError, match=told) as error:
            run(clips, tmp_path / "out", *overrides)
        assert KEY not in str(error.value)
    with pytest.raises(ApiKeyError, match="OPENAI_API_KEY"):
        run(clips, tmp_path / "out", *QUICK, "caption.server.base_url=https://example.org/v1")
    assert not list((tmp_path / "out").glob("steps/*"))
