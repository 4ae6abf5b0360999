"""`duologue audit`: looks at everything in a corpus, at corpus scale, and says yes or no."""
