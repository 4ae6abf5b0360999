"""Sounds for a mix: read, brought to the clip's rate, and kept for the next clip that needs them."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from manifests.store import Store
from pipelines.step import Item
from pipelines.testsets.clean import read_part
from pipelines.testsets.grid import MixConfig, SpansConfig
from synth.interferers import Sound, without_mean
from synth.levels import Pcm, Spans
from synth.mixing import Mixed, apply
from synth.noise_plan import Fault, InterfererPlan, MixError, MixPlan, draw_offset, draw_spans, seed_of
from synth.rooms import Room, measured_room, shoebox_rooms

KEPT = 16
"""Sounds a worker holds: those of one clip meet again at its next SNR."""
PLACES_HZ = 16_000
"""Places in a noise are drawn at this rate, so that every recording of a clip meets the same stretch."""
TICK_HZ = 25
Kept = TypeVar("Kept")


class Sounds:
    """The interferers and rooms of the items that a worker does, most recent first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Any, Any] = OrderedDict()

    def sound(self, source: dict[str, Any], member: str, rate_hz: int, clean: Store) -> Sound:
        """One channel at `rate_hz`: a clip's recording `member` (else its 16 kHz one), or a file."""

        def load() -> Sound:
            if "path" in source:
                return Sound(_to_rate(*read_recording(Path(source["path"])), rate_hz))
            name = member if member in source["members"] else "flac"
            offset, n_bytes, _ = source["members"][name]
            pcm, own_hz = decoded(read_part(clean, source["shard"], offset, n_bytes))
            mono = _to_rate(pcm, own_hz, rate_hz)
            return Sound(mono, samples_of(source["active_s"], len(mono), rate_hz))

        return self._keep((source["name"], source.get("path"), member, rate_hz), load)

    def rooms(self, wanted: Sequence[dict[str, Any]], rate_hz: int) -> dict[str, Room]:
        """The rooms of an item, by the names `room-0` (the target's), `room-1`, …"""
        return {f"room-{number}": self._room(one, rate_hz) for number, one in enumerate(wanted)}

    def _room(self, about: dict[str, Any], rate_hz: int) -> Room:
        return self._keep(repr((sorted(about.items()), rate_hz)), lambda: _made_room(about, rate_hz))

    def _keep(self, key: Any, load: Callable[[], Kept]) -> Kept:
        if key not in self._kept:
            self._kept[key] = load()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        kept: Kept = self._kept[key]
        return kept


def _made_room(about: dict[str, Any], rate_hz: int) -> Room:
    if "shoebox" not in about:
        return measured_room(*read_recording(Path(about["path"])), to_rate_hz=rate_hz)
    made = shoebox_rooms(
        *about["shoebox"], rate_hz=rate_hz, n_sources=about["n_sources"], t60_s=about["t60_s"]
    )
    room: Room = made[about["place"]]
    return room


def read_recording(path: Path) -> tuple[NDArray[np.float32], int]:
    """(channels, n) samples of a file's first audio stream. Raises MixError(NO_INTERFERER)."""
    import av

    from extractors.audio import AudioReader
    from manifests.reasons import ItemError

    try:
        with av.open(str(path)) as container:
            best = container.streams.best("audio")
            index = best.index if best else None  # nothing of a stream outlives its container
        if index is None:
            raise MixError(Fault.NO_INTERFERER, f"{path} has no sound")
        with AudioReader(str(path), stream_index=index) as reader:
            blocks = list(reader.blocks(block_s=10.0))
            return np.concatenate(blocks, axis=1), reader.rate_hz
    except (av.FFmpegError, ItemError, ValueError) as error:
        raise MixError(Fault.NO_INTERFERER, f"{path} cannot be read: {error}") from error


def decoded(data: bytes) -> tuple[NDArray[np.int16], int]:
    """(channels, n) samples as they are stored."""
    import soundfile

    pcm, rate_hz = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    return np.ascontiguousarray(pcm.T), rate_hz


def _to_rate(pcm: NDArray[Any], own_hz: int, rate_hz: int) -> NDArray[np.float32]:
    """The mean of the channels without its offset, at another rate."""
    import soxr

    mono = without_mean(pcm).mean(axis=0)
    return mono if own_hz == rate_hz else np.asarray(soxr.resample(mono, own_hz, rate_hz), np.float32)


def samples_of(spans_s: Sequence[Sequence[float]], n_samples: int, rate_hz: int) -> Spans:
    """Sample spans of spans in seconds, inside the clip."""
    edges = [(round(start * rate_hz), min(n_samples, round(stop * rate_hz))) for start, stop in spans_s]
    return tuple((start, stop) for start, stop in edges if start < stop)


@dataclass(frozen=True)
class MixedMember:
    """One recording of a clip in a condition: files by their extensions, the plan, what was measured."""

    payloads: dict[str, bytes]
    plan: MixPlan
    proof: dict[str, Any]


def mix_member(item: Item, member: str, config: MixConfig, sounds: Sounds, clean: Store) -> MixedMember:
    """Plan and mix one recording. Raises MixError."""
    from extractors.encode import int16_flac

    inputs = item.inputs
    offset, n_bytes, _ = inputs["target"]["members"][inputs["stream"] + member]
    target, rate_hz = decoded(read_part(clean, inputs["shard"], offset, n_bytes))
    sources = [source for one in inputs["interferers"] for source in one["sources"]]
    heard = {source["name"]: sounds.sound(source, member, rate_hz, clean) for source in sources}
    plan = make_plan(inputs, target.shape[-1], rate_hz, config, heard)
    mixed = apply(plan, target, heard, sounds.rooms(inputs["rooms"], rate_hz), stems=config.stems)
    payloads = {} if config.plans_only else {member: int16_flac(mixed.pcm, rate_hz)}
    if member == "flac" and "fbank104" in config.members and not config.plans_only:
        payloads["fbank104.npy"] = _filterbank(mixed.pcm[0], rate_hz)
    if config.stems and mixed.target is not None and not config.plans_only:
        payloads[f"target.{member}"] = int16_flac(mixed.target, rate_hz)
        for number, stem in enumerate(mixed.interferers):
            payloads[f"interferer{number}.{member}"] = int16_flac(stem, rate_hz)
    return MixedMember(payloads, plan, proof_of(mixed))


def _filterbank(pcm: NDArray[np.int16], rate_hz: int) -> bytes:
    """As `cut` writes it: 104 numbers for each 40 ms."""
    from extractors.encode import npy_bytes
    from extractors.filterbank import stacked_filterbank

    mono = pcm.astype(np.float32) / np.float32(32768)
    return npy_bytes(stacked_filterbank(np.asarray(mono, np.float32), n_frames=len(pcm) * TICK_HZ // rate_hz))


def make_plan(
    inputs: dict[str, Any], n_samples: int, rate_hz: int, config: MixConfig, heard: dict[str, Sound]
) -> MixPlan:
    """The plan of a clip in a condition: places and spans are drawn for the clip and the family alone."""
    family = inputs["family"]
    parts = (inputs["seed"], inputs["clip"], family["name"] or family["kind"])
    spans = _spans(family["spans"], n_samples, rate_hz, parts)
    asked = [inputs["snr_db"], *(one["snr_db"] for one in family["also"])]
    rooms = [f"room-{number}" for number in range(len(inputs["rooms"]))]
    interferers = tuple(
        InterfererPlan(
            kind=one["kind"],
            spans=spans,
            sources=tuple(source["name"] for source in one["sources"]),
            seed=seed_of("interferer", *parts, number),
            snr_db=asked[number],
            level_dbfs=family["noise_only_dbfs"],
            offset=_offset(
                one, _first(one, heard), (n_samples, rate_hz), config.crossfade_s, (*parts, number)
            ),
            crossfade=round(config.crossfade_s * rate_hz),
            fade=round(config.fade_s * rate_hz),
            room=rooms[number + 1] if rooms else None,
        )
        for number, one in enumerate(inputs["interferers"])
    )
    return MixPlan(
        key=inputs["key"],
        kind="noisy" if inputs["snr_db"] is not None else "noise_only",
        n_samples=n_samples,
        rate_hz=rate_hz,
        over=config.over,
        active=samples_of(inputs["target"]["active_s"], n_samples, rate_hz),
        interferers=interferers,
        room=rooms[0] if rooms and inputs["snr_db"] is not None else None,
    )


def _spans(asked: dict[str, Any] | None, n_samples: int, rate_hz: int, parts: tuple[Any, ...]) -> Spans:
    """The whole clip, or spans on ticks of 40 ms, the same in every recording of the clip."""
    if asked is None:
        return ((0, n_samples),)
    wanted = SpansConfig(**asked)
    n_ticks = n_samples * TICK_HZ // rate_hz
    try:
        ticks = draw_spans(
            n_ticks, *parts, count=wanted.count, min_share=wanted.min_share, max_share=wanted.max_share
        )
    except ValueError as error:
        raise MixError(Fault.LENGTH_DIFFERS, str(error)) from error
    return tuple((start * rate_hz // TICK_HZ, stop * rate_hz // TICK_HZ) for start, stop in ticks)


def _first(one: dict[str, Any], heard: dict[str, Sound]) -> Pcm | None:
    return heard[one["sources"][0]["name"]].pcm if one["sources"] else None


def _offset(
    plan_of: dict[str, Any],
    pcm: Pcm | None,
    length: tuple[int, int],
    crossfade_s: float,
    parts: tuple[Any, ...],
) -> int:
    """Where the interferer begins in a clip of `length` (samples, rate); drawn at 16 kHz.

    Babble places its own voices, and what is made here has no place.
    """
    if plan_of["kind"] == "babble" or pcm is None:
        return 0
    n_samples, rate_hz = length
    n_source = pcm.shape[-1]
    scale = Fraction(PLACES_HZ, rate_hz)
    place = draw_offset(
        round(n_source * scale), round(n_samples * scale), round(crossfade_s * PLACES_HZ), *parts
    )
    offset = int(place / scale)
    return offset if n_source < n_samples else min(offset, n_source - n_samples)


def proof_of(mixed: Mixed) -> dict[str, Any]:
    """What was measured on the written samples, as JSON."""
    return {
        "gain": mixed.gain,
        "room_gain": mixed.room_gain,
        "total_active_snr_db": mixed.total_active_snr_db,
        "total_full_snr_db": mixed.total_full_snr_db,
        "interferers": [asdict(one) for one in mixed.achieved],
    }
