"""caption: what a model behind an OpenAI-compatible server says of clips that the corpus has no caption for.

Off by default. A clip whose caption fails is packed all the same, with the reason under `missing`: a caption
is a label, and the rest of the clip is as good without. Answers are kept in the store by what was asked, so
a killed run asks again at most what was in flight, and a rerun nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from manifests.ids import digest
from manifests.reasons import ItemError, Reason, Status
from manifests.receipts import Row
from pipelines.asking import patience_s, row_of, units_of
from pipelines.section import Section
from pipelines.step import Item, Resources, Step, Unit, UnusableError, Workspace
from pipelines.steps.clips import extension_of, read_member
from pipelines.steps.shown import frames_of, sound_of
from synth.captions.captioner import CAPTIONED, PROMPT, Captioner, CaptionTask
from synth.captions.config import CaptionConfig
from synth.llm.api_key import ApiKey, ApiKeyError
from synth.llm.chat import ServerUnusableError
from synth.llm.prompt_files import PromptError, load_prompt

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from synth.llm.messages import Media

SOUND = "flac"
ABOUT = (
    *("model", "served_model", "prompt", "prompt_version", "prompt_sha", "request"),
    *("sound", "frames", "prompt_tokens", "completion_tokens"),
)
"""What KEY.json says of how a caption came about."""


class CaptionStepConfig(Section):
    """The captioning, if any."""

    caption: CaptionConfig | None = None


class Caption(Step[CaptionStepConfig]):
    """One item a clip that is to be described."""

    name = "caption"
    version = 1
    speed = 10.0
    libraries = ("av", "opencv-python-headless", "soundfile")
    resources = Resources(cpus=1.0, memory_gb=1.0)
    measurements = CAPTIONED

    @property
    def wanted(self) -> bool:
        """Whether a server is named."""
        return self.config.caption is not None

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Clips of the tasks asked for whose sources have no caption of their own."""
        config = self.config.caption
        if config is None:
            return
        sources = {row["source_id"]: row for row in corpus.rows("ingest")}
        clips = corpus.items("cut")
        longest_s = patience_s(config.server, config.attempts)
        for row in corpus.rows("cut"):
            source, clip = sources[row["source_id"]], clips[row["item"]].inputs
            if row["status"] != Status.OK or source.get("caption") or clip.get("start") is None:
                continue  # a text has no start: there is nothing to hear or see
            if not config.tasks or source.get("task") in config.tasks:
                yield _item(row, clip, config, longest_s)

    def identity(self) -> dict[str, Any]:
        """What decides a caption: not the server, its limits or the budget. Raises UnusableError."""
        config = self.config.caption
        if config is None:
            return {}
        try:
            return {"config": config.identity(), "prompt": load_prompt(PROMPT, config.prompts).sha}
        except PromptError as error:
            raise UnusableError(str(error)) from error

    def bundle(self, items: Sequence[Item], *, unit_s: float) -> list[Unit]:
        """As many as keep the server busy."""
        return units_of(items, self.config.caption.budget if self.config.caption else None)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """One clip alone; `run` does many at a time."""
        return self.run(Unit.of([item]), workspace)

    def run(self, unit: Unit, workspace: Workspace) -> list[Row]:
        """All of the unit's clips at once. Raises UnusableError when no request can succeed."""
        assert self.config.caption is not None
        items = {item.inputs["key"]: item for item in unit.items}
        rows: list[Row] = []
        try:
            captioner = Captioner(self.config.caption, workspace.store)
            for one in captioner.run(self._tasks(unit.items, workspace, rows)):
                rows.append(row_of(items[one.key], one))
        except (ApiKeyError, ServerUnusableError) as error:
            raise UnusableError(f"caption: {error}") from error
        return rows

    def _tasks(self, items: Iterable[Item], workspace: Workspace, rows: list[Row]) -> Iterator[CaptionTask]:
        """Read when its turn comes; a clip of which nothing can be shown gets its row in `rows`."""
        for item in items:
            try:
                media = self._media(item, workspace)
            except ItemError as error:
                told = {"status": Status.FAILED, "reason": error.reason, "detail": error.detail}
                rows.append(item.row(**told))
                continue
            yield CaptionTask(item.inputs["key"], media, str(item.source_id))

    def _media(self, item: Item, workspace: Workspace) -> tuple[Media, ...]:
        """Pictures in order, then the sound, as far as the clip has them."""
        config = self.config.caption
        assert config is not None
        found: list[Media] = []
        if item.inputs["clip"] is not None:
            found += frames_of(item.inputs["clip"], config.frames, config.frame_px, workspace)
        if config.sound is not None:
            flac = read_member(workspace.store, item, SOUND)
            found += [sound_of(flac, config.sound)] if flac is not None else []
        if not found:
            lacking = Reason.NO_AUDIO if config.sound is not None else Reason.NO_VIDEO
            raise ItemError(lacking, "the clip has nothing that could be described")
        return tuple(found)


def _item(row: dict[str, Any], clip: dict[str, Any], config: CaptionConfig, longest_s: float) -> Item:
    """Its id covers what is sent: the sound's bytes, and of frames the source's content and the span."""
    found = {extension_of(one["name"]): one for one in row["artifacts"]}
    sound = found.get(SOUND) if config.sound is not None else None
    seen = config.frames and clip["recording"]["video_stream"] is not None
    place = [clip["recording"]["content_sha256"], clip["start"], clip["stop"]] if seen else None
    item = f"{clip['key']}-{digest(sound and sound['sha256'], place, length=8)}"
    inputs = {
        "key": clip["key"],
        "members": {SOUND: sound},
        "clip": {name: clip[name] for name in ("recording", "start", "stop")} if seen else None,
    }
    length_s = float(Fraction(clip["stop"]) - Fraction(clip["start"]))
    return Item(item, row["source_id"], inputs, length_s, longest_s)


@dataclass(frozen=True)
class Captions:
    """What the step made, by clip, as KEY.json tells it."""

    rows: dict[str, dict[str, Any]]

    def labels(self, key: str) -> dict[str, Any]:
        """The caption, that it is from a server, and what made it; nothing where there is none."""
        row = self.rows.get(key)
        if row is None or row["status"] != Status.OK:
            return {}
        about = {name: row[name] for name in ABOUT}
        return {"caption": row["caption"], "caption_from": "server", "caption_by": about}

    def missing(self, key: str) -> dict[str, str]:
        """Why there is no caption where one was asked for."""
        row = self.rows.get(key)
        return {} if row is None or row["status"] == Status.OK else {"caption": str(row["reason"])}


def captions(corpus: Corpus) -> Captions:
    """All that was asked about."""
    items = corpus.items("caption")
    return Captions({items[row["item"]].inputs["key"]: row for row in corpus.rows("caption")})


def check_key(corpus: Corpus) -> None:
    """Raises ApiKeyError where there is work and the environment holds no key for the captions' server."""
    step = corpus.steps["caption"]
    assert isinstance(step, Caption)
    config = step.config.caption
    if config is not None and any(corpus.todo(name) for name in corpus.steps):
        ApiKey.of_server(config.server)
