"""Writing the cards of a finished corpus beside its shards; equal corpora give equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping

from manifests.cards.croissant import croissant
from manifests.cards.facts import FORMAT_VERSION, read_facts
from manifests.cards.markdown import known_limits, markdown
from manifests.corpus_reader import CorpusReader

CARD = "README.md"
CROISSANT = "croissant.json"


def write_cards(
    url: str,
    *,
    name: str,
    description: str,
    version: str | None = None,
    weights_licences: Mapping[str, str] | None = None,
) -> tuple[str, str]:
    """Write README.md and croissant.json into the corpus' folder and return their full names.

    `version`: the data's own, MAJOR.MINOR.PATCH; by default that of the format, with a patch number of 0.
    Raises CorpusError for a folder without a finished corpus or with a damaged shard.
    """
    corpus = CorpusReader(url)
    facts = read_facts(corpus)
    version = version or f"{FORMAT_VERSION}.0"
    limits = known_limits(facts)
    about = {"name": name, "description": " ".join(description.split()), "version": version}
    page = markdown(facts, **about, limits=limits, weights_licences=weights_licences or {})
    document = croissant(facts, **about, limits=limits)
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    for file, content in ((CARD, page), (CROISSANT, text)):
        corpus.store.write(file, content.encode())
    return corpus.store.path(CARD), corpus.store.path(CROISSANT)
