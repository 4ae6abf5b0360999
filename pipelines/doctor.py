"""`duologue doctor`: what this machine has, what it lacks, and how to cure it.

Nothing heavy is imported: packages are looked up, not loaded (PyAV excepted, whose encoder is asked for).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from rich.markup import escape
from rich.table import Table

from pipelines.models import ModelRow, model_rows

Level = Literal["ok", "warn", "fail"]

TRIED_PYTHON = "3.11"
BUILD_EXTRAS = ("build", "media", "vision", "speech")
"""Without these `duologue build` does not run; the other extras are a choice."""
OPTIONAL_EXTRAS = {
    "tokens": "codec tokens (DAC, Mimi)",
    "dac": "the original DAC package",
    "dialogue": "rewriting by a language model",
    "audit": "audits of a corpus",
    "demo": "rendered demo clips",
    "s3": "output on S3",
    "gcs": "output on Google Cloud Storage",
}
LOW_MEMORY_BYTES = 4e9
LOW_DISK_BYTES = 10e9
OPENCV_COPIES = (
    "opencv-python",
    "opencv-contrib-python",
    "opencv-python-headless",
    "opencv-contrib-python-headless",
)


@dataclass(frozen=True)
class Check:
    """One finding; `remedy` is empty where there is nothing to do."""

    name: str
    level: Level
    detail: str
    remedy: str = ""


def doctor(folder: Path) -> list[Check]:
    """Every check, in a fixed order; `folder` is where output would go (it need not exist yet)."""
    return [
        _python(),
        _ffprobe(),
        _encoder(),
        *_extras(),
        _opencv_copies(),
        _gpu(),
        _ray(),
        _cpus(),
        _memory(),
        _shared_memory(),
        _disk(folder),
        *_models(),
    ]


def doctor_table(checks: list[Check]) -> Table:
    """`checks` for a terminal; a remedy stands under the finding it cures."""
    table = Table(title="This machine", title_justify="left")
    for column in ("", "check", "finding"):
        table.add_column(column, overflow="fold")
    marks = {"ok": "[green]ok[/]", "warn": "[yellow]warn[/]", "fail": "[red]fail[/]"}
    for check in checks:
        remedy = f"\n[cyan]→ {escape(check.remedy)}[/]" if check.remedy else ""
        table.add_row(marks[check.level], check.name, escape(check.detail) + remedy)
    return table


def _python() -> Check:
    version = platform.python_version()
    if version.startswith(f"{TRIED_PYTHON}."):
        return Check("Python", "ok", version)
    remedy = f"if a package fails to install, use Python {TRIED_PYTHON}"
    return Check("Python", "warn", f"{version}; the locked versions were tried with {TRIED_PYTHON}", remedy)


def _ffprobe() -> Check:
    remedy = f"{_install('media')}; or install FFmpeg"
    try:
        from extractors.ffprobe import find_ffprobe  # needs the extra `media`

        path = find_ffprobe()
    except ImportError as error:
        return Check("ffprobe", "fail", str(error), remedy)
    try:
        first_line = _output(path, "-version").splitlines()[0]
    except (OSError, subprocess.SubprocessError, IndexError) as error:
        return Check("ffprobe", "fail", f"{path} does not run: {error}", remedy)
    return Check("ffprobe", "ok", f"{' '.join(first_line.split()[:3])} at {path}")


def _encoder() -> Check:
    remedy = _install("media")
    try:
        import av
    except ImportError as error:
        return Check("PyAV", "fail", f"cannot be imported: {error}", remedy)
    if "libx264" not in av.codecs_available:
        return Check("PyAV", "fail", f"{av.__version__} has no x264 encoder", "install PyAV's own wheel")
    return Check("PyAV", "ok", f"{av.__version__} with FFmpeg {av.ffmpeg_version_info} and x264")


def _extras() -> list[Check]:
    """One check an extra: every package it names, present and in range?"""
    try:
        requires = [Requirement(text) for text in metadata.requires("duologue") or ()]
    except metadata.PackageNotFoundError:
        return [Check("packages", "fail", "duologue itself is not installed", _install("build"))]
    modules = _modules_by_distribution()
    checks = []
    for extra in (*BUILD_EXTRAS, *OPTIONAL_EXTRAS):
        wanted = [one for one in requires if one.marker is not None and one.marker.evaluate({"extra": extra})]
        checks.append(_extra(extra, [one for one in wanted if one.name != "duologue"], modules))
    return checks


def _install(extra: str) -> str:
    """uv where it is at hand, and for `dac` always: plain pip cannot resolve it (docs/environment.md)."""
    program = "uv pip" if extra == "dac" or Path(sys.prefix, "bin", "uv").is_file() else "pip"
    return f"{program} install -e '.[{extra}]' -c constraints.txt"


def _extra(extra: str, wanted: list[Requirement], modules: dict[str, list[str]]) -> Check:
    present, missing, wrong = [], [], []
    for requirement in wanted:
        version = _version(requirement.name)
        names = modules.get(canonicalize_name(requirement.name), [])
        if version is None or not any(util.find_spec(name) for name in names):
            missing.append(requirement.name)
        elif requirement.specifier.contains(version, prereleases=True):
            present.append(f"{requirement.name} {version}")
        else:
            wrong.append(f"{requirement.name} {version} is not {requirement.specifier}")
    needed = extra in BUILD_EXTRAS
    remedy = _install(extra)
    if wrong:
        return Check(f"extra {extra}", "fail" if needed else "warn", ", ".join(wrong), remedy)
    if missing and needed:
        return Check(f"extra {extra}", "fail", f"missing: {', '.join(missing)}", remedy)
    if missing:
        purpose = OPTIONAL_EXTRAS[extra]
        return Check(f"extra {extra}", "ok", f"not installed, needed only for {purpose}", remedy)
    return Check(f"extra {extra}", "ok", ", ".join(present))


def _modules_by_distribution() -> dict[str, list[str]]:
    """Canonical distribution name to the top-level modules it installs."""
    found: dict[str, list[str]] = {}
    for module, distributions in metadata.packages_distributions().items():
        for distribution in distributions if module.isidentifier() else ():
            found.setdefault(canonicalize_name(distribution), []).append(module)
    return found


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _opencv_copies() -> Check:
    """Several OpenCV wheels write into one `cv2/`: which one runs then depends on the order of install."""
    copies = [f"{name} {version}" for name in OPENCV_COPIES if (version := _version(name))]
    if len(copies) <= 1:
        return Check("OpenCV", "ok", copies[0] if copies else "not installed")
    others = [name for name in OPENCV_COPIES if name != "opencv-python-headless"]
    remedy = (
        f"pip uninstall -y {' '.join(others)} && "
        "pip install --force-reinstall --no-deps 'opencv-python-headless>=5,<6'"
    )
    return Check("OpenCV", "warn", f"{len(copies)} copies share one folder: {', '.join(copies)}", remedy)


def _gpu() -> Check:
    if shutil.which("nvidia-smi") is None:
        return Check("GPU", "ok", "none (no nvidia-smi): everything runs on the CPU")
    try:
        listed = _output("nvidia-smi", "-L").strip()
    except (OSError, subprocess.SubprocessError) as error:
        return Check("GPU", "warn", f"nvidia-smi failed: {error}", "check the driver")
    names = [line.split(" (UUID")[0] for line in listed.splitlines()]
    return Check("GPU", "ok", "; ".join(names) or "none listed by nvidia-smi")


def _ray() -> Check:
    version = _version("ray")
    if version is None:
        return Check("Ray", "fail", "not installed", f"{_install('build')}; or build with --engine local")
    return Check("Ray", "ok", version)


def _cpus() -> Check:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Check("CPUs", "ok", f"{usable} usable of {os.cpu_count()}: as many workers by default")


def _memory() -> Check:
    if util.find_spec("psutil") is None:
        return Check("memory", "warn", "unknown: psutil is missing", _install("build"))
    import psutil

    memory = psutil.virtual_memory()
    detail = f"{memory.available / 1e9:.1f} GB free of {memory.total / 1e9:.1f} GB"
    if memory.available < LOW_MEMORY_BYTES:
        return Check("memory", "warn", detail, "close something, or build with --workers 1")
    return Check("memory", "ok", detail)


def _shared_memory() -> Check:
    from pipelines.engine_ray import OBJECT_STORE_BYTES

    folder = Path("/dev/shm")  # noqa: S108 (only asked how large it is)
    if not folder.is_dir():
        return Check("shared memory", "ok", "no /dev/shm on this system; Ray uses a file")
    free = shutil.disk_usage(folder).free
    detail = f"{free / 1e9:.2f} GB free in {folder}; Ray wants {OBJECT_STORE_BYTES / 1e9:.2f}"
    if free < OBJECT_STORE_BYTES:
        return Check("shared memory", "warn", detail, "in a container: docker run --shm-size=1g")
    return Check("shared memory", "ok", detail)


def _disk(folder: Path) -> Check:
    existing = next(one for one in (folder.absolute(), *folder.absolute().parents) if one.is_dir())
    free = shutil.disk_usage(existing).free
    detail = f"{free / 1e9:.1f} GB free for {folder.absolute()}"
    if not os.access(existing, os.W_OK):
        return Check("disk", "fail", f"{existing} is not writable", "choose another folder")
    if free < LOW_DISK_BYTES:
        return Check("disk", "warn", detail, "choose a folder on a larger disk")
    return Check("disk", "ok", detail)


def _models() -> list[Check]:
    """The weights a build loads, each; the others in one line."""
    from pipelines.build import build_steps
    from pipelines.config import load_config

    needed = {
        name for step in build_steps(load_config(preset="talking-face")).values() for name in step.weights()
    }
    rows = model_rows()
    checks = []
    for row in rows:
        if row.name in needed or row.state == "wrong":
            fetched = any(source.startswith("https:") for source in row.sources)
            absent: Level = "warn" if fetched and row.state == "missing" else "fail"
            level: Level = "ok" if row.state == "present" else absent
            checks.append(Check(f"weights {row.name}", level, row.where, _weights_remedy(row)))
    others = [row for row in rows if row.name not in needed]
    present = [row.name for row in others if row.state == "present"]
    detail = f"{len(present)} of {len(others)} optional ones here"
    return [
        *checks,
        Check("other weights", "ok", detail, "" if len(present) == len(others) else "duologue models"),
    ]


def _weights_remedy(row: ModelRow) -> str:
    if row.state != "missing":
        return ""  # what is wrong with a file stands in the finding, with its cure
    published = any(source.startswith("https:") for source in row.sources)
    if published:
        return f"the first build downloads it; or duologue models --fetch {row.name}"
    return "see docs/models.md" if row.sha256 is None else _install("build")


def _output(*command: str) -> str:
    """Standard output of a short command. Raises OSError or subprocess.SubprocessError."""
    return subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout
