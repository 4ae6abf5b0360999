"""Memory of an export does not grow with what it writes."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from made_corpus import write_corpus
from made_exchanges import clip

PEAK = """
import resource, sys
from manifests.exports.run import run_export
from pipelines.exporting import layout_class
report = run_export(sys.argv[1], layout_class("avlm"), sys.argv[2], {"sets": ["avsr", "forced_emotion"]})
print(report.ok, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
UNITS = "[St1][Pi2]" + "".join(f"[Hu{number}]" for number in range(100))
"""Four seconds of speech."""


@pytest.mark.slow
def test_ten_thousand_clips_in_bounded_memory(tmp_path: Path) -> None:
    """The peak of 10 000 clips beside that of 1 000, each in a process of its own."""

    def peak_mib(n_clips: int) -> int:
        made = (clip(number) for number in range(n_clips))
        made = (replace(one, members={**one.members, "units.txt": UNITS.encode()}) for one in made)
        folder = write_corpus(tmp_path / str(n_clips), made, per_shard=500)
        command = [sys.executable, "-c", PEAK, str(folder), str(tmp_path / f"out-{n_clips}")]
        ok, mib = map(int, subprocess.run(command, capture_output=True, check=True).stdout.split())
        assert ok == n_clips
        return mib

    small, large = peak_mib(1_000), peak_mib(10_000)
    assert large < small + 100, (small, large)
