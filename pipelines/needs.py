"""What a build needs of its corpus, looked at before any work."""

from __future__ import annotations

from manifests.sidecar import LABELS
from manifests.sources import Listing
from pipelines.config import ConfigError
from pipelines.sections import BuildConfig

_ALSO = {"text": ("words", "transcript"), "emotion": ("emotions",), "speaker": ("speakers", "channels")}
"""Other labels in which a label can stand."""


def check_labels(listing: Listing, config: BuildConfig) -> None:
    """Raises ConfigError for labels of `need_labels` that no source has; one that some lack is each clip's
    own matter."""
    given = {name for source in listing.sources for name in source.labels}
    if any(source.transcript for source in listing.sources) or config.words.source == "asr":
        given.add("text")
    if config.words.language is not None:
        given.add("language")
    lacking = [name for name in config.need_labels if given.isdisjoint((name, *_ALSO.get(name, ())))]
    if listing.sources and lacking:
        told = ", ".join(f"`{name}` ({LABELS[name]})" for name in lacking)
        raise ConfigError(
            f"{config.name} needs of each source {told}, and none of {len(listing.sources)} has it: give it "
            "in a sidecar beside the recordings, or name the corpus' own reader (duologue readers); to go on "
            "without: --set need_labels=[]"
        )
