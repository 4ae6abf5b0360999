"""Plans drawn for a clip: where, with what and how badly it is corrupted.

Every draw comes from a digest of the seed, the clip's key and what is drawn; neither the kind nor the
severity is among them. So a clip meets the same spans in every condition, and the same occluder in the same
place at every severity (a paired design).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from manifests.ids import digest
from synth.corruption.kinds import KINDS, Kind, Parameter, Region, parameters_at
from synth.corruption.plan import DRAWN, Corruption, CorruptionPlan
from synth.levels import Spans
from synth.noise_plan import draw_spans, generator

SpanRule = Literal["whole", "cav2vec", "dualhyp"]
Preset = Literal["cav2vec", "dualhyp"]


def draw_spans_by(rule: SpanRule, n_frames: int, *parts: object) -> Spans:
    """Spans of a clip of `n_frames`, as a rule of the field draws them.

    `whole`: all of it. `cav2vec`: one span of 10-50 % of the clip, or two or three that cover 30-50 % of it;
    one, two and three are alike often. `dualhyp`: one span, its share drawn from Beta(2, 2).
    """
    if rule not in get_args(SpanRule):
        raise ValueError(f"no rule {rule!r} for spans; there are {', '.join(get_args(SpanRule))}")
    if rule == "whole":
        return ((0, n_frames),)
    rng = generator("visual spans", rule, *parts)
    if rule == "dualhyp":
        share = float(rng.beta(2, 2))
        return draw_spans(n_frames, "visual", *parts, count=1, min_share=share, max_share=share)
    count = int(rng.integers(1, 4))
    if n_frames < 4 * count:  # too short for so many
        count = 1
    least = 0.1 if count == 1 else 0.3
    return draw_spans(n_frames, "visual", *parts, count=count, min_share=least, max_share=0.5)


def plan_corruption(
    key: str,
    kind: Kind,
    severity: int,
    *,
    n_frames: int,
    spans: SpanRule | Spans = "whole",
    region: Region = "frame",
    occluders: Sequence[str] = (DRAWN,),
    seed: int = 0,
) -> CorruptionPlan:
    """A clip with one corruption of a severity from 1 to 5.

    `occluders`: names to draw from, of the kind's category. Raises ValueError for what a plan cannot hold.
    """
    if kind not in KINDS:
        raise ValueError(f"no corruption {kind!r}; there are {', '.join(KINDS)}")
    one = _drawn(
        key,
        kind,
        parameters_at(kind, severity),
        spans=draw_spans_by(spans, n_frames, seed, key) if isinstance(spans, str) else spans,
        occluders=occluders,
        seed=seed,
        severity=severity,
        region=region,
    )
    return CorruptionPlan(key, n_frames, (one,))


def plan_preset(
    key: str,
    preset: Preset,
    kind: Kind,
    *,
    n_frames: int,
    occluders: Sequence[str] = (DRAWN,),
    seed: int = 0,
) -> CorruptionPlan:
    """A clip corrupted as a published recipe does it; `kind` is what occludes.

    `cav2vec`: `patch`, `hand` or `pixelate`, and on spans of its own noise (3 of 10 clips), blur (3) or
    nothing (4). `dualhyp`: `patch`, `hand`, `pixelate` or `blur`, which is kept to the lower lip.
    Raises ValueError for another kind.
    """
    ranges = _PRESETS.get(preset)
    if ranges is None:
        raise ValueError(f"no preset {preset!r}; there are {', '.join(_PRESETS)}")
    if kind not in ranges or kind == "gaussian_noise":
        raise ValueError(f"{preset} has no {kind!r}; it has {', '.join(set(ranges) - {'gaussian_noise'})}")
    kinds: list[Kind] = [kind]
    if preset == "cav2vec":
        chance = generator("second corruption", seed, key).random()
        kinds += ["gaussian_noise"] if chance < 0.3 else ["blur"] if chance < 0.6 else []
    corruptions = []
    for number, one in enumerate(kinds):
        values = {name: _even(key, seed, name, *bounds) for name, bounds in ranges[one].items()}
        whole = {name for name, parameter in KINDS[one].parameters.items() if parameter.whole}
        values = {name: round(value) if name in whole else value for name, value in values.items()}
        region: Region = "lower_lip" if preset == "dualhyp" and one == "blur" else "frame"
        spans = draw_spans_by(preset, n_frames, seed, key, *([number] if number else []))
        corruptions.append(
            _drawn(key, one, values, spans=spans, occluders=occluders, seed=seed, region=region)
        )
    return CorruptionPlan(key, n_frames, tuple(corruptions))


_PRESETS: Mapping[Preset, Mapping[Kind, Mapping[str, tuple[float, float]]]] = {
    "cav2vec": {
        "patch": {"size_px": (20, 45), "point": (48, 66), "offset_px": (10, 29), "tilt_deg": (-15, 15)},
        # 96 px of hand over a 96 px crop, from its row 20 on
        "hand": {"size_px": (96, 96), "right_px": (0, 0), "down_px": (20, 20), "tilt_deg": (-15, 15)},
        "pixelate": {"block_px": (5, 5)},
        "gaussian_noise": {"variance": (0, 0.2)},
        "blur": {"sigma_px": (0.1, 2), "kernel_px": (7, 7)},
    },
    "dualhyp": {
        "patch": {"size_px": (30, 59), "point": (55, 67), "offset_px": (10, 29), "tilt_deg": (-15, 15)},
        "hand": {"size_px": (96, 96), "right_px": (0, 0), "down_px": (20, 20), "tilt_deg": (-15, 15)},
        "pixelate": {"block_px": (5, 5)},
        "blur": {"sigma_px": (6, 6), "kernel_px": (9, 9)},
    },
}
"""What the recipes draw evenly, by kind and parameter: (least, most)."""


def _drawn(
    key: str,
    kind: Kind,
    values: Mapping[str, float],
    *,
    spans: Spans,
    occluders: Sequence[str],
    seed: int,
    severity: int | None = None,
    region: Region = "frame",
) -> Corruption:
    spec = KINDS[kind]
    if spec.occluder is not None and not occluders:
        raise ValueError(f"{kind} needs an occluder to draw from; {DRAWN!r} is always there")
    pick = int(digest("occluder", seed, key, spec.occluder, length=12), 16)
    places = {
        name: _place(key, seed, name, parameter)
        for name, parameter in spec.parameters.items()
        if name not in values
    }
    every = {**places, **values}
    return Corruption(
        kind,
        spans,
        tuple((name, every[name]) for name in spec.parameters),
        severity=severity,
        region=region,
        occluder=sorted(occluders)[pick % len(occluders)] if spec.occluder is not None else None,
        seed=int(digest("corruption", seed, key, length=12), 16),
    )


def _place(key: str, seed: int, name: str, parameter: Parameter) -> float:
    low, high = parameter.drawn
    if name == "direction":  # nothing between late and early
        return low if generator("place", name, seed, key).random() < 0.5 else high
    value = _even(key, seed, name, low, high)
    return round(value) if parameter.whole else value


def _even(key: str, seed: int, name: str, low: float, high: float) -> float:
    """Between the bounds; rounded, so that JSON stays short."""
    return round(float(generator("place", name, seed, key).uniform(low, high)), 3)
