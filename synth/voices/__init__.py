"""Voices that speak a text, who speaks with which of them, and whether what was said is what was meant."""
