"""What is made: synthetic clips, mixes and dialogues."""
