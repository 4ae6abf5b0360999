"""`duologue testset`: clean clips of a finished corpus, made noisy and occluded at known degrees."""
