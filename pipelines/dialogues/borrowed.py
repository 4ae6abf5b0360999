"""borrow: a real face for a side that has none, from a clip of a person in the same emotion. One item a side.

Nobody's face is made up. What is borrowed is called so in KEY.json, with the clip, the person, licence and
consent that it came with, and is absent where no clip fits.
"""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.ids import digest
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.dialogues.assembled import assembled
from pipelines.dialogues.corpus import scripts_of
from pipelines.dialogues.render import SIDES, arranged_plans
from pipelines.dialogues.sections import FacesConfig
from pipelines.step import Item, Resources, Step, UnusableError, Workspace
from synth.rewriting.emotions import EmotionRule
from synth.rewriting.scripts import Dialogue

if TYPE_CHECKING:
    from manifests.corpus_reader import CorpusReader
    from pipelines.corpus import Corpus

FACE, VALID = "face61.npy", "face61_valid.npy"
RATE_HZ = 12.5


@dataclass(frozen=True)
class Face:
    """A clip of the lending corpus: whose face, in which emotion, how many frames (80 ms), on which terms."""

    key: str
    shard: str
    split: str
    n_frames: int
    emotion: str
    person: str
    source: dict[str, Any]
    licence: str | None
    consent: str | None


class Borrow(Step[FacesConfig]):
    """`face61.npy` and its validity of each side, or the reason why there is none."""

    name = "borrow"
    version = 2
    speed = 500.0
    per_clip = True
    libraries = ("numpy",)
    resources = Resources(cpus=1.0, memory_gb=0.5)
    measurements = pa.schema([pa.field("missing", pa.string()), pa.field("borrowed", pa.string())])

    @property
    def wanted(self) -> bool:
        """Whether a corpus lends faces."""
        return self.config.corpus is not None

    def identity(self) -> dict[str, Any]:
        """Of the corpus each item tells what it borrows."""
        return self.config.model_dump(mode="json", exclude={"corpus"})

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Both sides of each dialogue that was arranged; they never get one person's face."""
        if not self.wanted:
            return
        scripts = scripts_of(corpus)
        faces = list(lent_faces(lending(self.config)))
        spoken = assembled(scripts)
        for key, plan in arranged_plans(corpus).items():
            dialogue = spoken[key]
            assert isinstance(dialogue, Dialogue)
            taken: str | None = None
            for side, name in enumerate(SIDES):
                emotion = emotion_of(dialogue, side)
                n_frames = plan["n_samples"] * 25 // (2 * plan["rate_hz"])
                asked = f"{key}-{name}"
                face = choose(
                    [one for one in faces if one.split == scripts.splits[key] and one.person != taken],
                    emotion,
                    n_frames,
                    (self.config.seed, asked),
                )
                taken = face.person if face else taken
                inputs = {"key": asked, "n_frames": n_frames, "emotion": emotion}
                inputs["face"] = asdict(face) if face else None
                yield Item(f"{asked}-{digest(inputs, length=8)}", key, inputs, n_frames / RATE_HZ)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Read the clip out of its shard, and repeat it there and back until it is long enough."""
        from extractors.encode import npy_bytes

        inputs = item.inputs
        if inputs["face"] is None:
            missing = {FACE: str(Reason.NO_BORROWED_FACE)}
            return [item.row(measures={"missing": json.dumps(missing), "borrowed": "{}"})]
        face = Face(**inputs["face"])
        frames = there_and_back(face.n_frames, inputs["n_frames"])
        artifacts = [
            workspace.put(f"{item.id}.{name}", npy_bytes(np.ascontiguousarray(track[frames])))
            for name, track in _tracks(lending(self.config), face).items()
        ]
        about = {name: value for name, value in asdict(face).items() if name not in ("split", "n_frames")}
        about |= {"frames": [0, min(face.n_frames, inputs["n_frames"])]}
        about |= {"repeated": face.n_frames < inputs["n_frames"]}
        told = {"missing": "{}", "borrowed": json.dumps(about, ensure_ascii=False, sort_keys=True)}
        return [item.row(artifacts=tuple(artifacts), measures=told)]


def lent_faces(reader: CorpusReader) -> Iterator[Face]:
    """Clips with a face track and a known emotion and person, by key; others cannot be told to fit."""
    rule = EmotionRule()
    found = []
    for shard in reader.shards:
        for sample in reader.samples(shard):
            told = sample.header
            emotion, person = (
                rule.merged(told.get("emotion") or ""),
                told.get("person") or told.get("speaker"),
            )
            if FACE not in sample or VALID not in sample or emotion is None or person is None:
                continue
            n_frames = round(sample.row.duration_s * RATE_HZ)
            source = {name: told["source"].get(name) for name in ("id", "path", "start", "stop")}
            terms = {name: told.get(name) for name in ("licence", "consent")}
            found.append(
                Face(sample.key, shard, sample.split, n_frames, emotion, person, source=source, **terms)
            )
    yield from sorted(found, key=lambda face: face.key)


def emotion_of(dialogue: Dialogue, side: int) -> str | None:
    """What most turns of the side are labelled, of equals the first said; None where none has a label."""
    rule = EmotionRule()
    name = list(dialogue.speakers)[side]
    said = [rule.merged(turn.emotion) for turn in dialogue.turns if turn.speaker == name and turn.emotion]
    kept = Counter(one for one in said if one is not None)
    return kept.most_common(1)[0][0] if kept else None


def choose(faces: Sequence[Face], emotion: str | None, n_frames: int, draw: tuple[Any, ...]) -> Face | None:
    """Of those in the emotion one that is long enough, by `draw`; else the longest there is."""
    fitting = [face for face in faces if face.emotion == emotion and face.n_frames > 0]
    long_enough = [face for face in fitting if face.n_frames >= n_frames]
    if long_enough:
        return min(long_enough, key=lambda face: digest("face", *draw, face.key))
    return max(fitting, key=lambda face: (face.n_frames, digest("face", *draw, face.key)), default=None)


def there_and_back(n_have: int, n_want: int) -> NDArray[np.int64]:
    """Indices 0 … n_have-1 … 0 … again, `n_want` of them: a face never jumps where it is repeated."""
    period = max(1, 2 * n_have - 2)
    at = np.arange(n_want, dtype=np.int64) % period
    return np.where(at < n_have, at, period - at)


def lending(config: FacesConfig) -> CorpusReader:
    """The corpus that lends faces. Raises UnusableError where it is not finished or not there."""
    from manifests.corpus_reader import CorpusError, CorpusReader

    assert config.corpus is not None
    try:
        return CorpusReader(config.corpus)
    except CorpusError as error:
        raise UnusableError(f"faces.corpus: {error}") from error


def _tracks(reader: CorpusReader, face: Face) -> dict[str, NDArray[Any]]:
    for sample in reader.samples(face.shard):
        if sample.key == face.key:
            return {
                name: np.load(io.BytesIO(sample.read(name)), allow_pickle=False) for name in (FACE, VALID)
            }
    raise UnusableError(f"faces.corpus: {face.key} is no longer in {face.shard}; run again")


def borrowed_of(rows: dict[str, Any]) -> dict[str, Any]:
    """By member, what of a side is borrowed; `rows`: of one side, by step."""
    row = rows.get("borrow")
    if row is None or row["status"] != Status.OK or row["borrowed"] == "{}":
        return {}
    about = json.loads(row["borrowed"])
    return {FACE: about, VALID: about}
