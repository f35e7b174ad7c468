"""Importing this leaves flushing to the operating system: what a test writes survives its process,
if not the machine. Waiting for the disk took a fifth of a small run."""

import os

os.fsync = lambda fd: None
