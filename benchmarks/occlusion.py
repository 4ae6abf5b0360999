"""Fit and judge the models of `extractors.occlusion`; both commands print JSON.

`fit` gives coefficients from hands and masks pasted where they are known (see `occlusion_synthesis.py`), and
what a fit on half of the people, hands and masks is worth on the other half: about five minutes of one core.
`judge` gives the numbers of docs/occlusion.md for the coefficients in the extractor: on the clips labelled by
eye, which have no part in the fit, and on clips and stills where nothing hides the mouth; and draws.

    python benchmarks/occlusion.py fit MEDIA
    python benchmarks/occlusion.py judge MEDIA --picture docs/images/occlusion-signal.png
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from occlusion_synthesis import SOURCES, Array, Mesh, Track, frames_of, made_tracks
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from extractors.occlusion import BORDER, STILL, TRACK, Judgement, Logistic, MouthOcclusion

LABELS = Path(__file__).parents[1] / "tests" / "labels" / "mouth_occlusion.json"
TRUTH = {"clear": 0, "occluded": 1, "partial": -1, "no_face": -1}
UNHIDDEN = (
    "dialogue_grid_2spk.mp4",
    "pyfeat_single_face.mp4",
    "intel_profile_turn_female.mp4",
    "intel_two_faces_tilted.mp4",
    "lowlight_grid_lbax4n.mp4",
)
INVERSE_PENALTY = 0.1  # of 0.1, 0.01 and 0.001 the best on the halves held out
ROUNDS = 4


def judged(tracks: Sequence[Track], still: Logistic, track: Logistic) -> list[Judgement]:
    """What `MouthOcclusion` says of each frame of each track."""
    found = []
    for one in tracks:
        extractor = MouthOcclusion(still=still, track=track)
        found += [extractor.judge(colours) for colours in one.colours]
    return found


def fitted(model: Logistic, features: Array, truth: Array, weight: Array) -> Logistic:
    """`model` with new coefficients, both classes of equal weight. `features` (N, F), the others (N,)."""
    known = truth >= 0
    x = features[known]
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)
    regression = LogisticRegression(C=INVERSE_PENALTY, class_weight="balanced", max_iter=1000)
    regression.fit((x - mean) / scale, truth[known], sample_weight=weight[known])
    rows = np.column_stack([mean, scale, regression.coef_[0]]).round(4)
    terms = {name: (float(a), float(b), float(c)) for name, (a, b, c) in zip(model.terms, rows, strict=True)}
    return Logistic(terms, round(float(regression.intercept_[0]), 4))


def fit(tracks: Sequence[Track]) -> tuple[Logistic, Logistic]:
    """Both models. What a track learns depends on its own model, so that one is fitted a few times over."""
    truth = np.concatenate([one.truth for one in tracks])
    weight = np.concatenate([np.full(len(one.truth), 60 / len(one.truth)) for one in tracks])
    nothing = dict.fromkeys(TRACK.terms, (0.0, 1.0, 0.0))
    track = Logistic(nothing | {"still_logit": (0.0, 1.0, 1.0)}, 0.0)
    still = fitted(STILL, np.array([frame.still for frame in judged(tracks, STILL, track)]), truth, weight)
    for _ in range(ROUNDS):
        features = np.array([frame.track for frame in judged(tracks, still, track)])
        track = fitted(TRACK, features, truth, weight)
    return still, track


def agreement(scores: Array, truth: Array) -> dict[str, Any]:
    """Area under the curve and mistakes at 0.5; frames of truth -1, and such without a face, do not count."""
    known = (truth >= 0) & ~np.isnan(scores)
    scores, hidden = scores[known], truth[known] == 1
    found: dict[str, Any] = {"visible": int((~hidden).sum()), "hidden": int(hidden.sum())}
    if not hidden.all():
        found["false_alarms"] = round(float((scores[~hidden] > 0.5).mean()), 3)
        found["highest_visible"] = round(float(scores[~hidden].max()), 3)
    if hidden.any():
        found["missed"] = round(float((scores[hidden] <= 0.5).mean()), 3)
        found["lowest_hidden"] = round(float(scores[hidden].min()), 3)
    if 0 < hidden.sum() < len(hidden):
        found["auc"] = round(float(roc_auc_score(hidden, scores)), 4)
    return found


def fit_and_hold_out(media: Path) -> dict[str, Any]:
    """Coefficients fitted on both halves, and how those of one half do on the other."""
    halves = {half: made_tracks(media, half) for half in SOURCES}
    found: dict[str, Any] = {}
    for learned_on, judged_on in (("a", "b"), ("b", "a")):
        models = fit(halves[learned_on])
        tracks = halves[judged_on]
        chosen = {
            "all": tracks,
            "hands": [one for one in tracks if one.kind != "mask"],
            "masks": [one for one in tracks if one.kind != "hand"],
            "starts visible": [one for one in tracks if one.truth[0] == 0],
            "starts hidden": [one for one in tracks if one.truth[0] == 1],
        }
        for name, some in chosen.items():
            scores = np.array([frame.occlusion for frame in judged(some, *models)])
            truth = np.concatenate([one.truth for one in some])
            found[f"fitted on {learned_on}, judged on {judged_on}: {name}"] = agreement(scores, truth)
    still, track = fit([*halves["a"], *halves["b"]])
    counts = {half: len(tracks) for half, tracks in halves.items()}
    return {"tracks": counts, **found, "still": still.__dict__, "track": track.__dict__}


class Clip(NamedTuple):
    """A clip labelled by eye, and what the extractor says of each frame."""

    name: str
    frames: list[Array]
    points: list[Array]
    truth: Array
    scores: Array


def labelled(media: Path, mesh: Mesh) -> list[Clip]:
    clips = []
    for clip in json.loads(LABELS.read_text())["clips"]:
        frames = frames_of(media / "video" / clip["file"], clip["n_frames"])
        points = mesh.follow(frames)
        truth = np.concatenate([np.full(s["stop"] - s["first"], TRUTH[s["label"]]) for s in clip["spans"]])
        clips.append(Clip(clip["file"].split("_")[2], frames, points, truth, signal(frames, points)))
    return clips


def signal(frames: Sequence[Array], points: Sequence[Array | None]) -> Array:
    """(T,) the extractor over a clip; NaN where no face was found."""
    extractor = MouthOcclusion()
    pairs = zip(frames, points, strict=True)
    return np.array([np.nan if at is None else extractor(image, at) for image, at in pairs])


def judge(media: Path, picture: Path | None) -> dict[str, Any]:
    mesh = Mesh()
    clips = labelled(media, mesh)
    found: dict[str, Any] = {f"labelled: {clip.name}": agreement(clip.scores, clip.truth) for clip in clips}
    scores, truth = (np.concatenate([getattr(clip, name) for clip in clips]) for name in ("scores", "truth"))
    found["labelled: all"] = agreement(scores, truth)
    found |= starting_hidden(clips)
    found |= nothing_hidden(media, mesh)
    for path in sorted((media / "stills").glob("*.jpg")):
        image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        values = [round(MouthOcclusion()(image, points), 2) for points in mesh.faces(image)]
        found[f"still: {path.stem}, faces from the left"] = values
    begun = time.process_time()
    for _ in range(10):
        signal(clips[1].frames, clips[1].points)
    found["CPU ms a face"] = round((time.process_time() - begun) / len(clips[1].frames) * 100, 2)
    if picture:
        draw(clips, picture)
    return found


def starting_hidden(clips: Sequence[Clip]) -> dict[str, Any]:
    """Tracks that begin under the hand, and a hand that stays for ten seconds (its frames forth and back)."""
    found: dict[str, Any] = {}
    for clip in clips[1:]:
        first = int(np.argmax(clip.truth == 1)) + 2
        scores = signal(clip.frames[first:], clip.points[first:])
        found[f"labelled: {clip.name} from frame {first}"] = agreement(scores, clip.truth[first:])
    order = [*range(15), *[*range(15, 40), *range(38, 15, -1)] * 6]
    scores = signal([clips[1].frames[t] for t in order], [clips[1].points[t] for t in order])[15:]
    shares = [round(float((part > 0.5).mean()), 2) for part in np.split(scores, 6)]
    found["bird's hand forth and back: above 0.5 in each of 6 stretches of 1.6 s"] = shares
    return found


def nothing_hidden(media: Path, mesh: Mesh) -> dict[str, Any]:
    """False alarms where nothing is before the mouth. Of all these people only `sbwe5n` is not in the fit."""
    paths = [*sorted((media / "video").glob("grid_*.mpg")), *(media / "video" / name for name in UNHIDDEN)]
    found = {}
    for path in paths:
        frames = frames_of(path, 150)
        scores = signal(frames, mesh.follow(frames))
        found[f"nothing hidden: {path.name}"] = agreement(scores, np.zeros(len(scores)))
    return found


def draw(clips: Sequence[Clip], picture: Path) -> None:
    """The signal over the labels; below, of all clips, the worst frames of either label."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 7), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1, 1.25])
    for axis, clip in zip(above.subplots(1, len(clips)), clips, strict=True):
        for frame, label in enumerate(clip.truth):
            colour = {0: "#dff0df", 1: "#f3c9c9", -1: "#fbeec0"}[int(label)]
            axis.axvspan(frame - 0.5, frame + 0.5, color=colour, linewidth=0)
        axis.plot(clip.scores, color="black", linewidth=1.2)
        axis.axhline(0.5, color="grey", linewidth=0.6, linestyle=":")
        axis.set(xlim=(-0.5, len(clip.frames) - 0.5), ylim=(0, 1.02), title=clip.name, xlabel="frame")
    panels = below.subplots(2, 6)
    for row, label, words, sign in ((0, 0, "visible", -1), (1, 1, "hidden", 1)):
        frames = [(clip, frame) for clip in clips for frame in np.flatnonzero(clip.truth == label)]
        frames.sort(key=lambda at, sign=sign: sign * at[0].scores[at[1]])
        for panel, (clip, frame) in zip(panels[row], frames, strict=False):
            panel.imshow(lower_face(clip.frames[frame], clip.points[frame]))
            panel.set_title(f"{words}: {clip.name} {frame}, {clip.scores[frame]:.2f}", fontsize=8)
            panel.axis("off")
    figure.savefig(picture, dpi=90)


def lower_face(image: Array, points: Array) -> Array:
    """The face from the eyes down, enlarged, with the mesh's lips."""
    x0, y0, x1, y1 = (int(v) for v in (*points[:, :2].min(axis=0), *points[:, :2].max(axis=0)))
    top = y0 + (y1 - y0) // 3
    shown = cv2.resize(image[top : y1 + 8, x0 - 4 : x1 + 4], None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC)
    lips = ((points[list(BORDER), :2] - (x0 - 4, top) + 0.5) * 5).astype(np.int32)
    return cv2.polylines(shown, [lips], True, (255, 0, 0), 1, cv2.LINE_AA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("fit", "judge"))
    parser.add_argument("media", type=Path)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    if options.what == "fit":
        found = fit_and_hold_out(options.media)
    else:
        found = judge(options.media, options.picture)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
