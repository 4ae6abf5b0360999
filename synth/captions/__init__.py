"""Captions of clips, by a model behind an OpenAI-compatible server (docs/captions.md)."""
