"""The turn layer: from who speaks when to units, turns, events and the label streams that trainers read."""
