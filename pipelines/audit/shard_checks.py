"""Checks of the shards as files: is what the index names there, whole, and made as the format says."""

from __future__ import annotations

from pipelines.audit.model import Check, ColumnCheck, FaultCheck, Section
from pipelines.audit.sketches import Bins

_AGAIN = "delete the shard and build again: it is made anew, byte for byte"

SHARD_CHECKS: tuple[Check, ...] = (
    FaultCheck("shard_missing", Section.SHARDS, "Every shard of the index is there", "build again: the shard "
               "is made anew"),
    FaultCheck("shard_size", Section.SHARDS, "Shards have the size of their receipt", _AGAIN),
    FaultCheck("shard_readable", Section.SHARDS, "Shards are whole tars", _AGAIN, deep=True),
    FaultCheck("shard_hash", Section.SHARDS, "Shards have the SHA-256 of their receipt", _AGAIN, deep=True),
    FaultCheck("shard_name", Section.SHARDS, "Names of shards are digests of their contents", _AGAIN,
               deep=True),
    FaultCheck("shard_layout", Section.SHARDS, "Members of a key stand together, KEY.json first",
               _AGAIN, deep=True),
    FaultCheck("samples_match", Section.SHARDS, "Shards hold the samples that the index says", _AGAIN,
               deep=True),
    FaultCheck("members_match", Section.SHARDS, "Samples have the members that KEY.json and index say",
               _AGAIN, deep=True),
    FaultCheck("member_hash", Section.SHARDS, "Members have the SHA-256 that was planned", _AGAIN, deep=True),
    FaultCheck("member_readable", Section.SHARDS, "Members can be decoded to their end", _AGAIN, deep=True),
    FaultCheck("header_valid", Section.SHARDS, "KEY.json is what docs/format.md says", _AGAIN, deep=True),
    ColumnCheck("frame_counts", Section.SHARDS, "Length of each member against the clip's",
                "the member was cut or shifted: delete its payload and build again", deep=True,
                table="members", columns=("frames_off",), unit="frames", bins=Bins(0, 50, 50),
                label="member"),
    ColumnCheck("duration_agrees", Section.SHARDS, "Length in KEY.json against index and source span",
                _AGAIN, deep=True, table="samples", columns=("duration_off_s",), unit="s",
                bins=Bins(0, 1, 50)),
)  # fmt: skip
