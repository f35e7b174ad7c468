"""One file a stage: its settings, its computation and its reader."""
