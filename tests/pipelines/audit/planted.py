"""Plants every defect at every strength into copies of a corpus, audits each, and prints what was found.

    python tests/pipelines/audit/planted.py CORPUS [--only NAME] [--beside]

Found means: the check that is meant tells more than it does of the corpus as it was, and says warn or fail.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from plant import Defect
from plant_corpus import CORPUS
from plant_payload import PAYLOAD
from plant_sets import DIALOGUES, SETS, STEREO

from pipelines.audit.audit import Verdict, run_audit

DEFECTS: tuple[Defect, ...] = (*PAYLOAD, *CORPUS)


@dataclass(frozen=True)
class Trial:
    """One defect at one strength. `beside`: other checks that told more than before."""

    defect: Defect
    strength: int
    found: bool
    beside: tuple[str, ...]


def told(verdict: Verdict) -> dict[str, int]:
    """How many bad things each check that warns or fails told."""
    return {
        finding.check.id: int(finding.facts["n_bad"])
        for finding in verdict.findings
        if str(finding.outcome) in ("warn", "fail")
    }


def try_defect(corpus: Path, defect: Defect, strength: int, before: dict[str, int]) -> Trial:
    """Plant into a fresh copy and audit it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(shutil.copytree(corpus, Path(folder, "corpus")))
        defect.plant(copy, strength)
        now = told(run_audit(str(copy), str(Path(folder, "out")), deep=True))
    more = {check for check, n in now.items() if n > before.get(check, 0)}
    return Trial(defect, strength, defect.check in more, tuple(sorted(more - {defect.check})))


def trials(corpus: Path, defects: Iterable[Defect]) -> Iterator[Trial]:
    """All strengths of all defects."""
    with tempfile.TemporaryDirectory() as folder:
        before = told(run_audit(str(corpus), folder, deep=True))
    for defect in defects:
        for strength in (1, 2, 3):
            yield try_defect(corpus, defect, strength, before)


def line(defect: Defect, tried: list[Trial]) -> str:
    """A row of the table."""
    cells = [f"{what} {'✓' if one.found else '–'}" for what, one in zip(defect.what, tried, strict=True)]
    smallest = next((defect.what[one.strength - 1] for one in tried if one.found), "not found")
    return f"| {defect.name} | `{defect.check}` | {' | '.join(cells)} | {smallest} |"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Print the table as it grows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--beside", action="store_true", help="also name the other checks that spoke")
    options = parser.parse_args()
    chosen = [one for one in (*DEFECTS, *SETS, *DIALOGUES, *STEREO) if one.name in options.only] or list(
        DEFECTS
    )
    _say("| planted | found by | 1 | 2 | 3 | smallest found |\n|---|---|---|---|---|---|")
    tried: list[Trial] = []
    for trial in trials(options.corpus, chosen):
        tried.append(trial)
        if len(tried) == 3:
            _say(line(trial.defect, tried))
            if options.beside:
                _say(f"    {[(one.strength, one.beside) for one in tried]}")
            tried = []


if __name__ == "__main__":
    main()
