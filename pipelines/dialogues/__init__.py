"""`duologue dialogue`: two people talking, recorded or made, as two streams with words, turns and events."""
