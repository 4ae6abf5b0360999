"""The readers by name: what `duologue readers` lists and `duologue build --reader NAME` runs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.sources import CorpusError, Listing
from manifests.sources.candor import list_candor
from manifests.sources.dyads import list_dyads
from manifests.sources.fisher import list_fisher
from manifests.sources.folder import list_folder
from manifests.sources.grid import list_grid
from manifests.sources.iemocap import list_iemocap
from manifests.sources.lrs import list_lrs2, list_lrs3
from manifests.sources.muavic import list_muavic
from manifests.sources.multidialog import list_multidialog
from manifests.sources.remote import fetch, is_remote
from manifests.sources.seamless import list_seamless
from manifests.sources.stage import Stage
from manifests.sources.table import list_table
from manifests.sources.text import list_text
from manifests.sources.voxceleb2 import list_voxceleb2
from manifests.sources.webdataset import list_webdataset


@dataclass(frozen=True)
class Reader:
    """A reader: `list(root, **options) -> Listing`, whose keyword-only arguments are its options."""

    description: str
    list: Callable[..., Listing]

    @property
    def options(self) -> tuple[str, ...]:
        """What can be given with `--reader-option NAME=VALUE`."""
        told = inspect.signature(self.list).parameters.values()
        own = {"stage", "sidecar"}
        return tuple(one.name for one in told if one.kind is one.KEYWORD_ONLY and one.name not in own)

    @property
    def needs(self) -> tuple[str, ...]:
        """The options that have no default."""
        told = inspect.signature(self.list).parameters
        return tuple(name for name in self.options if told[name].default is inspect.Parameter.empty)

    @property
    def takes(self) -> frozenset[str]:
        """Which of `stage` and `sidecar` it uses."""
        return frozenset({"stage", "sidecar"} & inspect.signature(self.list).parameters.keys())


READERS: dict[str, Reader] = {
    "folder": Reader(
        "every recording below a folder (or those that match `pattern`), and a sidecar", list_folder
    ),
    "table": Reader("the recordings that a CSV, JSONL or Parquet table names", list_table),
    "text": Reader("documents of text alone: .txt files, or JSONL and Parquet tables of them", list_text),
    "webdataset": Reader("tars of KEY.mp4 with KEY.txt, KEY.json, KEY.wav", list_webdataset),
    "dyads": Reader("two files a conversation (talk_a, talk_b), or one with a person a channel", list_dyads),
    "candor": Reader("CANDOR: video chats, a folder each", list_candor),
    "fisher": Reader("Fisher English: telephone calls in two channels", list_fisher),
    "grid": Reader("GRID: 34 talkers, sentences with word times", list_grid),
    "iemocap": Reader("IEMOCAP: acted dialogues with the emotion of every turn", list_iemocap),
    "lrs2": Reader("LRS2: BBC clips with text and word times", list_lrs2),
    "lrs3": Reader("LRS3: TED clips with text and word times", list_lrs3),
    "muavic": Reader("MuAViC and mTEDx: talks in nine languages", list_muavic),
    "multidialog": Reader("MultiDialog: acted dialogues with text and emotion", list_multidialog),
    "seamless": Reader("Seamless Interaction: face-to-face dyads, files or tars", list_seamless),
    "voxceleb2": Reader("VoxCeleb2: celebrities' clips, with gender", list_voxceleb2),
}
"""A new reader is one file and one line here."""


def read_corpus(
    where: str,
    *,
    reader: str = "folder",
    stage: Path | None = None,
    sidecar: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> tuple[Listing, str]:
    """What a corpus holds, and the folder that its paths are below.

    `where` is a folder, a file or the URL of either; what is on an object store is copied into the stage
    first. Raises CorpusError for a corpus that is none, an unknown reader or option and a stage that is
    needed and not given, SidecarError for a sidecar that cannot be read.
    """
    if reader not in READERS:
        raise CorpusError(f"no reader {reader!r}; there are {', '.join(READERS)}")
    chosen, given = READERS[reader], dict(options or {})
    unknown = sorted(set(given) - set(chosen.options))
    if unknown:
        known = ", ".join(chosen.options) or "none"
        raise CorpusError(f"reader {reader} has no option {', '.join(unknown)}; it has {known}")
    arguments: dict[str, object] = dict(given)
    if "stage" in chosen.takes:
        arguments["stage"] = stage
    if "sidecar" in chosen.takes:
        arguments["sidecar"] = sidecar
    elif sidecar is not None:
        raise CorpusError(f"reader {reader} takes no sidecar: the data set tells its labels itself")
    root = Path(where.removeprefix("file://"))
    if is_remote(where):
        root = fetch(where, Stage.needed(stage, f"{reader}: what is remote is copied somewhere first"))
    lacking = sorted(set(chosen.needs) - set(given))
    if lacking:
        raise CorpusError(f"reader {reader} needs the option {', '.join(lacking)}")
    listing = chosen.list(root, **arguments)
    base = root.parent if root.is_file() else root
    return listing, listing.root or str(base.resolve())
