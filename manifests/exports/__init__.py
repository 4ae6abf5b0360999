"""Exports: each turns a finished corpus into the layout that one trainer loads. One file an export.

`run_export` in `manifests/exports/run.py` does the work; docs/trainers.md says what each writes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manifests.exports.base import Export

EXPORTS: dict[str, str] = {
    "avhubert": "avhubert:AvHubert",
    "vsp-llm": "vsp_llm:VspLlm",
    "auto-avsr": "auto_avsr:AutoAvsr",
    "llama-avsr": "llama_avsr:LlamaAvsr",
    "moshi": "moshi:Moshi",
    "vap": "vap:Vap",
    "latentsync": "latentsync:LatentSync",
    "dualhyp": "dualhyp:DualHyp",
    "energon": "energon:Energon",
    "lhotse-shar": "lhotse_shar:LhotseShar",
    "hf-datasets": "hf_datasets:HfDatasets",
    "full-duplex-bench": "full_duplex_bench:FullDuplexBench",
}
"""Format name -> module and class. A new export is one file and one line here."""


def export_class(name: str) -> type[Export]:
    """The class of a format. Raises KeyError."""
    module, _, cls = EXPORTS[name].partition(":")
    found: type[Export] = getattr(import_module(f"manifests.exports.{module}"), cls)
    return found
