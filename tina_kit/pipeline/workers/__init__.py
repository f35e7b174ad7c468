"""Stages side by side: the order in which they are computed, and who computes them."""
