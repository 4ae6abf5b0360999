"""Turns and dialogues rewritten by an LLM behind an OpenAI-compatible server (docs/rewriting.md)."""

from __future__ import annotations

from synth.llm.chat import ServerUnusableError
from synth.rewriting.config import RewriteConfig
from synth.rewriting.rewriter import Rewriter
from synth.rewriting.rewritten import REWRITTEN, Fault, Rewritten
from synth.rewriting.scripts import Dialogue, ScriptError, Speaker, Turn, read_scripts

__all__ = [
    "REWRITTEN",
    "Dialogue",
    "Fault",
    "RewriteConfig",
    "Rewriter",
    "Rewritten",
    "ScriptError",
    "ServerUnusableError",
    "Speaker",
    "Turn",
    "read_scripts",
]
