"""The training loop, with seeds, precision and observers."""

from tina_kit.training.allocation import keep_freed_memory, return_freed_memory
from tina_kit.training.cores import on_every_core
from tina_kit.training.launching import launch
from tina_kit.training.loop import Probe, Trainer
from tina_kit.training.observers import Observers, counting
from tina_kit.training.precision import autocast, resolve_device, resolve_precision
from tina_kit.training.ranks import ALONE, LostRank, Ranks, check_devices, cores
from tina_kit.training.seeds import derived_seed, generator_for

__all__ = [
    "ALONE",
    "LostRank",
    "Observers",
    "Probe",
    "Ranks",
    "Trainer",
    "autocast",
    "check_devices",
    "cores",
    "counting",
    "derived_seed",
    "generator_for",
    "keep_freed_memory",
    "launch",
    "on_every_core",
    "resolve_device",
    "resolve_precision",
    "return_freed_memory",
]
