"""What a test set came to: a row a sample, from which its card is drawn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import pyarrow as pa

from manifests.store import Store
from pipelines.testsets.corpus import SetCorpus
from pipelines.testsets.opinion import OPINIONS
from pipelines.testsets.samples import Cell, SetSample, set_samples

RESULTS = "results.parquet"
SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("clip", pa.string(), nullable=False),
        pa.field("condition", pa.string(), nullable=False),
        pa.field("split", pa.string()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),  # also of an ok sample whose SNR 16 bits could not hold
        pa.field("duration_s", pa.float64()),
        pa.field("audio", pa.string()),  # family of the sound; null: clean
        pa.field("snr_db", pa.float64()),
        pa.field("achieved_snr_db", pa.float64()),  # over what `mix.over` says
        pa.field("active_snr_db", pa.float64()),
        pa.field("full_snr_db", pa.float64()),
        pa.field("gain", pa.float64()),
        pa.field("dnsmos_ovrl", pa.float64()),
        pa.field("dnsmos_sig", pa.float64()),
        pa.field("dnsmos_bak", pa.float64()),
        pa.field("wer", pa.float64()),  # of the best hypothesis, where the set asks for them
        pa.field("video", pa.string()),  # family of the picture; null: clean
        pa.field("severity", pa.int64()),
        pa.field("at", pa.string()),  # source: the face was looked for again; crop: the crops were corrupted
        pa.field("n_frames", pa.int64()),
        pa.field("n_seen_clean", pa.int64()),  # frames of the clean clip in which the face is found
        pa.field("n_lost", pa.int64()),  # of those, how many lose it
        pa.field("landmark_error", pa.float64()),  # of those that keep it, in distances between the eyes
    ]
)


def results(corpus: SetCorpus) -> pa.Table:
    """A row a clip and condition, whatever became of it."""
    return pa.Table.from_pylist(list(_rows(corpus)), schema=SCHEMA)


def _rows(corpus: SetCorpus) -> Iterator[dict[str, Any]]:
    wer = _Wer(corpus.store)
    for sample in set_samples(corpus):
        ended = sample.ended
        row = {
            **dict.fromkeys(SCHEMA.names),
            "key": sample.key,
            "clip": sample.clip["key"],
            "condition": sample.condition.name,
            "split": sample.clip["split"],
            "status": ended[1]["status"] if ended else "ok",
            "reason": ended[1]["reason"] if ended else None,
            "duration_s": sample.clip["duration_s"],
        }
        if ended is None:
            clean = json.loads(sample.clip["header"]).get("measures", {})
            row |= {name: clean.get(name) for name in OPINIONS}
            row |= _sound(sample, corpus.grid.mix.over) | _picture(sample)
            if sample.audio is not None:
                row["wer"] = wer(sample.audio, sample.clip["header"])
        yield row


def _sound(sample: SetSample, over: str) -> dict[str, Any]:
    if sample.audio is None or sample.condition.audio is None:
        return {}
    proofs = json.loads(sample.audio.rows["mix"]["proofs"])
    proof = proofs[next(iter(proofs))]
    first = proof["interferers"][0]
    opinion = sample.audio.rows.get("opinion", {})
    achieved = first["active_snr_db" if over == "active_speech" else "full_snr_db"]
    return {
        "audio": sample.condition.audio.family.title,
        "snr_db": sample.condition.audio.snr_db,
        "achieved_snr_db": achieved if first["requested_snr_db"] is not None else None,
        "active_snr_db": first["active_snr_db"],
        "full_snr_db": first["full_snr_db"],
        "gain": proof["gain"],
        "reason": first["reason"],
        **{name: opinion.get(name) for name in OPINIONS},
    }


def _picture(sample: SetSample) -> dict[str, Any]:
    if sample.video is None or sample.condition.video is None:
        return {}
    seen = json.loads(sample.video.rows["corrupt"]["seen"])
    names = ("at", "n_frames", "n_seen_clean", "n_lost", "landmark_error")
    counts = {name: seen.get(name) for name in names}
    family = sample.condition.video
    return {"video": family.family.title, "severity": family.severity, **counts}


class _Wer:
    """Word error rate of the best hypothesis; a mix is read once, however many conditions share it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._best = cache(self._read)

    def __call__(self, cell: Cell, header: str) -> float | None:
        from extractors.words import word_error_rate

        text = json.loads(header).get("text")
        row = cell.rows.get("hypotheses")
        found = [one for one in row["artifacts"] if "hyps_asr" in one["name"]] if row else []
        if not (text and found):
            return None
        return word_error_rate(text, self._best(found[0]["name"]))

    def _read(self, name: str) -> str:
        hypotheses = json.loads(self._store.read(name))
        return str(hypotheses[0]["text"]) if hypotheses else ""
