"""Fisher English: telephone calls, one speaker a channel, 8 kHz: `fe_03_00001.sph` (or .wav).

Read beside the sound, wherever they lie below the root: `fe_03_00001.txt` (in `data/trans/`) and
`*_calldata.tbl`, of which CALL_ID, APIN, ASX.DL, BPIN and BSX.DL. Sources: LDC2004S13, LDC2005S13,
LDC2004T19, LDC2005T19; lhotse `recipes/fisher_english.py`; Kaldi `egs/fisher_swbd`. Other telephone speech
in two channels is read by the reader `dyads`.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from manifests.sources import Listing
from manifests.sources.collect import Collector, by_stem, one_each

_COLUMNS = ("CALL_ID", "APIN", "ASX.DL", "BPIN", "BSX.DL")
_GENDERS = {"m": "male", "f": "female"}


def list_fisher(root: Path) -> Listing:
    """Every call. `channels` says who is on the first (A) and who on the second (B)."""
    found = Collector(root)
    texts = by_stem(name for name in found.files(".txt") if PurePosixPath(name).name.startswith("fe_03_"))
    calls: dict[str, dict[str, str]] = {}
    tables = [name for name in found.files(".tbl") if name.endswith("_calldata.tbl")]
    for name in tables:
        calls |= {row["CALL_ID"]: row for row in found.table(name, _COLUMNS)}
    if not tables:
        found.missing("fe_03_p1_calldata.tbl", "the table of calls: who speaks is not known")
    recordings = (name for name in found.files(".sph", ".wav", ".flac") if "fe_03_" in name)
    for name in one_each(recordings, lambda one: PurePosixPath(one).stem):
        call = PurePosixPath(name).stem
        about = calls.get(call.rpartition("_")[2])
        if about is None and tables:
            found.missing(name, "its row in the table of calls")
        if call not in texts:
            found.missing(name, f"{call}.txt")
        found.add(name, _labels(call, about), transcript=texts.get(call), kind="fisher")
    return found.listing("fe_03_00001.sph …")


def _labels(call: str, about: dict[str, str] | None) -> dict[str, Any]:
    people = [f"fisher-{about[pin]}" for pin in ("APIN", "BPIN")] if about else None
    told = [_GENDERS.get(about[side][:1]) for side in ("ASX.DL", "BSX.DL")] if about else []
    genders = [one for one in told if one]
    return {
        "speakers": sorted(set(people or [])),
        "channels": people,
        "gender": "/".join(genders) if len(genders) == 2 else None,
        "dialogue": f"fisher-{call}",
        "language": "en",
        "licence": "LDC user agreement",
    }
