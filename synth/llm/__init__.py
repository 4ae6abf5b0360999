"""Asking a language model behind an OpenAI-compatible server: patience, cache, budget, and a guarded key."""
