from __future__ import annotations

import json
from pathlib import Path

import trees

from extractors.probe import probe
from manifests.sources.fisher import list_fisher
from manifests.transcripts import read_transcript

TEXT = """# fe_03_00001.sph
# Transcribed at the LDC

0.10 0.50 A: who turned me (( onto )) this
0.45 0.90 B: [laughter]
0.50 0.95 B: yes
"""
CALLS = (
    "CALL_ID,DATE_TIME,TOPICID,SIG_GRADE,CNV_GRADE,APIN,ASX.DL,APHNUM,APHSET,APHTYP,"
    "BPIN,BSX.DL,BPHNUM,BPHSET,BPHTYP\n"
    "00001,20021212_13:40:10,ENG01,4,4,1001,f.a,x,4,3,1002,m.a,y,4,1\n"
)


def test_calls_with_who_is_on_which_channel(tmp_path: Path) -> None:
    files = {
        "LDC2004S13/fe_03_p1_sph1/audio/000/fe_03_00001.sph": "",
        "LDC2004S13/fe_03_p1_sph1/audio/000/fe_03_00002.sph": "",
        "LDC2004T19/data/trans/000/fe_03_00001.txt": TEXT,
        "LDC2004T19/doc/fe_03_p1_calldata.tbl": CALLS,
        "LDC2004T19/doc/fe_03_readme.txt": "read me",
    }
    found = list_fisher(trees.lay(tmp_path, dict(files)))
    one, other = found.sources
    assert json.loads(one.labels["channels"]) == ["fisher-1001", "fisher-1002"]
    assert one.labels["gender"] == "female/male" and one.labels["dialogue"] == "fisher-fe_03_00001"
    assert one.transcript is not None
    said = read_transcript(tmp_path / one.transcript["path"], "fisher").utterances
    assert [(u.channel, u.text, float(u.start or 0), float(u.stop or 0)) for u in said] == [
        ("A", "who turned me onto this", 0.1, 0.5),
        ("B", "yes", 0.5, 0.95),
    ], "a sound alone says nothing"
    assert "channels" not in other.labels
    assert trees.told(found) == [("corpus_part_missing", other.path)] * 2, "its text and its row"
    media = probe(str(tmp_path / one.path))
    assert media.audio is not None and (media.audio.channels, media.audio.rate_hz) == (2, 8000)


def test_without_the_table_of_calls(tmp_path: Path) -> None:
    found = list_fisher(trees.lay(tmp_path, {"fe_03_00001.wav": "", "trans/fe_03_00001.txt": TEXT}))
    assert trees.told(found) == [("corpus_part_missing", "fe_03_p1_calldata.tbl")]
    assert "speakers" not in found.sources[0].labels
