"""Taking a person out of what was made: who that is, where they are, what goes, and the proof."""
