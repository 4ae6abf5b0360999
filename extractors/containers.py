"""Opening containers and walking through their packets, whatever state they are in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import av
from av.stream import Discard

from extractors.ffprobe import media_url
from manifests.reasons import ItemError, Reason

CONTAINERS_WITHOUT_PTS = frozenset({"avi"})
"""They store no presentation times; packets are then timed by their decoding times."""


def open_container(path: str) -> Any:
    """An av container. Raises ItemError(UNREADABLE_CONTAINER)."""
    try:
        return av.open(media_url(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise ItemError(Reason.UNREADABLE_CONTAINER, f"opening: {error.strerror}") from error


def pick_stream(container: Any, index: int, kind: str) -> Any:
    """The stream that `probe` chose; the others are not even read where the container allows.

    Raises ItemError(UNREADABLE_CONTAINER) when there is no such stream.
    """
    if index >= len(container.streams) or container.streams[index].type != kind:
        container.close()
        raise ItemError(Reason.UNREADABLE_CONTAINER, f"stream {index} is no {kind}")
    for stream in container.streams:
        if stream.index != index:
            stream.discard = Discard.all
    return container.streams[index]


def packets(container: Any, streams: Iterable[Any], count_error: Callable[[], None]) -> Iterator[Any]:
    """Packets of these streams, at the end one empty packet for each; a broken container ends the pass."""
    found = container.demux(*streams)
    while True:
        try:
            packet = next(found)
        except StopIteration:
            return
        except IndexError:  # PyAV trips at the very end over streams that appeared after opening
            return
        except av.error.FFmpegError:
            count_error()
            return
        yield packet


def decoded(container: Any, stream: Any, count_error: Callable[[], None]) -> Iterator[Any]:
    """Every frame that decodes; each packet that does not is counted."""
    for packet in packets(container, [stream], count_error):
        yield from _decode(stream, packet, count_error)
    yield from _decode(stream, None, count_error)  # what the decoder holds when the container broke off


def _decode(stream: Any, packet: Any, count_error: Callable[[], None]) -> Iterator[Any]:
    try:
        yield from stream.codec_context.decode(packet)
    except EOFError:  # it was flushed before
        return
    except av.error.FFmpegError:
        count_error()
