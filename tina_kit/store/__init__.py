"""Content-addressed results of stages: atomic, locked, verified, resumable."""

from tina_kit.store.checkpoint import Checkpoint
from tina_kit.store.draft import Draft, Entry
from tina_kit.store.files import read_json, write_json
from tina_kit.store.fingerprints import content_of
from tina_kit.store.keys import content_key
from tina_kit.store.store import Store
from tina_kit.store.tensors import NotFinite

__all__ = [
    "Checkpoint",
    "Draft",
    "Entry",
    "NotFinite",
    "Store",
    "content_key",
    "content_of",
    "read_json",
    "write_json",
]
