"""Visual corruption of a clip: planned as plain numbers, applied by a pure function."""
