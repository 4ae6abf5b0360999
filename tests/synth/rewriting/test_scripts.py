from __future__ import annotations

import json
from pathlib import Path

import pytest

from synth.rewriting import ScriptError, read_scripts

LINE = {
    "id": "d1",
    "language": "en",
    "speakers": {"A": {"name": "Anna", "gender": "female"}, "B": {"person": "ses01_M"}},
    "turns": [
        {"speaker": "A", "text": " I lost\nmy keys. ", "emotion": "Sad"},
        {"speaker": "B", "text": "Oh no."},
    ],
}


def write(path: Path, *records: object) -> Path:
    lines = (one if isinstance(one, str) else json.dumps(one) for one in records)
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_script_is_read(tmp_path) -> None:
    (one,) = read_scripts(write(tmp_path / "s.jsonl", LINE, ""))
    assert one.turns[0].text == "I lost my keys."  # white space is not spoken
    assert (one.called("A"), one.called("B")) == ("Anna", "Speaker B")
    assert (one.person("A"), one.person("B")) == ("d1/A", "ses01_M")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"id": "a.b"}, "id"),
        ({"id": "../x"}, "id"),
        ({"speakers": {"A": {}}}, "speakers"),
        ({"speakers": {"A": {}, "B": {}, "C": {}}}, "speakers"),
        ({"speakers": {"A": {"gender": "f"}, "B": {}}}, "speakers.A.gender"),
        ({"turns": []}, "turns"),
        ({"turns": [{"speaker": "C", "text": "Hello."}]}, r"turns\[0\] is said by 'C'"),
        ({"turns": [{"speaker": "A", "text": "..."}]}, "turns.0.text: .*no word"),
        ({"turns": [{"speaker": "A", "text": "a\u0000b"}]}, "turns.0.text"),
        ({"turns": [{"speaker": "A"}]}, "turns.0.text"),
        ({"language": "english!"}, "language"),
        ({"turn": 1}, "turn: Extra"),
    ],
)
def test_errors_name_file_line_and_field(tmp_path, change, message) -> None:
    path = write(tmp_path / "s.jsonl", LINE, LINE | {"id": "d2"} | change)
    with pytest.raises(ScriptError, match=rf"s\.jsonl line 2: .*{message}"):
        list(read_scripts(path))


@pytest.mark.parametrize(("line", "message"), [("{", "not JSON"), ("[1]", "list"), (b"\xff{}", "not JSON")])
def test_lines_that_are_no_object(tmp_path, line, message) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(line if isinstance(line, bytes) else line.encode())
    with pytest.raises(ScriptError, match=f"line 1: .*{message}"):
        list(read_scripts(path))


def test_an_id_given_twice_is_told(tmp_path) -> None:
    with pytest.raises(ScriptError, match="line 3: id 'd1' was given in line 1"):
        list(read_scripts(write(tmp_path / "s.jsonl", LINE, LINE | {"id": "d2"}, LINE)))


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(ScriptError, match=r"none\.jsonl: No such file"):
        list(read_scripts(tmp_path / "none.jsonl"))
