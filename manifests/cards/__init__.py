"""Cards of a finished corpus: a page for people (README.md) and Croissant for machines (croissant.json)."""

from manifests.cards.write import CARD, CROISSANT, write_cards

__all__ = ["CARD", "CROISSANT", "write_cards"]
