"""One file per stage: its settings, its computation and its reader."""
