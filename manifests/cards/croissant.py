"""Croissant 1.1 JSON-LD of a corpus (http://mlcommons.org/croissant/): files, members, record sets.

`mlcroissant` loads the index, and of each member the key and the bytes; it decodes none of them.
"""

from __future__ import annotations

from typing import Any

from manifests.cards.facts import NOT_GIVEN, Facts
from manifests.cards.members import FLAC, MP4, media_type, member_facts

CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
TICK = "-" + "[0-9]" * 7
CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    **{
        name: f"cr:{name}"
        for name in (
            *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract", "field"),
            *("fileProperty", "fileObject", "fileSet", "format", "includes", "excludes", "isArray"),
            *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references"),
            *("regex", "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform"),
        )
    },
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
"""Of the specification."""
INDEX_COLUMNS = {
    "key": ("sc:Text", "Dot-free name of the sample."),
    "shard": ("sc:Text", "Tar that holds it."),
    "split": ("sc:Text", "train, valid or test; in a test set the condition."),
    "source_id": ("sc:Text", "Digest of the recording's path."),
    "duration_s": ("sc:Float", "Seconds."),
    "bytes": ("sc:Integer", "Of all members."),
}
DATA_TYPES = {FLAC: "sc:AudioObject", MP4: "sc:VideoObject"}
"""Of contents by media type; all other contents are handed out as they lie there."""


def croissant(
    facts: Facts, *, name: str, description: str, version: str, limits: list[str]
) -> dict[str, Any]:
    """The document, for a file beside `shards/`."""
    licences = sorted(set(facts.labels.get("licence", {})) - {NOT_GIVEN})
    languages = sorted(set(facts.labels.get("language", {})) - {NOT_GIVEN})
    about: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": name,
        "description": description,
        "version": version,
        "license": licences or ["not given"],
        "rai:dataLimitations": limits,
        "rai:personalSensitiveInformation": [
            "Faces and voices of identifiable people; measurements of both, which are biometric data.",
            *(f"Consent, as the corpus gives it: {one}" for one in sorted(facts.labels.get("consent", {}))),
        ],
        "distribution": [*_files(facts), *(_set(facts, member) for member in sorted(facts.members))],
        "recordSet": [_index(), *(_records(member) for member in sorted(facts.members))],
    }
    return about | ({"inLanguage": languages} if languages else {})


def _files(facts: Facts) -> list[dict[str, Any]]:
    index = {
        "@type": "cr:FileObject",
        "@id": "index.parquet",
        "name": "index.parquet",
        "description": "One row a sample: which shard holds it, and what.",
        "contentUrl": "shards/index.parquet",
        "encodingFormat": "application/x-parquet",
        "sha256": facts.index_sha256,
    }
    shards = [
        {
            "@type": "cr:FileObject",
            "@id": shard,
            "name": shard,
            "description": "Samples as WebDataset reads them.",
            "contentUrl": f"shards/{shard}",
            "contentSize": f"{size} B",
            "encodingFormat": "application/x-tar",
            "sha256": sha256,
        }
        for shard, (sha256, size) in sorted(facts.shards.items())
    ]
    return [index, *shards]


def _set(facts: Facts, member: str) -> dict[str, Any]:
    about = member_facts(member)
    told = ", ".join(one for one in (about.content, about.form, about.unit) if one)
    return {
        "@type": "cr:FileSet",
        "@id": f"member-{member}",
        "name": member,
        "description": f"{told} (in {facts.members[member]} of {facts.samples} samples)",
        "containedIn": [{"@id": shard} for shard in sorted(facts.shards)],
        "encodingFormat": media_type(member),
        "includes": _globs(facts, member),
    }


def _globs(facts: Facts, member: str) -> list[str]:
    """Patterns of the member's files that no other member's match: `*` also matches dots."""
    if all(one.isdigit() and len(one) == 7 for one in facts.endings):
        return [f"*{TICK}.{member}"]
    return [f"*-{ending}.{member}" for ending in sorted(facts.endings)]


def _index() -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "index",
        "name": "index",
        "description": "The index: one record a sample.",
        "key": {"@id": "index/key"},
        "field": [
            _field(
                f"index/{column}", kind, told, {"fileObject": {"@id": "index.parquet"}}, {"column": column}
            )
            for column, (kind, told) in INDEX_COLUMNS.items()
        ],
    }


def _records(member: str) -> dict[str, Any]:
    """A record set of a member: the key and the bytes of every sample that has it."""
    source = {"fileSet": {"@id": f"member-{member}"}}
    name, content = {"fileProperty": "filename"}, {"fileProperty": "content"}
    kind = DATA_TYPES.get(media_type(member), "sc:Text")
    key = _field(f"{member}/key", "sc:Text", "Key of the sample.", source, name)
    key["source"]["transform"] = {"regex": r"^([^.]*)\..*$"}
    return {
        "@type": "cr:RecordSet",
        "@id": member,
        "name": member,
        "description": f"{member} of every sample that has it, as bytes.",
        "key": {"@id": f"{member}/key"},
        "field": [key, _field(f"{member}/content", kind, member_facts(member).content, source, content)],
    }


def _field(
    name: str, kind: str, told: str, source: dict[str, Any], extract: dict[str, str]
) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": name,
        "name": name.rpartition("/")[2],
        "description": told,
        "dataType": kind,
        "source": source | {"extract": extract},
    }
