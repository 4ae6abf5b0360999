"""sides: what is written of one person in one window of a dialogue: sound, and what their face gives."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.ids import TICK_HZ, digest
from manifests.reasons import ItemError, Reason, Status
from manifests.receipts import Row
from pipelines.dialogues.real.faces import joined_scores, joined_series
from pipelines.dialogues.real.gating import gated
from pipelines.dialogues.real.sound import side_of
from pipelines.dialogues.render import SIDES
from pipelines.step import Item, Workspace
from pipelines.steps.cut import Cut
from pipelines.steps.ingest import guard_unchanged, rational, recording
from pipelines.steps.members import AUDIO_MEMBERS, Made
from pipelines.steps.pictures import frames_at, make_pictures
from pipelines.steps.portraits import add_portraits
from pipelines.steps.series import Clip

if TYPE_CHECKING:
    from pipelines.corpus import Corpus

PICTURE_ENDS_S = Fraction(1, 10)
"""A window may reach so far beyond the first and last frame; these are then shown for longer."""


class Sides(Cut):
    """`cut` for dialogues: one item a window and side, and a face may be of several tracks."""

    name = "sides"
    version = 1
    measurements = pa.schema([*Cut.measurements, pa.field("tone_from", pa.string())])

    def plan(self, corpus: Corpus) -> Iterable[Item]:
        """Both sides of each window that was told apart, one side of a dialogue after the other."""
        recordings = {row["source_id"]: row for row in corpus.rows("ingest")}
        seen = {
            name: {row["source_id"]: row for row in corpus.rows(name) if row["status"] == Status.OK}
            for name in ("watch", "who")
        }
        windows = [about for _, about in told_windows(corpus)]
        ordered = [(about["id"], side, about) for about in windows for side in range(2)]
        for _, side, about in sorted(ordered, key=lambda one: (one[0], one[1], one[2]["key"])):
            source = recordings[about["sides"][side]["source"]]
            rates = [recordings[one["source"]]["audio_rate_hz"] for one in about["sides"]]
            yield _item(about, side, source, max(rates), seen)

    def run_item(self, item: Item, workspace: Workspace) -> list[Row]:
        """Write every member that the config asks for and the recording allows."""
        clip = Clip.of(item)
        path = workspace.source_path(clip.source["path"])
        guard_unchanged(path, clip.source["fingerprint"])
        made = self._pictured(clip, item.inputs, path, workspace)
        measures = dict(made.measures)
        sounds = self._sounds(clip, item.inputs, path, measures)
        guard_unchanged(path, clip.source["fingerprint"])
        missing = {name: why for name, why in sorted(made.missing.items()) if name in self.config.members}
        payloads = made.payloads | sounds
        artifacts = [workspace.put(f"{item.id}.{name}", data) for name, data in sorted(payloads.items())]
        return [item.row(artifacts=tuple(artifacts), measures=measures | {"missing": json.dumps(missing)})]

    def _pictured(self, clip: Clip, inputs: dict[str, Any], path: str, workspace: Workspace) -> Made:
        from extractors.resampling import nearest_indices

        pictured = set(self.config.members) - set(AUDIO_MEMBERS)
        why = _faceless(clip, inputs)
        series = joined_series(workspace.store, clip, inputs["tracks"]) if why is None else None
        if series is None:
            return Made(missing=dict.fromkeys(pictured, str(why or Reason.NO_FACE)))
        lookahead = None if self.config.lookahead_frames is None else Fraction(0)
        chosen = nearest_indices(series.frame_pts, clip.grid, lookahead=lookahead)
        times = [series.frame_pts[one] for one in chosen]
        try:
            made = make_pictures(
                clip,
                series,
                chosen,
                joined_scores(workspace.store, clip, inputs["tracks"]),
                lambda: (frame.image for frame in frames_at(times, clip, path)),
                config=self.config,
                extractors=self._extractors,
            )
        except ItemError as error:
            if error.reason not in (Reason.NO_FACE, Reason.FACE_LOST, Reason.CHUNK_SHORT):
                raise
            return Made(missing=dict.fromkeys(pictured, str(error.reason)))
        if "reference" in self.config.members:
            add_portraits(made, clip, path, workspace.store)
        return made

    def _sounds(
        self, clip: Clip, inputs: dict[str, Any], path: str, measures: dict[str, Any]
    ) -> dict[str, bytes]:
        """Both sides of a dialogue at one rate, equally long."""
        from extractors.audio import MONO_RATE_HZ, to_mono16k
        from extractors.encode import flac_bytes, npy_bytes
        from extractors.filterbank import stacked_filterbank

        reader = self._reader(clip, path)
        pcm = side_of(reader.read_span(clip.start, clip.stop), inputs["channel"])
        measures["audio_padded_s"] = float(reader.padded_s)
        rate_hz = inputs["rate_hz"]
        native = _at_rate(pcm, reader.rate_hz, rate_hz, clip.stop - clip.start)
        if inputs["gate"] is not None:
            own, other = (_samples(spans, rate_hz) for spans in inputs["gate"])
            tone, measures["tone_from"] = gated(native[0], rate_hz, own, other, clip.key)
            native = tone[None]
        payloads: dict[str, bytes] = {}
        payloads["native.flac"], clipped = flac_bytes(native, rate_hz)
        mono = to_mono16k(native, rate_hz)
        payloads["flac"], more = flac_bytes(mono[None], MONO_RATE_HZ)
        if "fbank104" in self.config.members:
            payloads["fbank104.npy"] = npy_bytes(stacked_filterbank(mono, n_frames=clip.n_ticks))
        measures["clipped_samples"] = clipped + more
        return payloads


def told_windows(corpus: Corpus) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """Row and facts of each window of `dyads` that somebody speaks in, by key."""
    for row in corpus.rows("dyads"):
        if row["status"] == Status.OK:
            yield row, json.loads(row["window"])


def _item(
    about: dict[str, Any],
    side: int,
    source: dict[str, Any],
    rate_hz: int,
    seen: dict[str, dict[str, dict[str, Any]]],
) -> Item:
    from extractors.media import SEEKABLE_CONTAINERS

    mine = about["sides"][side]
    start, stop = (Fraction(mine["zero"]) + Fraction(about[edge]) for edge in ("start", "stop"))
    watched, scored = (seen[name].get(source["source_id"]) for name in ("watch", "who"))
    first_frame = Fraction(watched["first_frame"]) if watched and watched["first_frame"] else Fraction(0)
    own, other = about["activity"][side], about["activity"][1 - side]
    inputs = {
        "key": f"{about['key']}-{SIDES[side]}",
        "dialogue": about["key"],
        "recording": recording(source),
        "channel": mine["channel"],
        "track": mine["tracks"][0] if mine["tracks"] else None,
        "tracks": mine["tracks"],
        "start": rational(start),
        "stop": rational(stop),
        "tick": round((start - first_frame) * TICK_HZ),
        "has_audio": True,
        "tables": [one["name"] for one in watched["artifacts"]] if watched else [],
        "scores": scored["artifacts"][0]["name"] if scored else None,
        "rate_hz": rate_hz,
        "gate": None if about["separated"] else [own, other],
    }
    names = ("channel", "tracks", "start", "stop", "tick", "rate_hz", "gate")
    facts = [source["content_sha256"], *(inputs[name] for name in names)]
    length = stop - start
    reach_s = 0.0 if source["container"] in SEEKABLE_CONTAINERS else float(start)
    item = f"{inputs['key']}-{digest(facts, length=8)}"
    return Item(item, source["source_id"], inputs, float(length), reach_s)


def _faceless(clip: Clip, inputs: dict[str, Any]) -> Reason | None:
    """Why there is no picture of this side in the window."""
    source = clip.source
    if source["video_start"] is None:
        return Reason.NO_VIDEO
    if not inputs["tracks"]:
        return Reason.NO_FACE
    first, last = Fraction(source["video_start"]), Fraction(source["video_stop"])
    inside = first - PICTURE_ENDS_S <= clip.start and clip.stop <= last + PICTURE_ENDS_S
    return None if inside else Reason.NO_VIDEO


def _at_rate(pcm: NDArray[np.float32], rate_hz: int, wanted_hz: int, length: Fraction) -> NDArray[np.float32]:
    """(1, round(length * wanted_hz))."""
    import soxr

    if rate_hz == wanted_hz:
        return pcm
    n_samples = round(length * wanted_hz)
    resampled = np.asarray(soxr.resample(pcm[0], rate_hz, wanted_hz, quality="HQ"), np.float32)[:n_samples]
    return np.pad(resampled, (0, n_samples - len(resampled)))[None]


def _samples(spans: list[list[str]], rate_hz: int) -> tuple[tuple[int, int], ...]:
    return tuple((round(Fraction(start) * rate_hz), round(Fraction(stop) * rate_hz)) for start, stop in spans)
