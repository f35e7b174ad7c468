"""The training loop, with seeds, precision and observers."""

from tina_kit.training.allocation import keep_freed_memory, return_freed_memory
from tina_kit.training.cores import on_every_core
from tina_kit.training.loop import Probe, Trainer
from tina_kit.training.observers import Observers, counting
from tina_kit.training.precision import autocast, resolve_device, resolve_precision
from tina_kit.training.seeds import derived_seed, generator_for

__all__ = [
    "Observers",
    "Probe",
    "Trainer",
    "autocast",
    "counting",
    "derived_seed",
    "generator_for",
    "keep_freed_memory",
    "on_every_core",
    "resolve_device",
    "resolve_precision",
    "return_freed_memory",
]
