"""pyannote's pipeline with seeded random weights of its networks: labels mean nothing, all else must hold."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile
import yaml
from numpy.typing import NDArray

from extractors.audio import to_mono16k
from extractors.diarization import Diarization
from extractors.pyannote_diarization import PyannoteDiarizer, pipeline_digest
from extractors.torchaudio_import import import_torchaudio
from extractors.voice_embedding import ResemblyzerVoice, Windows
from extractors.weights import MissingWeightsError, WeightsError
from manifests.sources.folder import list_folder
from manifests.store import Store
from pipelines.build import Built, build, build_steps
from pipelines.config import load_config
from pipelines.corpus import Corpus
from pipelines.engine import LocalEngine
from pipelines.reporter import QuietReporter
from pipelines.sections import VoicesConfig
from pipelines.steps.voices import Voices

Sound = NDArray[np.float32]
STEP = 0.5
COMMUNITY: dict[str, Any] = {
    "dependencies": {"pyannote.audio": "4.0.0"},
    "pipeline": {
        "name": "pyannote.audio.pipelines.SpeakerDiarization",
        "params": {
            "clustering": "VBxClustering",
            "segmentation": "$model/segmentation",
            "segmentation_step": STEP,
            "embedding": "$model/embedding",
            "embedding_exclude_overlap": True,
            "plda": "$model/plda",
        },
    },
    "params": {
        "clustering": {"threshold": 0.6, "Fa": 0.07, "Fb": 0.8},
        "segmentation": {"min_duration_off": 0.0},
    },
}
"""As the hub's `speaker-diarization-community-1` has it, with longer steps."""
OF_3_1: dict[str, Any] = {
    "version": "3.1.0",
    "pipeline": {
        "name": "pyannote.audio.pipelines.SpeakerDiarization",
        "params": {
            "clustering": "AgglomerativeClustering",
            "segmentation": "segmentation/pytorch_model.bin",
            "segmentation_step": STEP,
            "embedding": "embedding/pytorch_model.bin",
            "embedding_exclude_overlap": True,
        },
    },
    "params": {
        "clustering": {"method": "centroid", "min_cluster_size": 1, "threshold": 0.7},
        "segmentation": {"min_duration_off": 0.0},
    },
}


def has_pyannote() -> bool:
    try:
        return metadata.version("pyannote.audio").startswith("4.")
    except metadata.PackageNotFoundError:
        return False


@pytest.fixture(scope="session")
def pyannote() -> None:
    if not has_pyannote():
        pytest.skip("pyannote.audio 4 is not installed")
    os.environ["PYANNOTE_METRICS_ENABLED"] = "false"  # of what the tests call themselves


def stub(folder: Path, config: dict[str, Any]) -> Path:
    """A folder that looks like a pipeline."""
    for name in ("segmentation/pytorch_model.bin", "embedding/pytorch_model.bin", "plda/plda.npz"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"0")
    (folder / "plda" / "xvec_transform.npz").write_bytes(b"0")
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def changed(**params: object) -> dict[str, Any]:
    """`COMMUNITY` with other parameters of the pipeline; None takes one out."""
    config: dict[str, Any] = json.loads(json.dumps(COMMUNITY))
    found = config["pipeline"]["params"] | params
    config["pipeline"]["params"] = {name: value for name, value in found.items() if value is not None}
    return config


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            changed(segmentation="pyannote/segmentation-3.0"),
            "segmentation is pyannote/segm.*, which is not",
        ),
        (changed(embedding=None), "must name a path for embedding"),
        (changed(plda=None), "must name a path for plda"),
        (changed(embedding="../elsewhere"), "outside of the folder"),
        (changed(embedding="/etc/hosts"), "outside of the folder"),
        (changed(plda="plda/plda.npz"), "plda is plda/plda.npz, which is not"),
        (COMMUNITY | {"preprocessors": {"audio": {"name": "os.system"}}}, "other code"),
        (
            COMMUNITY | {"pipeline": {"name": "subprocess.Popen", "params": {}}},
            "only pyannote.audio",
        ),
        ({"pipeline": []}, "no configuration"),
    ],
)
def test_what_would_leave_the_folder_is_refused(tmp_path: Path, config: dict[str, Any], told: str) -> None:
    with pytest.raises(WeightsError, match=told):
        PyannoteDiarizer(str(stub(tmp_path, config)))
    with pytest.raises(WeightsError, match=told):
        pipeline_digest(str(tmp_path))


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"no-such-folder.*no config\.yaml"):
        PyannoteDiarizer(str(tmp_path / "no-such-folder"))


@pytest.mark.skipif(has_pyannote(), reason="pyannote.audio is installed")
def test_no_package(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="pip install"):
        pipeline_digest(str(stub(tmp_path, COMMUNITY)))


@pytest.mark.usefixtures("pyannote")
def test_the_digest_covers_every_file(tmp_path: Path) -> None:
    folder = stub(tmp_path / "pipeline", COMMUNITY)
    (folder / "plda").rename(tmp_path / "plda")
    (folder / "plda").symlink_to(tmp_path / "plda")
    digests = [pipeline_digest(str(folder))]
    (folder / ".cache").mkdir()
    (folder / ".cache" / "note").write_text("downloaded today")
    assert pipeline_digest(str(folder)) == digests[0]
    for name in ("plda/plda.npz", "embedding/pytorch_model.bin", "config.yaml", "further.txt"):
        with (folder / name).open("a") as file:
            file.write("\n")
        digests.append(pipeline_digest(str(folder)))
    assert len(set(digests)) == 5


@pytest.fixture(scope="module")
def sound(pyannote: None, media: Path) -> Sound:
    """Ten seconds of two people."""
    pcm, rate_hz = soundfile.read(media / "audio" / "katiesteve_mono.wav", dtype="float32", always_2d=True)
    return to_mono16k(pcm.T, rate_hz)[: 10 * 16_000]


@pytest.fixture(scope="module")
def folder(sound: Sound, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PyanNet and WeSpeaker's ResNet34 as published (windows of 5 s, not 10), and a PLDA, all random."""
    import torch

    import_torchaudio()
    from pyannote.audio.core.task import Problem, Resolution, Specifications
    from pyannote.audio.models.embedding import WeSpeakerResNet34
    from pyannote.audio.models.segmentation import PyanNet

    torch.manual_seed(3)
    torch.set_num_threads(1)
    found = stub(tmp_path_factory.mktemp("pyannote"), COMMUNITY)
    heard = PyanNet(lstm={"num_layers": 4})
    three = {"classes": ["a", "b", "c"], "powerset_max_classes": 2, "permutation_invariant": True}
    heard.specifications = Specifications(
        Problem.MONO_LABEL_CLASSIFICATION, Resolution.FRAME, duration=5.0, **three
    )
    heard.build()
    spread(heard, sound)
    voice = WeSpeakerResNet34()
    voice.specifications = Specifications(Problem.REPRESENTATION, Resolution.CHUNK, duration=5.0)
    for name, model in {"segmentation": heard, "embedding": voice}.items():
        parts = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams)}
        checkpoint = {**parts, "pytorch-lightning_version": metadata.version("lightning")}
        model.on_save_checkpoint(checkpoint)
        torch.save(checkpoint, found / name / "pytorch_model.bin")
    rng = np.random.default_rng(3)
    lda = np.linalg.qr(rng.normal(size=(256, 128)))[0]
    transform = {"mean1": rng.normal(size=256) / 100, "mean2": rng.normal(size=128) / 100, "lda": lda}
    np.savez(found / "plda" / "xvec_transform.npz", **transform)
    plda = {"mu": np.zeros(128), "tr": np.linalg.qr(rng.normal(size=(128, 128)))[0]}
    np.savez(found / "plda" / "plda.npz", **plda, psi=np.linspace(9, 1, 128))
    return found


@pytest.fixture(scope="module")
def of_3_1(folder: Path) -> Path:
    """It has no PLDA, which pyannote 4 would fetch from the hub, and links, as the hub's cache has."""
    old = folder.with_name("of-3-1")
    old.mkdir()
    for name in ("segmentation", "embedding"):
        (old / name).symlink_to(folder / name)
    (old / "config.yaml").write_text(yaml.safe_dump(OF_3_1))
    return old


def spread(network: Any, pcm: Sound) -> None:
    """Random networks always say the same: standardise what the last layer hears, so that classes change."""
    import torch

    seen: list[Any] = []
    hook = network.classifier.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.inference_mode():
        network.eval()(torch.tensor(pcm[:80_000])[None, None])
    hook.remove()
    with torch.no_grad():
        middle, scale = seen[0][0].mean(dim=0), seen[0][0].std(dim=0) + 1e-3
        network.classifier.weight /= scale
        network.classifier.bias.copy_(-network.classifier.weight @ middle)


class Noting(ResemblyzerVoice):
    """Keeps which windows it was asked for."""

    def __init__(self) -> None:
        super().__init__(str(metadata.distribution("resemblyzer").locate_file("resemblyzer/pretrained.pt")))
        self.asked: list[Windows] = []

    def __call__(self, pcm: Sound, windows: Windows) -> Sound:
        self.asked.append(windows)
        return super().__call__(pcm, windows)


@pytest.fixture(scope="module")
def embedder() -> Noting:
    return Noting()


@pytest.fixture(scope="module")
def diarizer(folder: Path) -> PyannoteDiarizer:
    return PyannoteDiarizer(str(folder))


@pytest.fixture(scope="module")
def found(diarizer: PyannoteDiarizer, sound: Sound, embedder: Noting) -> Diarization:
    embedder.asked.clear()
    return diarizer(sound, embedder)


@pytest.fixture(scope="module")
def direct(folder: Path, sound: Sound) -> Any:
    """What pyannote itself says of the folder, cut to the sound."""
    import torch
    from pyannote.audio import Pipeline
    from pyannote.core import Segment

    pipeline = Pipeline.from_pretrained(folder)
    said = pipeline({"waveform": torch.tensor(sound)[None], "sample_rate": 16_000}).speaker_diarization
    return said.crop(Segment(0, len(sound) / 16_000))


def test_it_says_what_pyannote_says(found: Diarization, direct: Any) -> None:
    assert len(direct.labels()) >= 2, "a test of nothing otherwise"
    expected: dict[str, list[tuple[float, float]]] = {}
    for turn, _, label in direct.itertracks(yield_label=True):
        expected.setdefault(label, []).append((turn.start, turn.end))
    for number, label in enumerate(sorted(expected, key=lambda one: expected[one][0])):
        mine = [(one.start_s, one.stop_s) for one in found.activities if one.speaker == number]
        assert mine == expected[label]
    assert {one.margin for one in found.activities} == {None}


def test_overlaps_are_where_two_speak(found: Diarization, direct: Any) -> None:
    from pyannote.core import Segment, Timeline

    assert direct.get_overlap(), "a test of nothing otherwise"
    mine = Timeline([Segment(one.start_s, one.stop_s) for one in found.overlaps])
    assert list(mine.support()) == list(direct.get_overlap().support())
    for one in found.overlaps:
        assert one.speakers[0] < one.speakers[1] < len(found.voices)
        for speaker in one.speakers:
            spans = [(a.start_s, a.stop_s) for a in found.activities if a.speaker == speaker]
            assert any(start <= one.start_s and one.stop_s <= stop for start, stop in spans)


def test_a_voice_is_that_of_the_stretches_it_speaks_alone(
    found: Diarization, direct: Any, embedder: Noting
) -> None:
    assert len(found.voices) == len(direct.labels()) == len(embedder.asked)
    assert np.linalg.norm(found.voices, axis=1) == pytest.approx(1.0, abs=1e-5)
    grid_s = np.arange(0, 10, 0.001) + 0.0005
    speaks = np.zeros((len(found.voices), len(grid_s)), bool)
    for one in found.activities:
        speaks[one.speaker] |= (one.start_s <= grid_s) & (grid_s < one.stop_s)
    alone = 0
    for speaker, windows in enumerate(embedder.asked):
        for start, stop in windows / 16_000:
            inside = (start + 0.002 < grid_s) & (grid_s < stop - 0.002)
            assert speaks[speaker, inside].all()
            alone += speaks[:, inside].sum(axis=0).max() == 1
    assert alone


@pytest.mark.parametrize("n_speakers", [1, 3])
def test_the_number_given_comes_out(
    diarizer: PyannoteDiarizer, sound: Sound, embedder: Noting, n_speakers: int
) -> None:
    told = diarizer(sound, embedder, n_speakers=n_speakers)
    assert len(told.voices) == len({one.speaker for one in told.activities}) == n_speakers
    first = {}
    for one in told.activities:
        first.setdefault(one.speaker, one.start_s)
    assert list(first) == list(range(n_speakers)), "numbered by first speech"


OFFLINE = """
import json, sys
tried = []
def watch(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo"):
        tried.append(str(arguments))
        raise OSError("no network here")
sys.addaudithook(watch)
import soundfile
from extractors.pyannote_diarization import PyannoteDiarizer
from extractors.voice_embedding import ResemblyzerVoice
folder, old, sound, weights = sys.argv[1:]
PyannoteDiarizer(old)
found = PyannoteDiarizer(folder)(soundfile.read(sound, dtype="float32")[0], ResemblyzerVoice(weights))
from pyannote.audio.telemetry.metrics import provider
provider.force_flush()
activities = [[one.speaker, one.start_s, one.stop_s] for one in found.activities]
print(json.dumps([tried, activities, found.voices.tobytes().hex()]))
"""


@pytest.mark.slow
def test_another_process_says_the_same_and_calls_nobody(
    folder: Path, of_3_1: Path, sound: Sound, found: Diarization, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "sound.wav", sound, 16_000, subtype="FLOAT")
    weights = metadata.distribution("resemblyzer").locate_file("resemblyzer/pretrained.pt")
    arguments = [str(one) for one in (folder, of_3_1, tmp_path / "sound.wav", weights)]
    command = [sys.executable, "-c", OFFLINE, *arguments]
    kept = {name: value for name, value in os.environ.items() if "PYANNOTE" not in name}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=kept)
    assert done.returncode == 0, done.stderr
    tried, activities, voices = json.loads(done.stdout.splitlines()[-1])
    assert tried == []
    assert activities == [[one.speaker, one.start_s, one.stop_s] for one in found.activities]
    assert voices == found.voices.tobytes().hex()


def test_a_pipeline_of_3_1_runs_without_a_plda(of_3_1: Path, sound: Sound, embedder: Noting) -> None:
    told = PyannoteDiarizer(str(of_3_1))(sound[:80_000], embedder)
    assert told.activities and len(told.voices) == len({one.speaker for one in told.activities})


def test_odd_sounds(diarizer: PyannoteDiarizer, sound: Sound, embedder: Noting) -> None:
    assert diarizer(sound[:0], embedder).voices.shape == (0, 256)
    for n_samples in (1, 100, 4_000):
        told = diarizer(sound[30_000 : 30_000 + n_samples], embedder)
        assert all(0 <= one.start_s < one.stop_s <= n_samples / 16_000 for one in told.activities)
        assert len(told.voices) == len({one.speaker for one in told.activities})
    with pytest.raises(ValueError, match="mono"):
        diarizer(sound[None], embedder)


class Runs:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_checkpoint_that_runs_code_is_refused(folder: Path, tmp_path: Path) -> None:
    import torch

    evil = stub(tmp_path / "evil", COMMUNITY)
    made = tmp_path / "made"
    torch.save({"state_dict": {}, "more": Runs(made)}, evil / "segmentation" / "pytorch_model.bin")
    with pytest.raises(WeightsError, match="more than weights"):
        PyannoteDiarizer(str(evil))
    assert not made.exists()
    pickle.loads(pickle.dumps(Runs(made)))
    assert made.exists(), "it would have"


def run(clips: Path, out: Path, pipeline: Path) -> Built:
    overrides = ["cut.members=[native]", "listen.dnsmos=false", "listen.events=false"]
    overrides += ["voices.mode=auto", f"voices.pyannote={pipeline}"]
    config = load_config(preset="any-modality", overrides=overrides)
    corpus = Corpus(Store(out), str(clips), list_folder(clips), build_steps(config))
    return build(corpus, config, engine=LocalEngine(), reporter=QuietReporter())


def test_no_pipeline_no_work(media: Path, models: Path, tmp_path: Path) -> None:
    (tmp_path / "clips").mkdir()
    (tmp_path / "clips" / "a.wav").symlink_to(media / "audio" / "katiesteve_mono.wav")
    with pytest.raises(MissingWeightsError, match="no-such-folder"):
        run(tmp_path / "clips", tmp_path / "out", tmp_path / "no-such-folder")
    assert not list((tmp_path / "out").glob("steps/*"))


@pytest.mark.usefixtures("pyannote")
def test_the_folder_is_part_of_what_the_step_is_made_of(tmp_path: Path) -> None:
    folder = stub(tmp_path, COMMUNITY)
    step = Voices(VoicesConfig(mode="auto", pyannote=str(folder)))
    before = step.made_of()
    assert before["libraries"]["pyannote.audio"] == metadata.version("pyannote.audio")
    (folder / "plda" / "plda.npz").write_bytes(b"1")
    assert step.made_of() != before
    assert "pyannote" not in Voices(VoicesConfig(mode="auto")).made_of()


@pytest.mark.slow
def test_the_step_writes_what_it_says(
    models: Path, folder: Path, sound: Sound, found: Diarization, tmp_path: Path
) -> None:
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", sound, 16_000, subtype="FLOAT")
    built = run(tmp_path / "clips", tmp_path / "out", folder)
    assert not built.account.problems
    (row,) = built.corpus.rows("voices")
    assert (row["status"], row["voices_from"]) == ("ok", "pyannote")
    tables = []
    for artifact in row["artifacts"]:
        with built.corpus.store.open(artifact["name"]) as handle:
            tables.append(pq.read_table(handle).to_pylist())
    activity = sorted((one["start_s"], one["stop_s"], one["voice"], one["margin"]) for one in tables[0])
    assert activity == sorted((one.start_s, one.stop_s, one.speaker, one.margin) for one in found.activities)
    assert np.array([one["embedding"] for one in tables[1]], np.float32).tobytes() == found.voices.tobytes()
