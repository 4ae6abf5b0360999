"""Synthetic dialogue: what is said when is planned first, then rendered into two channels, to the sample."""
