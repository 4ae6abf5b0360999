"""The index is written in the order of its keys: what is out of order or twice was not written by `build`."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.audit.sketches import Example
from pipelines.audit.summarise import Summariser


class IndexOrder:
    """Keeps the last key between the batches of one index."""

    def __init__(self) -> None:
        self._last: str | None = None

    def check(self, rows: pa.Table, found: Summariser) -> None:
        """Tell keys that do not come after the one before them."""
        if not rows.num_rows:
            return
        keys = rows["key"].combine_chunks()
        before = pa.concat_arrays([pa.array([self._last], pa.string()), keys[:-1]])
        wrong = pc.fill_null(pc.less_equal(keys, before), fill_value=False)
        found.looked("keys_unique", len(keys))
        for key, previous in zip(
            keys.filter(wrong).to_pylist(), before.filter(wrong).to_pylist(), strict=True
        ):
            why = "twice in the index" if key == previous else f"after {previous}"
            found.fault("keys_unique", Example(0.0, key, why))
        self._last = keys[-1].as_py()
