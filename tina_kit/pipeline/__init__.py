"""Stages, the plan that chains them, and the run that works through it."""
