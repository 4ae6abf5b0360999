"""The dataset card: README.md, with the front matter that the Hugging Face hub reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import yaml

from manifests.cards.facts import MEASURED, NOT_GIVEN, TALLIED, Facts, quantiles
from manifests.cards.members import member_facts

READING = """## Reading it

`shards/index.parquet` names the shards; they are plain tars that WebDataset reads. `croissant.json` describes
them to machines. Every sample's KEY.json says what is in it and what is missing, and why.

Somebody who is in here may want out: `duologue forget CORPUS --subject NAME`."""


def markdown(
    facts: Facts,
    *,
    name: str,
    description: str,
    version: str,
    limits: Sequence[str],
    weights_licences: Mapping[str, str],
) -> str:
    """The page. Names of people do not stand in it."""
    parts = [
        _front(facts, name),
        f"# {name}\n\n{description}",
        f"{facts.samples} samples, {_hours(facts.duration_s)}, version {version}.",
        _splits(facts),
        _rights(facts),
        _members(facts),
        _statistics(facts),
        _left_out(facts),
        "## Known limits\n\n" + "\n".join(f"- {one}" for one in limits),
        _provenance(facts, weights_licences),
        READING,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def known_limits(facts: Facts) -> list[str]:
    """What a user has to know, as far as it can be counted."""
    limits = []
    for label in ("licence", "consent"):
        lacking_s = facts.labels.get(label, {}).get(NOT_GIVEN, 0.0)
        lacking = facts.labelled.get(label, Counter())[NOT_GIVEN]
        if lacking_s:
            limits.append(f"{_share(lacking_s, facts.duration_s)} of the time has no {label} given.")
        elif lacking:  # text alone, which takes no time
            limits.append(f"{lacking} of {facts.samples} samples have no {label} given.")
    for kind, what in (("speakers", "speakers"), ("people", "faces"), ("sources", "recordings")):
        shared = facts.shared(kind)
        if shared:
            limits.append(f"{what} in more than one split: {len(shared)}. A model may know who is tested.")
    unnamed = sum(not part.people for part in facts.parts.values())
    if unnamed == len(facts.parts):
        limits.append("No face was recognised across recordings: nobody can say who is in two splits.")
    for member in sorted(facts.untrained):
        limits.append(f"`{member}` was made with random weights: its codes mean nothing.")
    for member, clips in sorted(facts.fitted.items()):
        limits.append(f"`{member}` counts from k-means centres fitted on other clips (digest {clips}).")
    for member, count in sorted(facts.members.items()):
        if count < facts.samples:
            limits.append(f"`{member}` is in {count} of {facts.samples} samples; KEY.json says why.")
    limits.append(
        "Names of faces (`person`) come from clustering embeddings: one person may have two, and two one."
    )
    return limits


def _front(facts: Facts, name: str) -> str:
    languages = sorted(set(facts.labels.get("language", {})) - {NOT_GIVEN})
    splits = [
        {"split": split, "path": f"shards/{split}-*.tar"} for split in _ordered(facts.parts) if facts.parts
    ]
    front = {
        "pretty_name": name,
        "license": "other",
        **({"language": languages} if languages else {}),
        "tags": ["audio-visual", "dialogue", "duologue", "webdataset"],
        "configs": [{"config_name": "default", "data_files": splits}],
    }
    return f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---"


def _ordered(splits: Iterable[str]) -> list[str]:
    order = {"train": 0, "valid": 1, "test": 2}
    return sorted(splits, key=lambda one: (order.get(one, 3), one))


def _splits(facts: Facts) -> str:
    rows = [
        [
            split,
            str(part.samples),
            _hours(part.duration_s),
            f"{part.bytes / 1e6:.1f}",
            *(str(len(one)) for one in (part.shards, part.sources, part.speakers, part.people)),
        ]
        for split, part in ((split, facts.parts[split]) for split in _ordered(facts.parts))
    ]
    header = ["split", "samples", "length", "MB", "shards", "recordings", "labelled speakers", "faces"]
    return "## Splits\n\n" + _table(header, rows)


def _rights(facts: Facts) -> str:
    tables = [
        f"### {title}\n\n" + _tally(facts, label, title)
        for label, title in (("licence", "Licence"), ("consent", "Consent"))
    ]
    return "## Licences and consent\n\nAs the corpus gives them, recording by recording.\n\n" + "\n\n".join(
        tables
    )


def _tally(facts: Facts, label: str, title: str) -> str:
    lengths_s, counts = facts.labels.get(label, {}), facts.labelled.get(label, Counter[str]())
    rows = [
        [_cell(value), str(counts[value]), _hours(length_s), _share(length_s, facts.duration_s)]
        for value, length_s in sorted(lengths_s.items(), key=lambda one: (-one[1], one[0]))
    ]
    return _table([title.lower(), "samples", "length", "share"], rows)


def _members(facts: Facts) -> str:
    rows = []
    for member in sorted(facts.members):
        about = member_facts(member)
        count = f"{facts.members[member]} of {facts.samples}"
        rows.append([f"`{member}`", about.content, about.form, about.unit, count])
    told = "`n` is the number of frames of 80 ms; arrays of 25 Hz have `2n`."
    return f"## Members\n\n{told}\n\n" + _table(["member", "content", "form", "unit", "samples"], rows)


def _statistics(facts: Facts) -> str:
    measured = {"length, s": facts.durations_s} | {
        MEASURED[name]: values for name, values in facts.measured.items()
    }
    rows = [
        [title, str(len(values)), *(f"{one:.2f}" for one in quantiles(values))]
        for title, values in measured.items()
        if values
    ]
    tables = [_table(["measure", "samples", "lowest", "median", "highest"], rows)]
    tables += [
        _tally(facts, label, label) for label in TALLIED if set(facts.labels.get(label, {})) - {NOT_GIVEN}
    ]
    return "## Statistics\n\n" + "\n\n".join(tables)


def _left_out(facts: Facts) -> str:
    if not facts.ends:
        return ""
    rows = [
        [kind, status, reason, str(count)] for (kind, status, reason), count in sorted(facts.ends.items())
    ]
    return "## What became of the input\n\n" + _table(["", "status", "reason", "count"], rows)


def _provenance(facts: Facts, licences: Mapping[str, str]) -> str:
    steps = [[step, ", ".join(sorted(keys))] for step, keys in sorted(facts.steps.items())]
    weights = [
        [name, licences.get(name, ""), f"`{sha256[:16]}…`"] for name, sha256 in sorted(facts.weights.items())
    ]
    text = "## Provenance\n\nMade with Duologue; equal step keys mean equal code, settings and weights.\n\n"
    text += _table(["step", "key"], steps)
    return text + ("\n\n" + _table(["weights", "licence", "SHA-256"], weights) if weights else "")


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _hours(length_s: float) -> str:
    return f"{length_s / 3600:.2f} h" if length_s >= 3600 else f"{length_s / 60:.2f} min"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "0 %"
