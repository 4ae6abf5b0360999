"""Files and folders of the user's that a config names: networks, k-means centres, tokenizers, lip readers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from extractors.weights import MODELS_VARIABLE, MissingWeightsError

Found = TypeVar("Found")


def brought(name: str, *, setting: str, holds: str = "", get_it: str = "") -> Path:
    """A path as it is, else one below the folder that `DUOLOGUE_MODELS` names: presets can name what no
    machine has in the same place.

    `setting` is the key of the config; a folder is asked to hold the file `holds`. Raises
    MissingWeightsError, which names the places and says where to get it.
    """
    models = os.environ.get(MODELS_VARIABLE)
    places = [Path(name).expanduser(), *([Path(models).expanduser() / name] if models else [])]
    for place in places:
        if (place / holds).exists():
            return place
    here = " and ".join(str(place / holds) for place in places)
    unset = "" if models else f" ({MODELS_VARIABLE} is not set)"
    get = f" {get_it}." if get_it else ""
    raise MissingWeightsError(
        f"{setting}: {name!r} is not there: no {here}{unset}.{get} Put it into the folder that "
        f"{MODELS_VARIABLE} names, or say where it is: --set {setting}=PATH"
    )


def every(looks: Mapping[str, Callable[[], Found]]) -> dict[str, Found]:
    """What each look finds; one MissingWeightsError tells of all that is missing, not of the first."""
    found: dict[str, Found] = {}
    missing: list[str] = []
    for name, look in looks.items():
        try:
            found[name] = look()
        except MissingWeightsError as error:
            missing.append(str(error))
    if missing:
        raise MissingWeightsError("\n".join(dict.fromkeys(missing)))
    return found
