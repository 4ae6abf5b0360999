"""Rights: who of a sample is a real person, and whether KEY.json has their licence and consent.

A made dialogue has nobody who could consent: what counts is the licence of the voices. There are people in it
all the same where a voice was cloned or a face borrowed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pipelines.audit.payload.people import SYNTHETIC


class Right(NamedTuple):
    """What one part of a sample comes with. `consent` is asked of people only."""

    whose: str
    licence: Any
    consent: Any
    of_a_person: bool = True


def rights_of(header: Mapping[str, Any]) -> Iterator[Right]:
    """Of each person and each voice that a sample is made of."""
    speakers = header.get("speakers")
    sides = speakers if isinstance(speakers, dict) else {}  # in a one-stream sample: a list of names
    if header.get("origin") == SYNTHETIC:
        for side, told in sorted(sides.items()):
            if told.get("voice"):  # who says nothing has none
                yield Right(f"voice of {side}", told.get("voice_licence"), None, of_a_person=False)
            if told.get("cloned_speaker"):
                yield Right(f"cloned by {side}", told.get("cloned_licence"), told.get("cloned_consent"))
    elif sides:
        for side, told in sorted(sides.items()):
            yield Right(side, told.get("licence"), told.get("consent"))
    else:
        yield Right("", header.get("licence"), header.get("consent"))
    for member, face in sorted((header.get("borrowed") or {}).items()):
        yield Right(f"borrowed {member}", face.get("licence"), face.get("consent"))


def missing_rights(header: Mapping[str, Any]) -> dict[str, Any]:
    """1.0 where a licence, or a person's consent, is not there; None where there is nobody to ask.

    `licence_of`, `consent_of`: whose it is that is missing; empty where the sample is of one person.
    """
    rights = list(rights_of(header))
    people = [one for one in rights if one.of_a_person]
    licence = [one.whose for one in rights if _is_blank(one.licence)]
    consent = [one.whose for one in people if _is_blank(one.consent)]
    return {
        "licence_missing": float(bool(licence)) if rights else None,
        "licence_of": ", ".join(licence),
        "consent_missing": float(bool(consent)) if people else None,
        "consent_of": ", ".join(consent),
    }


def _is_blank(value: Any) -> bool:
    return not str(value or "").strip()
