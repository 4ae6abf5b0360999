"""Dialogues of recordings: two people recorded, two streams made of it."""
