"""Picture and sound of one recording that lie in two files, put into one without encoding anything anew."""

from __future__ import annotations

import shutil
from heapq import merge
from pathlib import Path
from typing import TYPE_CHECKING

from manifests.reasons import Reason
from manifests.sidecar import Complaint
from manifests.sources.folder import fingerprint
from manifests.sources.stage import Stage, writing

if TYPE_CHECKING:
    from collections.abc import Iterator

    import av
    from av.container import InputContainer
    from av.stream import Stream


def join(stage: Stage, target: str, video: Path, audio: Path, complaints: list[Complaint]) -> str | None:
    """A QuickTime file `target` below the stage with the pictures of one file and the sound of the other.

    Packets are copied with their time stamps; both files are taken to begin at one instant. Nothing is made
    again while both stay as they are. What cannot be read is told, and None.
    """
    path = stage.root / target
    key = ("join", target, fingerprint(video), fingerprint(audio))
    told = stage.receipt(*key)
    if told is not None and path.is_file() and path.stat().st_size == told["bytes"]:
        return target
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    part = stage.partial(*key) / "joined.mov"
    try:
        _copy(video, audio, part)
    except (av.FFmpegError, IndexError, ValueError) as error:
        detail = f"pictures of {video.name} and sound of {audio.name} cannot be put together: {error}"
        complaints.append(Complaint(str(video), Reason.UNREADABLE_CONTAINER, detail))
        return None
    else:
        mtime = max(video.stat().st_mtime, audio.stat().st_mtime)
        with part.open("rb") as made, writing(path, mtime=mtime) as handle:
            shutil.copyfileobj(made, handle, 1 << 20)
        stage.finish({"bytes": path.stat().st_size}, *key)
    finally:
        shutil.rmtree(part.parent)
    return target


def carry(stage: Stage, target: str, source: Path) -> str:
    """A file copied into the stage beside what it belongs to, once as long as it stays as it is."""
    path, key = stage.root / target, ("carry", target, fingerprint(source))
    told = stage.receipt(*key)
    if told is None or not path.is_file() or path.stat().st_size != told["bytes"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        with source.open("rb") as handle, writing(path, mtime=source.stat().st_mtime) as copy:
            shutil.copyfileobj(handle, copy, 1 << 20)
        stage.finish({"bytes": path.stat().st_size}, *key)
    return target


def _copy(video: Path, audio: Path, target: Path) -> None:
    import av

    with (
        av.open(str(video)) as pictures,
        av.open(str(audio)) as sound,
        av.open(str(target), "w", format="mov", options={"fflags": "+bitexact"}) as out,
    ):
        inputs = ((pictures, pictures.streams.video[0]), (sound, sound.streams.audio[0]))
        streams = [_packets(container, stream) for container, stream in inputs]
        outputs = {id(stream): out.add_stream_from_template(stream) for _, stream in inputs}
        for _, packet in merge(*streams, key=lambda one: one[0]):
            packet.stream = outputs[id(packet.stream)]
            out.mux(packet)


def _packets(container: InputContainer, stream: Stream) -> Iterator[tuple[float, av.Packet[Stream]]]:
    for packet in container.demux(stream):
        if packet.dts is not None and packet.time_base is not None:
            yield float(packet.dts * packet.time_base), packet
