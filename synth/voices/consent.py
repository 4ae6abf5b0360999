"""Whether a person of a corpus may be imitated: only where the corpus says that they agreed to just that."""

from __future__ import annotations

import re
from typing import Protocol

from synth.voices.voice import Fault, VoiceError

ALLOWING = frozenset({"voice cloning", "voice synthesis", "speech synthesis", "all uses"})
"""What `consent` must name, as one of its terms (between commas, semicolons or bars), word for word."""


class Terms(Protocol):
    """A person's clip and what it comes with; `synth.voices.voice.Reference` is one."""

    @property
    def speaker(self) -> str: ...  # noqa: D102
    @property
    def consent(self) -> str | None: ...  # noqa: D102
    @property
    def licence(self) -> str | None: ...  # noqa: D102


def check_consent(reference: Terms, *, allowing: frozenset[str] = ALLOWING) -> None:
    """Refuse to imitate a person unless `consent` names it and a `licence` is given.

    A closed list, compared term by term: "no voice cloning" and "research" allow nothing, and a corpus with
    words of its own has them passed as `allowing`. Raises VoiceError: CONSENT_MISSING, LICENCE_MISSING.
    """
    terms = {
        " ".join(re.split(r"[\s_-]+", term.strip().casefold()))
        for term in re.split(r"[,;|]", reference.consent or "")
    }
    if not terms & allowing:
        given = (
            f"its consent is {reference.consent!r}" if (reference.consent or "").strip() else "none is given"
        )
        raise VoiceError(
            Fault.CONSENT_MISSING,
            f"nothing says that {reference.speaker} agreed to be imitated ({given}): the sidecar's `consent` "
            f"must name one of {', '.join(sorted(allowing))}",
        )
    if not (reference.licence or "").strip():
        raise VoiceError(
            Fault.LICENCE_MISSING,
            f"the clip of {reference.speaker} has no licence: fill the sidecar's `licence`",
        )
