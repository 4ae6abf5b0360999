"""The tables that `watch` and `who` store, and a writer that takes them row by row."""

from __future__ import annotations

from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FRAMES = pa.schema(
    [
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("time_num", pa.int64(), nullable=False),  # PTS in seconds = time_num / time_den
        pa.field("time_den", pa.int64(), nullable=False),
        pa.field("corrupt", pa.bool_(), nullable=False),
        pa.field("n_faces", pa.int32(), nullable=False),
        pa.field("shot", pa.int32(), nullable=False),
    ]
)
"""One row a decoded frame."""

FACES = pa.schema(
    [
        pa.field("frame", pa.int64(), nullable=False),
        pa.field("track", pa.int32(), nullable=False),
        pa.field("time_s", pa.float64(), nullable=False),
        pa.field("score", pa.float32(), nullable=False),
        pa.field("box", pa.list_(pa.float32(), 4), nullable=False),  # x0 y0 x1 y1, px
        pa.field("sharpness", pa.float32(), nullable=False),  # variance of the Laplacian
        pa.field("luma", pa.float32(), nullable=False),  # mean of the face, 0..1
        pa.field("dark_share", pa.float32(), nullable=False),  # of its pixels, crushed to black
        pa.field("bright_share", pa.float32(), nullable=False),  # of its pixels, blown out
        pa.field("mouth_occlusion", pa.float32(), nullable=False),  # 0..1
        pa.field("jitter", pa.float32(), nullable=False),  # share of the eye distance; NaN: not known
        pa.field("pose", pa.list_(pa.float32(), 16), nullable=False),  # canonical face -> camera, cm
        pa.field("blendshapes", pa.list_(pa.float32(), 52), nullable=False),
        pa.field("landmarks", pa.list_(pa.float32(), 478 * 3), nullable=False),  # px, to 1/64
        pa.field("crop", pa.binary(), nullable=False),  # 112x112 grey JPEG, for `who`
    ]
)
"""One row a face and frame."""

TRACKS = pa.schema(
    [
        pa.field("track", pa.int32(), nullable=False),
        pa.field("shot", pa.int32(), nullable=False),
        pa.field("first_frame", pa.int64(), nullable=False),
        pa.field("last_frame", pa.int64(), nullable=False),
        pa.field("n_frames", pa.int64(), nullable=False),
        pa.field("identity", pa.int32(), nullable=False),  # within the source
        pa.field("n_embedded", pa.int32(), nullable=False),  # frames that were looked at to tell who it is
        pa.field("embedding", pa.list_(pa.float32())),  # mean of the track's; null: never measured
        pa.field("embedding_spread", pa.float32()),  # mean squared distance from that mean
        pa.field("reference_frame", pa.int64()),  # sharpest, near-frontal; null: none good enough
        pa.field("reference_quality", pa.float32()),
        pa.field("profile_frame", pa.int64()),  # largest |yaw| beyond 40 degrees; null: none
    ]
)
"""One row a face track; no track crosses a shot."""

SCORES = pa.schema(
    [
        pa.field("track", pa.int32(), nullable=False),
        pa.field("tick", pa.int64(), nullable=False),  # 1/25 s from the source's first frame
        pa.field("score", pa.float32(), nullable=False),  # logit: above 0 the face speaks
    ]
)
"""One row a face track and 25 Hz instant."""

OFFSETS = pa.schema(
    [
        pa.field("track", pa.int32(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("stop_s", pa.float64(), nullable=False),
        pa.field("method", pa.string(), nullable=False),  # lips, syncnet
        # of 40 ms; positive: the sound is early; NaN: nothing to tell
        pa.field("offset_frames", pa.float32(), nullable=False),
        pa.field("confidence", pa.float32(), nullable=False),  # lips: probability; syncnet: its own scale
    ]
)
"""One row a face track and stretch of at most 45 s. `docs/av-offset.md` says what the numbers mean."""

ROWS_A_GROUP = 512


class TableStream:
    """A Parquet table written row by row, in row groups of fixed size."""

    def __init__(self, handle: IO[bytes], schema: pa.Schema) -> None:
        self._schema = schema
        self._rows: list[dict[str, Any]] = []
        # split mantissa bytes of the long float columns: rounded coordinates then compress well
        floats = [f"{field.name}.list.element" for field in schema if pa.types.is_fixed_size_list(field.type)]
        self._writer = pq.ParquetWriter(
            handle, schema, compression="zstd", use_dictionary=False, use_byte_stream_split=floats or False
        )

    def __enter__(self) -> TableStream:
        return self

    def __exit__(self, *_: object) -> None:
        if self._rows:
            self._flush()
        self._writer.close()

    def add(self, row: dict[str, Any]) -> None:
        """Append a row."""
        self._rows.append(row)
        if len(self._rows) == ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        columns = []
        for field in self._schema:
            values = [row[field.name] for row in self._rows]
            if pa.types.is_fixed_size_list(field.type):
                flat = pa.array(np.concatenate(values).astype(np.float32))
                columns.append(pa.FixedSizeListArray.from_arrays(flat, type=field.type))
            else:
                columns.append(pa.array(values, field.type))
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows = []
