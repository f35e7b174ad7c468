"""Checkpoints, from which a long stage resumes after it was stopped."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tina_kit.store.disk import STORE_REMEDY, explaining
from tina_kit.store.files import replacing
from tina_kit.store.tensors import NotFinite, content_hash, not_finite

if TYPE_CHECKING:
    from torch import Tensor

_log = logging.getLogger(__name__)


class Checkpoint:
    """A safetensors file that is replaced atomically: tensors and JSON state together, with a hash
    of both and of the file's own name."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the previous checkpoint. Raises NotFinite, and keeps the previous one, if a
        tensor contains NaN or infinity."""
        from safetensors.torch import save_file

        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        if problem := not_finite(whole):
            raise NotFinite(problem)
        text = json.dumps(state)
        metadata = {"state": text, "sha256": content_hash(whole, self.path.name, text)}
        with explaining(self.path.parent, STORE_REMEDY), replacing(self.path) as draft:
            save_file(whole, draft, metadata=metadata)

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """The last checkpoint; None if there is none or it is damaged, which is logged."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                metadata = file.metadata() or {}
            if metadata["sha256"] == content_hash(tensors, self.path.name, metadata["state"]):
                return tensors, json.loads(metadata["state"])
            self.discard("its content does not match its hash")
        except FileNotFoundError:
            pass
        except KeyError as error:
            self.discard(
                f"it has no {error.args[0]}; another version of tina-kit may have written it"
            )
        except (OSError, SafetensorError, TypeError, ValueError) as error:
            self.discard(f"it cannot be read ({error})")
        return None

    def discard(self, reason: str) -> None:
        """Remove the checkpoint, which cannot be used, and log why."""
        _log.warning("discarded checkpoint %s: %s; starting from scratch", self.path, reason)
        with suppress(OSError):
            self.path.unlink()
