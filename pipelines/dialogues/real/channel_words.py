"""words of recorded dialogues: what Whisper hears, it hears in each channel by itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from manifests.reasons import Status
from manifests.store import Store
from pipelines.sections import WordsConfig
from pipelines.step import Item
from pipelines.steps.speech_chunks import speech_chunks, speech_of
from pipelines.steps.told_voices import read_activity
from pipelines.steps.words import WORDS, Piece, Words

if TYPE_CHECKING:
    from pipelines.corpus import Corpus


class ChannelWords(Words):
    """As in a build, with the same key, unless words are recognised: then `voices` tells who has a channel of
    their own, and two people who speak at once are heard one at a time.
    """

    def __init__(self, config: WordsConfig) -> None:
        super().__init__(config)
        if config.source == "asr":
            self.table = WORDS.append(pa.field("channel", pa.int32()))  # type: ignore[misc]
            self.upstream = ("listen", "voices")  # type: ignore[assignment, misc]

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Items as in a build, with the voices of those that have a person a channel."""
        if self.config.source != "asr":
            yield from super().plan(corpus)
            return
        heard = {row["source_id"]: row for row in corpus.rows("voices") if row["status"] == Status.OK}
        for item in super().plan(corpus):
            row = heard.get(item.source_id or "")
            if row is not None and row["voices_from"] == "channels":
                tables = [artifact["name"] for artifact in row["artifacts"]]
                yield replace(item, inputs={**item.inputs, "voices": tables})
            else:
                yield item

    def pieces(self, inputs: dict[str, Any], store: Store) -> Iterable[Piece]:
        """Each channel's own speech, where each has a person of its own."""
        if "voices" not in inputs:
            return super().pieces(inputs, store)
        speech = speech_of(store, inputs["listen"]["table"])
        found = read_activity(store, {"artifacts": [{"name": name} for name in inputs["voices"]]})
        pieces: list[Piece] = []
        for channel in sorted(found["voices"]):
            mine = found["voice"] == channel
            spans = list(zip(found["start_s"][mine].tolist(), found["stop_s"][mine].tolist(), strict=True))
            pieces += [(channel, *span) for span in speech_chunks(spans, speech)]
        return pieces
