"""VSP-LLM: AV-HuBERT's lists and `.cluster_counts`, the lengths of runs of equal units.

The trainer averages its 25 Hz features over these runs, so a line's counts sum to the number of frames
(Sally-SH/VSP-LLM:src/vsp_llm.py, src/clustering/cluster_counts.py). Its loader takes the language from the
id's second part, `en-en` (src/vsp_llm_dataset.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any, ClassVar

from manifests.corpus_reader import Sample
from manifests.exports.avhubert import AvHubert, AvHubertOptions
from manifests.exports.base import Entry, ExportOptions, ExportReason, SkipSample, write_lines
from manifests.store import Store

LANGUAGES = ("en", "es", "fr", "it", "pt")
"""Those that the trainer's prompt knows."""


class VspLlmOptions(AvHubertOptions):
    """`text` and `units` are always on."""

    units: bool = True
    language: str | None = None
    """For samples without a language tag."""


class VspLlm(AvHubert):
    """Lists for `VSP_LLM_dataset`."""

    name = "vsp-llm"
    options_model: ClassVar[type[ExportOptions]] = VspLlmOptions
    options: VspLlmOptions

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """As AV-HuBERT's, with language and run lengths."""
        language = str(sample.header.get("language") or self.options.language or "").lower()[:2]
        if language not in LANGUAGES:
            told = f"language {language or 'unknown'}; the trainer knows {', '.join(LANGUAGES)}"
            raise SkipSample(ExportReason.NO_LANGUAGE, told)
        about = super().sample(sample, out)
        on_grid = on_frames(about["units"], about["rate_hz"], about["n_frames"])
        return about | {"language": language, "runs": run_lengths(on_grid)}

    def sample_id(self, entry: Entry) -> str:
        """`duologue/en-en/KEY`: the loader splits it at `/` and takes the second part for the languages."""
        return f"duologue/{entry.about['language']}-{entry.about['language']}/{entry.key}"

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """Also one line of run lengths a sample."""
        super().finish(entries, out)
        for split, mine in entries.items():
            lines = (" ".join(map(str, entry.about["runs"])) for entry in mine)
            write_lines(out, f"{split}.cluster_counts", lines)


def on_frames(units: list[int], rate_hz: float, n_frames: int) -> list[int]:
    """The unit heard in the middle of each frame of 40 ms. At 25 Hz and equal length these are the units."""
    return [units[min(int((i + 0.5) / 25 * rate_hz), len(units) - 1)] for i in range(n_frames)]


def run_lengths(units: list[int]) -> list[int]:
    """Lengths of the runs of equal units."""
    return [sum(1 for _ in run) for _, run in groupby(units)]
