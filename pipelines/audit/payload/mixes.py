"""Mixes: the SNR that was asked for against the one that is there, measured on the written samples.

A mix is its target plus its interferers, exactly (`synth.mixing`): with the clean target at hand, as a stem
in the sample or in the corpus that the set was made of, what was added is known to the bit.
"""

from __future__ import annotations

import io
import tarfile
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from manifests.store import Store
from pipelines.audit.payload.people import themselves
from pipelines.audit.payload.sample import Sample

if TYPE_CHECKING:
    from synth.levels import Spans
    from synth.noise_plan import MixPlan

Pcm = NDArray[np.int64]
_SHARDS_KNOWN = 8


def measure_mixes(sample: Sample) -> None:
    """A row of `mixes` for each interferer whose share of the sound can be told."""
    from synth.noise_plan import MixPlan

    mix = sample.header.get("mix") or {}
    sample.found.looked("interferer_other", int(any(one.get("speaker") for one in mix.get("sources") or ())))
    for name in themselves(sample.header):
        sample.fault("interferer_other", f"{name} is mixed into their own speech")
    if mix.get("kind") != "noisy":
        return
    stream = f"{mix['stream']}." if mix.get("stream") else ""
    rows = []
    for member, told in sorted((mix.get("plans") or {}).items()):
        plan, proof = MixPlan.from_json(told), mix["proofs"][member]
        for number, asked in enumerate(plan.interferers):
            measured = _snr_db(sample, stream + member, plan, gain=float(proof["gain"]), number=number)
            reached = proof["interferers"][number]
            name = "active_snr_db" if plan.over == "active_speech" else "full_snr_db"
            wanted = reached[name] if reached.get("reason") else asked.snr_db
            if measured is not None and wanted is not None:
                label = f"{member} {asked.kind} {number}"
                rows.append(sample.row(interferer=label, snr_off_db=abs(measured - wanted)))
    sample.found.add_rows("mixes", rows)


def _snr_db(sample: Sample, member: str, plan: MixPlan, *, gain: float, number: int) -> float | None:
    """Of the interferer `number`, dB; None where its share of the mix cannot be told."""
    stream, _, base = ("", "", member) if member in ("flac", "native.flac") else member.partition(".")
    stem = f"{stream}.{{}}.{base}" if stream else f"{{}}.{base}"
    mixed = _written(sample.members.get(member))
    target = _written(sample.members.get(stem.format("target")))
    if target is None and plan.room is None:
        clean = _clean(sample, member)
        target = None if clean is None else np.rint(clean * gain).astype(np.int64)
    if mixed is None or target is None or mixed.shape != target.shape:
        return None
    added = mixed - target
    for other in range(len(plan.interferers)):
        if other != number:
            part = _written(sample.members.get(stem.format(f"interferer{other}")))
            if part is None:
                return None
            added = added - part
    asked = plan.interferers[number]
    inside = _mask(asked.spans, mixed.shape[1])
    if plan.over == "active_speech":
        inside &= _mask(plan.active, mixed.shape[1])
    rows = slice(None) if asked.channels is None else list(asked.channels)
    signal = float(np.square(target[rows][:, inside], dtype=np.float64).sum())
    noise = float(np.square(added[rows][:, inside], dtype=np.float64).sum())
    return 10 * float(np.log10(signal / noise)) if signal > 0 and noise > 0 else None


def _mask(spans: Spans, n: int) -> NDArray[np.bool_]:
    inside = np.zeros(n, bool)
    for start, stop in spans:
        inside[start:stop] = True
    return inside


def _written(data: bytes | None) -> Pcm | None:
    """(channels, n) steps of 16 bits."""
    if data is None:
        return None
    import soundfile

    pcm, _ = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    return np.asarray(pcm.T, np.int64)


def _clean(sample: Sample, member: str) -> Pcm | None:
    """The member as it is in the corpus that the set was made of; None where that is not at hand."""
    base = sample.header.get("base") or {}
    if not sample.promised_base or "shard" not in base:
        return None
    found = _offsets(sample.promised_base, base["shard"]).get(f"{base['key']}.{member}")
    if found is None:
        return None
    with Store(sample.promised_base).open(f"shards/{base['shard']}") as handle:
        handle.seek(found[0])
        return _written(handle.read(found[1]))


@lru_cache(maxsize=_SHARDS_KNOWN)
def _offsets(url: str, shard: str) -> dict[str, tuple[int, int]]:
    """Where each member of a clean shard lies, and its bytes; nothing where the shard is not there."""
    store = Store(url)
    if not store.exists(f"shards/{shard}"):
        return {}
    with store.open(f"shards/{shard}") as handle, tarfile.open(fileobj=handle, mode="r:") as tar:
        return {info.name: (info.offset_data, info.size) for info in tar}
