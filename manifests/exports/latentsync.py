"""LatentSync: MP4s of 256×256 at 25 fps with 16 kHz sound inside, and a text list of them a split.

The sound is FLAC inside MP4, the corpus's own packets: decord 0.6.0, which the trainer reads with, gives
every sample back (AAC is lossy, and its last frame reaches beyond the picture). A face crop of another size
is scaled and encoded anew. The crop is ours, not LatentSync's affine one: run its own
`data_processing_pipeline.sh` on the source where that matters.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from pydantic import Field

from manifests.corpus_reader import Sample
from manifests.exports.base import Entry, ExportOptions, ExportReason, SampleExport, SkipSample, write_lines
from manifests.exports.media import mono_16k, open_media, picture
from manifests.store import Store

FACE_PX = 256
MIN_FRAMES = 48
"""Its data set draws again, for ever if need be, while a video has fewer than three times its 16 frames
(bytedance/LatentSync:latentsync/data/unet_dataset.py)."""


class LatentSyncOptions(ExportOptions):
    """How the paths are written."""

    root: str = "."
    """Where the export lies when the trainer runs; a full path lets it run in any folder."""
    min_frames: int = Field(default=MIN_FRAMES, ge=1)


class LatentSync(SampleExport):
    """Lists for `UNetDataset` and `SyncNetDataset`."""

    name = "latentsync"
    needs: ClassVar[tuple[str, ...]] = ("json", "face.mp4", "flac")
    options_model: ClassVar[type[ExportOptions]] = LatentSyncOptions
    options: LatentSyncOptions

    def sample(self, sample: Sample, out: Store) -> dict[str, Any]:
        """`video/KEY.mp4`. All in one folder: the trainer's cache knows videos by file name alone."""
        seen = picture(sample, "face.mp4")
        if seen.n_frames < self.options.min_frames:
            told = f"{seen.n_frames} frames; the trainer wants {self.options.min_frames}"
            raise SkipSample(ExportReason.TOO_SHORT, told)
        mono_16k(sample)
        fits = (seen.height, seen.width) == (FACE_PX, FACE_PX)
        face = sample.read("face.mp4")
        out.write(f"video/{sample.key}.mp4", muxed(face if fits else scaled(face), sample.read("flac")))
        return {"scaled_from_px": None if fits else seen.height}

    def finish(self, entries: Mapping[str, list[Entry]], out: Store) -> None:
        """`SPLIT.txt`, one path a line."""
        root = "" if self.options.root == "." else self.options.root.rstrip("/") + "/"
        for split, mine in entries.items():
            write_lines(out, f"{split}.txt", (f"{root}video/{entry.key}.mp4" for entry in mine))

    def notes(self, entries: Mapping[str, list[Entry]]) -> list[str]:
        """The folder to run in; scaling loses a little."""
        px = {one.about["scaled_from_px"] for mine in entries.values() for one in mine} - {None}
        notes = ["paths are relative: run the trainer in the export's folder, or set `root`"]
        told = f"faces of {sorted(px)} px were scaled; build with `cut.face_px={FACE_PX}` to copy them"
        return (
            [*notes, told]
            if px and self.options.root == "."
            else [told]
            if px
            else notes[: self.options.root == "."]
        )


def muxed(video: bytes, sound: bytes) -> bytes:
    """One MP4 of an MP4's pictures and a FLAC's sound; packets are copied, nothing is encoded."""
    import av

    buffer = io.BytesIO()
    options = {"strict": "experimental", "fflags": "+bitexact"}
    with (
        open_media(video) as pictures,
        open_media(sound) as flac,
        av.open(buffer, "w", format="mp4", options=options) as out,
    ):
        sources = [pictures.streams.video[0], flac.streams.audio[0]]
        targets = [out.add_stream_from_template(source) for source in sources]
        packets = []
        for container, source, target in zip((pictures, flac), sources, targets, strict=True):
            for packet in container.demux(source):
                if packet.dts is not None and packet.size:
                    at = Fraction(packet.dts) * Fraction(packet.time_base)
                    packet.stream = target
                    packets.append((at, target.index, packet))
        for _, _, packet in sorted(packets, key=lambda one: one[:2]):
            out.mux(packet)
    return buffer.getvalue()


def scaled(video: bytes) -> bytes:
    """The pictures of an MP4 at 256×256, bicubic, x264 with one thread: the same bytes every time."""
    import av
    from av.video.reformatter import Interpolation, VideoReformatter

    buffer, reformatter = io.BytesIO(), VideoReformatter()
    how = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.BITEXACT
    options = {"crf": "12", "preset": "veryfast", "threads": "1"}
    with (
        open_media(video) as source,
        av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as out,
    ):
        stream: Any = out.add_stream("libx264", rate=25, options=options)
        stream.width = stream.height = FACE_PX
        stream.pix_fmt = source.streams.video[0].pix_fmt
        stream.codec_context.color_range = source.streams.video[0].codec_context.color_range
        stream.codec_context.flags |= av.codec.context.Flags.bitexact
        for number, frame in enumerate(source.decode(video=0)):
            larger = reformatter.reformat(frame, width=FACE_PX, height=FACE_PX, interpolation=how)
            larger.pts, larger.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(larger))
        out.mux(stream.encode(None))
    return buffer.getvalue()
