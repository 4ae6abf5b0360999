"""One sample of a shard while it is audited: its members, decoded once each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipelines.audit.sketches import Example
from pipelines.audit.summarise import Summariser
from pipelines.audit.tasks import Promised

if TYPE_CHECKING:
    from synth.turns.model import Annotation

SIDES = ("main", "other")
TURNS = "turns.json"


@dataclass
class Sample:
    """Members by extension, KEY.json, what the index promised. Decoded media are kept while it lives."""

    key: str
    shard: str
    header: dict[str, Any]
    members: dict[str, bytes]
    promised: Promised
    found: Summariser
    promised_base: str | None = None
    """Where the clean corpus of a test set lies."""
    _sounds: dict[str, tuple[NDArray[np.float32], int] | None] = field(default_factory=dict)
    _pictures: dict[str, NDArray[np.uint8] | None] = field(default_factory=dict)
    _arrays: dict[str, NDArray[Any] | None] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        """As KEY.json has it."""
        return float(self.header["duration_s"])

    @cached_property
    def turns(self) -> Annotation | None:
        """Who speaks when, of a dialogue; None where nothing tells, or nothing that can be read."""
        from synth.turns.record import RecordError, read_turns

        if TURNS not in self.members:
            return None
        self.found.looked("turns_valid")
        try:
            return read_turns(self.members[TURNS])[0]
        except (RecordError, ValueError) as error:
            self.fault("turns_valid", str(error).splitlines()[0])
            return None

    def spoken(self, side: str, step_s: float) -> NDArray[np.bool_] | None:
        """(steps,) whether a side speaks in the middle of each step of a dialogue; None: nothing tells."""
        if self.turns is None or side not in SIDES:
            return None
        spans = self.turns.ipus[SIDES.index(side)]
        middles_s = (np.arange(round(float(self.turns.duration) / step_s)) + 0.5) * step_s
        inside = np.zeros(len(middles_s), bool)
        for start, stop in spans:
            inside |= (middles_s >= float(start)) & (middles_s < float(stop))
        return inside

    def fault(self, check: str, detail: str, value: float | None = None) -> None:
        """Tell something wrong with this sample."""
        self.found.fault(check, Example(-(value or 0.0), self.key, detail, value, self.shard))

    def row(self, **facts: Any) -> dict[str, Any]:
        """A row of a table about this sample."""
        return {"key": self.key, "shard": self.shard, **facts}

    def sounds(self) -> Iterator[str]:
        """Members that are sound."""
        yield from (name for name in sorted(self.members) if name.rpartition(".")[2] in ("flac", "wav"))

    def pictures(self) -> Iterator[str]:
        """Members that are moving pictures."""
        yield from (name for name in sorted(self.members) if name.endswith(".mp4"))

    def arrays(self) -> Iterator[str]:
        """Members that are arrays."""
        yield from (name for name in sorted(self.members) if name.endswith(".npy"))

    def sound(self, name: str) -> tuple[NDArray[np.float32], int] | None:
        """(channels, n) samples, full scale ±1, and their rate; None where there are none to be had."""
        if name not in self._sounds:
            self._sounds[name] = self._decoded(name, _read_sound)
        return self._sounds[name]

    def picture(self, name: str) -> NDArray[np.uint8] | None:
        """(T, H, W) grey levels; None where there are none to be had."""
        if name not in self._pictures:
            self._pictures[name] = self._decoded(name, _read_picture)
        return self._pictures[name]

    def array(self, name: str) -> NDArray[Any] | None:
        """The array; None where there is none to be had."""
        if name not in self._arrays:
            self._arrays[name] = self._decoded(name, _read_array)
        return self._arrays[name]

    def _decoded(self, name: str, read: Any) -> Any:
        if name not in self.members:
            return None
        self.found.looked("member_readable")
        try:
            return read(self.members[name])
        except (
            ValueError,
            OSError,
            EOFError,
            RuntimeError,
        ) as error:  # PyAV's and soundfile's are among them
            self.fault("member_readable", f"{name}: {str(error).splitlines()[0] if str(error) else error!r}")
            return None


def _read_sound(data: bytes) -> tuple[NDArray[np.float32], int]:
    import soundfile

    pcm, rate_hz = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    if soundfile.info(io.BytesIO(data)).frames != len(pcm):
        raise ValueError(f"{len(pcm)} samples of {soundfile.info(io.BytesIO(data)).frames}")
    return np.ascontiguousarray(pcm.T), int(rate_hz)


def _read_picture(data: bytes) -> NDArray[np.uint8]:
    import av

    with av.open(io.BytesIO(data), mode="r") as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    if not frames:
        raise ValueError("no frame can be decoded")
    return np.stack(frames)


def _read_array(data: bytes) -> NDArray[Any]:
    array: NDArray[Any] = np.load(io.BytesIO(data), allow_pickle=False)
    return array
