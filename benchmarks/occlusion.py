"""Fit and judge the models of `extractors.occlusion`.

`fit` prints coefficients from hands and masks pasted where they are known (see `occlusion_synthesis.py`), and
how they do on people, hands and masks held out: about four minutes of one core. `judge` prints the numbers of
docs/occlusion.md for the coefficients in the extractor, on the clips labelled by eye, which have no part in
the fit, and on speech and stills; and draws the picture.

    python benchmarks/occlusion.py fit MEDIA
    python benchmarks/occlusion.py judge MEDIA --picture docs/images/occlusion-signal.png
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from occlusion_synthesis import SOURCES, Array, Mesh, Track, frames_of, made_tracks
from scipy.optimize import minimize
from scipy.stats import rankdata

from extractors.occlusion import BORDER, STILL, TRACK, Logistic, MouthOcclusion

LABELS = Path(__file__).parents[1] / "tests" / "labels" / "mouth_occlusion.json"
TRUTH = {"clear": 0, "occluded": 1, "partial": -1, "no_face": -1}
UNHIDDEN = (
    "dialogue_grid_2spk.mp4",
    "face_noface.mov",
    "pyfeat_single_face.mp4",
    "intel_profile_turn_female.mp4",
    "intel_two_faces_tilted.mp4",
    "lowlight_grid_lbax4n.mp4",
)
PENALTY = 0.1  # inverse L2 strength, chosen on the held-out half


def judged(tracks: list[Track], still: Logistic, track: Logistic) -> list[list[Any]]:
    """What `MouthOcclusion` says of each frame of each track."""
    found = []
    for one in tracks:
        extractor = MouthOcclusion(still=still, track=track)
        found.append([extractor.judge(colours) for colours in one.colours])
    return found


def fitted(names: Sequence[str], features: Array, truth: Array, weight: Array) -> Logistic:
    """L2-regularised, both classes of equal weight. `features` (N, F), `truth` and `weight` (N,)."""
    known = truth >= 0
    x, y, w = features[known], 2.0 * truth[known] - 1, weight[known].copy()
    mean, scale = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-3)  # the first round knows no track
    x = (x - mean) / scale
    for side in (-1, 1):
        w[y == side] *= len(y) / 2 / (y == side).sum()

    def loss(theta: Array) -> tuple[float, Array]:
        margin = y * (x @ theta[:-1] + theta[-1])
        slope = -PENALTY * w * y / (1 + np.exp(margin))
        value = 0.5 * theta[:-1] @ theta[:-1] + PENALTY * w @ np.logaddexp(0, -margin)
        return value, np.append(x.T @ slope + theta[:-1], slope.sum())

    theta = minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x
    rows = np.column_stack([mean, scale, theta[:-1]]).round(4)
    terms = {name: (float(a), float(b), float(c)) for name, (a, b, c) in zip(names, rows, strict=True)}
    return Logistic(terms, round(float(theta[-1]), 4))


def fit(tracks: list[Track]) -> tuple[Logistic, Logistic]:
    """Both models. What a track learns depends on its model, so that one is fitted over and over."""
    truth = np.concatenate([one.truth for one in tracks])
    weight = np.concatenate([np.full(len(one.truth), 60 / len(one.truth)) for one in tracks])
    still, track = (Logistic(dict.fromkeys(model.terms, (0.0, 1.0, 0.0)), 0.0) for model in (STILL, TRACK))
    for _ in range(5):
        found = [frame for frames in judged(tracks, still, track) for frame in frames]
        still = fitted(list(STILL.terms), np.array([frame.still for frame in found]), truth, weight)
        track = fitted(list(TRACK.terms), np.array([frame.track for frame in found]), truth, weight)
    return still, track


def auc(scores: Array, truth: Array) -> float:
    """Chance that a hidden frame scores above a visible one; frames of truth -1 are left out."""
    ranks = rankdata(scores[truth >= 0])
    hidden = truth[truth >= 0] == 1
    n = int(hidden.sum())
    return float((ranks[hidden].sum() - n * (n + 1) / 2) / (n * (len(hidden) - n)))


def fit_and_hold_out(media: Path) -> None:
    """Coefficients fitted on each half, judged on both: the second way round shows how much they differ."""
    halves = {half: made_tracks(media, half) for half in SOURCES}
    for learned_on in SOURCES:
        still, track = fit(halves[learned_on])
        for half, tracks in halves.items():
            truth = np.concatenate([one.truth for one in tracks])
            found = np.array([f.occlusion for frames in judged(tracks, still, track) for f in frames])
            false, missed = (found[truth == 0] > 0.5).mean(), (found[truth == 1] <= 0.5).mean()
            print(f"fitted on {learned_on}; {half}: {len(tracks)} tracks, {len(truth)} frames, ", end="")
            print(f"AUC {auc(found, truth):.3f}, false alarms {false:.3f}, missed {missed:.3f}")
        print(still, track, sep="\n")


def labelled(media: Path, mesh: Mesh) -> list[dict[str, Any]]:
    """The clips labelled by eye: frames, landmarks, truth and what the extractor says of each frame."""
    clips = []
    for clip in json.loads(LABELS.read_text())["clips"]:
        frames = frames_of(media / "video" / clip["file"], clip["n_frames"])
        points = mesh.follow(frames)
        truth = np.concatenate([np.full(s["stop"] - s["first"], TRUTH[s["label"]]) for s in clip["spans"]])
        scores = signal(frames, points)
        name = clip["file"].split("_")[2]
        clips.append({"name": name, "frames": frames, "points": points, "truth": truth, "scores": scores})
    return clips


def signal(frames: Sequence[Array], points: Sequence[Array | None]) -> Array:
    """(T,) the extractor over a clip; NaN where no face was found."""
    extractor = MouthOcclusion()
    found = [
        extractor(image, at) if at is not None else np.nan for image, at in zip(frames, points, strict=True)
    ]
    return np.array(found)


def judge(media: Path, picture: Path | None) -> None:
    mesh = Mesh()
    clips = labelled(media, mesh)
    for clip in clips:
        scores, truth = clip["scores"], clip["truth"]
        hidden, visible = scores[truth == 1], scores[truth == 0]
        area = f"{auc(scores, truth):.3f}" if len(hidden) else "none (nothing hidden)"
        print(f"{clip['name']}: AUC {area}, {np.isnan(scores).sum()} frames without a face, visible", end=" ")
        print(f"at most {visible.max():.2f}, hidden at least {hidden.min(initial=1):.2f}")
    scores, truth = (np.concatenate([clip[key] for clip in clips]) for key in ("scores", "truth"))
    print(
        f"all: AUC {auc(scores, truth):.3f}, visible above 0.5: {(scores[truth == 0] > 0.5).mean():.3f}",
        end="",
    )
    print(f", hidden below: {(scores[truth == 1] <= 0.5).mean():.3f}")
    starting_hidden(clips)
    nothing_hidden(media, mesh)
    for path in sorted((media / "stills").glob("*.jpg")):
        image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        values = [f"{MouthOcclusion()(image, points):.2f}" for points in mesh.faces(image)]
        print(f"{path.stem}: {', '.join(values)}")
    bird = clips[1]
    begun = time.process_time()
    for _ in range(10):
        signal(bird["frames"], bird["points"])
    print(f"CPU: {(time.process_time() - begun) / len(bird['frames']) * 100:.2f} ms a face")
    if picture:
        draw(clips, picture)


def starting_hidden(clips: list[dict[str, Any]]) -> None:
    """Tracks that begin under the hand, and a hand that stays for ten seconds."""
    for clip in clips[1:]:
        first = int(np.argmax(clip["truth"] == 1)) + 2
        scores = signal(clip["frames"][first:], clip["points"][first:])
        truth = clip["truth"][first:]
        print(f"{clip['name']} from frame {first}: AUC {auc(scores, truth):.3f}, hidden", end=" ")
        print(np.round(scores[truth == 1], 2), "visible", np.round(scores[truth == 0], 2))
    frames, points = clips[1]["frames"], clips[1]["points"]
    scores = signal(frames[:30] + frames[30:31] * 300, points[:30] + points[30:31] * 300)
    print("bird, frame 30 held: after 1, 3, 5, 10 s", np.round(scores[[60, 120, 180, 329]], 2))


def nothing_hidden(media: Path, mesh: Mesh) -> None:
    """False alarms on clips where nothing is before the mouth."""
    learned = {file for file, _, _ in SOURCES["train"]}
    paths = [*sorted((media / "video").glob("grid_*.mpg")), *(media / "video" / name for name in UNHIDDEN)]
    for path in paths:
        frames = frames_of(path, 150)
        scores = signal(frames, mesh.follow(frames))
        scores = scores[~np.isnan(scores)]
        seen = "learned on" if f"video/{path.name}" in learned else "unseen"
        print(f"{path.name} ({seen}): {len(scores)} frames, {(scores > 0.5).mean():.3f} above 0.5", end=", ")
        print(f"median {np.median(scores):.2f}, highest {scores.max():.2f}")


def draw(clips: list[dict[str, Any]], picture: Path) -> None:
    """The signal over the labelled spans, and below each curve the worst frame of either label."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    widths = [len(clip["frames"]) for clip in clips]
    figure, axes = pyplot.subplots(
        2, 6, figsize=(12, 5), gridspec_kw={"height_ratios": [2, 1.6]}, layout="constrained"
    )
    for axis in axes[0]:
        axis.remove()
    grid = axes[0, 0].get_gridspec()
    for column, (clip, width) in enumerate(zip(clips, widths, strict=True)):
        axis = figure.add_subplot(grid[0, 2 * column : 2 * column + 2])
        for frame, label in enumerate(clip["truth"]):
            colour = {0: "#dff0df", 1: "#f3c9c9", -1: "#fbeec0"}[int(label)]
            axis.axvspan(frame - 0.5, frame + 0.5, color=colour, linewidth=0)
        axis.plot(clip["scores"], color="black", linewidth=1.2)
        axis.axhline(0.5, color="grey", linewidth=0.6, linestyle=":")
        axis.set(xlim=(-0.5, width - 0.5), ylim=(0, 1.02), title=clip["name"], xlabel="frame")
        worst = [(0, "highest visible", np.nanargmax), (1, "lowest hidden", np.nanargmin)]
        for offset, (label, words, find) in enumerate(worst):
            panel = axes[1, 2 * column + offset]
            panel.axis("off")
            scores = np.where(clip["truth"] == label, clip["scores"], np.nan)
            if np.isnan(scores).all():
                continue
            frame = int(find(scores))
            panel.imshow(lower_face(clip["frames"][frame], clip["points"][frame]))
            panel.set_title(f"{words}: {frame}, {scores[frame]:.2f}", fontsize=8)
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
        fit_and_hold_out(options.media)
    else:
        judge(options.media, options.picture)


if __name__ == "__main__":
    main()
