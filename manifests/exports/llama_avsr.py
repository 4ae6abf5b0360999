"""Llama-AVSR: auto_avsr's csv with the text, without commas, as a fifth column.

Its loader splits each line at commas and wants exactly five parts; it reads the text and never the token ids
(umbertocappellazzo/Llama-AVSR:datamodule/av_dataset.py). Without a SentencePiece model the fourth column is
0.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from manifests.exports.auto_avsr import AutoAvsr
from manifests.exports.base import Entry, ExportOptions


class LlamaAvsrOptions(ExportOptions):
    """As auto_avsr's; the model may be left out."""

    sentencepiece: Path | None = None
    units: Path | None = None
    dataset: str = "duologue"


class LlamaAvsr(AutoAvsr):
    """Lists for `AVDataset_LLM`."""

    name = "llama-avsr"
    options_model: ClassVar[type[ExportOptions]] = LlamaAvsrOptions

    def line(self, entry: Entry) -> str:
        """One row of the csv; the text holds words only, so no comma."""
        return f"{super().line(entry)},{entry.about['text']}"
