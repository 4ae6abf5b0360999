"""Exports whose layout is more than an arrangement of members: they make something with `synth`, which
`manifests` may not import. `duologue export` knows them beside those of `manifests.exports`.
"""

from __future__ import annotations

MADE_HERE: dict[str, str] = {"avlm": "avlm:Avlm"}
"""Format name -> module of this folder and class."""
