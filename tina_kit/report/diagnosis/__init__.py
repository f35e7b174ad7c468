"""Rules that say what may be wrong with a finished run, from its facts alone."""
