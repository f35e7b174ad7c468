"""Stages, the plan that joins them, and the run that works through it."""
