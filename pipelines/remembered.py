"""What a command keeps beside its output, so that a later one knows what was asked: settings, listing."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import yaml

from manifests.errors import CommandError
from manifests.reasons import Reason
from manifests.sidecar import Complaint
from manifests.sources import Listing, SourceFile
from manifests.sources.folder import BUILD_MARK
from manifests.store import Store

SETTINGS = BUILD_MARK
LISTING = "listing.json"
BUILD = "build"


class NoCorpusError(CommandError, ValueError):
    """The folder holds nothing that a command began, or not what is wanted."""


def write_settings(store: Store, **settings: Any) -> None:
    """Keep what a command was asked; `command` names it, unless it is `build`."""
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    store.write(SETTINGS, text.encode("utf-8"))


def read_settings(url: str, command: str | None = None) -> dict[str, Any]:
    """What was asked of whatever made the folder, `command` always among it.

    Raises NoCorpusError, also where it was another command than the one that is wanted.
    """
    store = Store(url)
    if not store.exists(SETTINGS):
        raise NoCorpusError(
            f"{url}: no {SETTINGS} there; give the --out folder of a build, testset or dialogue"
        )
    try:
        settings = yaml.safe_load(store.read(SETTINGS))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise NoCorpusError(f"{url}/{SETTINGS} cannot be read: {error}") from error
    if not isinstance(settings, dict):
        raise NoCorpusError(f"{url}/{SETTINGS} holds no settings")
    made_by = str(settings.setdefault("command", BUILD))
    if command is not None and made_by != command:
        raise NoCorpusError(f"{url} was made by `duologue {made_by}`, not by `duologue {command}`")
    return settings


def keep_listing(store: Store, listing: Listing) -> None:
    """Keep what was found to work on."""
    store.write(LISTING, json.dumps(asdict(listing)).encode("utf-8", "surrogateescape"))


def kept_listing(store: Store) -> Listing:
    """What was found to work on. Raises NoCorpusError."""
    if not store.exists(LISTING):
        raise NoCorpusError(f"{store.url}: no {LISTING} there; the run ended before it had listed anything")
    listed = json.loads(store.read(LISTING))
    return Listing(
        tuple(SourceFile(**source) for source in listed["sources"]),
        tuple(Complaint(one["where"], Reason(one["reason"]), one["detail"]) for one in listed["complaints"]),
        listed.get("root"),
    )
