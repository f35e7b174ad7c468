"""Compares runs: what differs, their tables side by side, and paired differences."""
