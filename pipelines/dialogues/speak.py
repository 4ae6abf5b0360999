"""speak: turns and backchannels spoken, heard again, and kept only if they pass. One item an utterance."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.ids import digest
from manifests.reasons import Reason, Status
from manifests.receipts import Row
from pipelines.dialogues.assembled import Ended, assembled, utterances
from pipelines.dialogues.corpus import scripts_of
from pipelines.dialogues.sections import SpeakConfig, VoiceServerConfig
from pipelines.step import Item, Resources, Step, UnusableError, Workspace

if TYPE_CHECKING:
    from pipelines.corpus import Corpus
    from synth.voices.judging import Judges
    from synth.voices.server_voice import Server
    from synth.voices.voice import Voice

LETTERS_A_SECOND = 14.0
SERVER_S = 15.0
"""A server's deadline of 300 s, at the 20 s that the engine grants a media second: whoever waits for it
gives up first, with a reason."""


class Speak(Step[SpeakConfig]):
    """Sound and words of each utterance."""

    name = "speak"
    version = 1
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
                voice = chosen.voices[dialogue.person(people[one.side])]
                inputs = {"text": one.text, "emotion": one.emotion, "voice": voice, "key": one.key}
                item = f"{one.key}-{digest(inputs, chosen.fingerprints[voice], length=8)}"
                patience_s = SERVER_S * self.config.tries if voice.startswith("server:") else 0.0
                yield Item(item, dialogue.id, inputs, len(one.text) / LETTERS_A_SECOND, patience_s)

    def identity(self) -> dict[str, Any]:
        """The pool of voices is told by each item's own voice."""
        told = self.config.model_dump(mode="json", exclude={"voices", "kokoro_folder", "server", "one_voice"})
        if self.config.asr_model:
            from extractors.whisper_weights import find_whisper

            told["asr_model"] = find_whisper(self.config.asr_model).sha256
        return told

    def weights(self) -> tuple[str, ...]:
        """DNSMOS P.835."""
        return ("dnsmos",)

    def open(self) -> None:
        """Voices are loaded when they first speak."""
        from pipelines.dialogues.hearing import make_judges

        self._voices: dict[str, Voice] = {}
        self._judges: Judges = make_judges(self.config.asr_model)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Speak until a try passes. Raises UnusableError where nothing can be spoken."""
        from extractors.encode import flac_bytes
        from synth.voices.judging import Limits
        from synth.voices.round_trip import Request, speak_checked
        from synth.voices.voice import VoiceSetupError

        asked, config = item.inputs, self.config
        limits = Limits(tries=config.tries, max_wer=config.max_wer, min_dnsmos=config.min_dnsmos)
        request = Request(
            key=asked["key"], text=asked["text"], run_seed=config.seed, emotion=asked["emotion"]
        )
        try:
            done = speak_checked(self._voice(asked["voice"]), request, self._judges, limits)
        except VoiceSetupError as error:
            raise UnusableError(str(error)) from error
        measures = {"spoken": json.dumps(done.row, sort_keys=True)}
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

    return Server(**config.model_dump(exclude={"genders"}))
