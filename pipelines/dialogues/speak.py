"""speak: turns and backchannels spoken, heard again, and kept only if they pass. One item an utterance."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.dialogues.assembled import Ended, assembled, utterances
from pipelines.dialogues.cloning import ReferenceClip, read_reference
from pipelines.dialogues.corpus import scripts_of
from pipelines.dialogues.sections import SpeakConfig, VoiceServerConfig
from pipelines.step import Item, Resources, Step, UnusableError, Workspace

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from synth.voices.judging import Judges, Limits
    from synth.voices.server_voice import Server
    from synth.voices.voice import Reference, Voice

LETTERS_A_SECOND = 14.0
SERVER_S = 15.0
"""A server's deadline of 300 s, at the 20 s that the engine grants a media second: whoever waits for it
gives up first, with a reason."""


class Speak(Step[SpeakConfig]):
    """Sound and words of each utterance."""

    name = "speak"
    version = 2
    speed = 2.0
    upstream = ("rewrite",)
    libraries = ("hibari-tts", "onnxruntime", "pocketsphinx", "soundfile", "soxr")
    resources = Resources(cpus=1.0, memory_gb=1.5)
    measurements = pa.schema([pa.field("spoken", pa.string())])  # JSON: voice, seed, WER, DNSMOS, …

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Every utterance of the dialogues that are whole and whose people both have a voice."""
        scripts = scripts_of(corpus)
        chosen = scripts.cast
        for dialogue in assembled(scripts).values():
            if isinstance(dialogue, Ended):
                continue
            people = list(dialogue.speakers)
            for one in utterances(dialogue):
                person = dialogue.person(people[one.side])
                voice, clip = chosen.voices[person], chosen.clips.get(person)
                inputs: dict[str, Any] = {"text": one.text, "emotion": one.emotion}
                inputs |= {"voice": voice, "key": one.key, "person": person}
                facts = [inputs, chosen.fingerprints[voice], clip.identity() if clip else None]
                item = f"{one.key}-{digest(*facts, length=8)}"
                inputs["reference"] = asdict(clip) if clip else None
                patience_s = SERVER_S * self.config.tries if voice.startswith("server:") else 0.0
                yield Item(item, dialogue.id, inputs, len(one.text) / LETTERS_A_SECOND, patience_s)

    def identity(self) -> dict[str, Any]:
        """The pool of voices, and who is imitated from what, is told by each item's own voice. Raises
        UnusableError for an emotion model that is not there."""
        from synth.rewriting.emotions import EmotionModelError, scorer_digest

        elsewhere = {"voices", "kokoro_folder", "server", "one_voice", "clone", "emotion_scorer"}
        config = self.config
        told = config.model_dump(mode="json", exclude=elsewhere)
        if config.asr_model:
            from extractors.whisper_weights import find_whisper

            told["asr_model"] = find_whisper(config.asr_model).sha256
        if config.clone:
            told["min_similarity"] = config.clone.min_similarity
        try:
            return told | {
                "emotion_scorer": scorer_digest(config.emotion_scorer) if config.emotion_scorer else None
            }
        except EmotionModelError as error:
            raise UnusableError(f"speak.emotion_scorer: {error}") from error

    def weights(self) -> tuple[str, ...]:
        """DNSMOS P.835, and what compares voices."""
        return ("dnsmos", "resemblyzer") if self.config.clone else ("dnsmos",)

    def open(self) -> None:
        """Voices are loaded when they first speak. Raises UnusableError for an unusable emotion model."""
        from pipelines.dialogues.hearing import make_judges
        from synth.rewriting.emotions import EmotionModelError

        self._voices: dict[str, Voice] = {}
        self._references: dict[str, Reference] = {}
        try:
            self._judges: Judges = make_judges(self.config)
        except EmotionModelError as error:
            raise UnusableError(f"speak.emotion_scorer: {error}") from error

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Speak until a try passes. Raises UnusableError where nothing can be spoken."""
        from extractors.encode import flac_bytes
        from synth.rewriting.emotions import EmotionModelError
        from synth.voices.round_trip import Request, speak_checked
        from synth.voices.voice import VoiceSetupError

        asked = item.inputs
        clip = ReferenceClip(**asked["reference"]) if asked["reference"] else None
        request = Request(
            key=asked["key"],
            text=asked["text"],
            run_seed=self.config.seed,
            emotion=asked["emotion"],
            reference=self._reference(clip) if clip else None,
        )
        try:
            done = speak_checked(self._voice(asked["voice"]), request, self._judges, self._limits())
        except (VoiceSetupError, EmotionModelError) as error:
            raise UnusableError(str(error)) from error
        told = done.row | {"person": asked["person"], "reference": clip.provenance() if clip else None}
        measures = {"spoken": json.dumps(told, sort_keys=True)}
        if done.speech is None:
            reason = Reason(str(done.fault))
            return [item.row(status=Status.FAILED, reason=reason, detail=done.detail, measures=measures)]
        sound, _ = flac_bytes(done.speech.pcm[None], done.speech.rate_hz)
        words = [[one.text, one.start, one.stop] for one in done.words or ()]
        artifacts = (
            workspace.put(f"{item.id}.flac", sound),
            workspace.put(f"{item.id}.words.json", json.dumps(words, ensure_ascii=False).encode()),
        )
        return [item.row(artifacts=artifacts, measures=measures)]

    def _limits(self) -> Limits:
        from synth.voices.judging import Limits

        config = self.config
        limits = Limits(
            tries=config.tries,
            max_wer=config.max_wer,
            min_dnsmos=config.min_dnsmos,
            min_emotion_score=config.min_emotion_score,
        )
        return replace(limits, min_similarity=config.clone.min_similarity) if config.clone else limits

    def _reference(self, clip: ReferenceClip) -> Reference:
        assert self.config.clone is not None
        if clip.key not in self._references:
            self._references[clip.key] = read_reference(clip, self.config.clone)
        return self._references[clip.key]

    def _voice(self, name: str) -> Voice:
        if name not in self._voices:
            self._voices[name] = open_configured(name, self.config)
        return self._voices[name]


def open_configured(name: str, config: SpeakConfig) -> Voice:
    """A voice of the config's pool. Raises VoiceSetupError."""
    from synth.voices.catalogue import open_voice

    folder = Path(config.kokoro_folder) if config.kokoro_folder else None
    server = config.server
    own = name.partition(":")[2]
    return open_voice(
        name,
        server=_server(server) if server else None,
        kokoro_folder=folder,
        gender=server.genders.get(own) if server else None,
    )


def _server(config: VoiceServerConfig) -> Server:
    from synth.voices.server_voice import Server

    extra = tuple(sorted(config.extra.items()))
    return Server(**config.model_dump(exclude={"genders", "extra"}), extra=extra)
