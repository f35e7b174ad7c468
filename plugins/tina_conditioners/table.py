"""Precomputed embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from tina_conditioners.names import listed
from tina_conditioners.options import EmbeddingTableOptions
from tina_kit.api import Conditioner, UserError, abridged, environment_path, name_index, name_key


class EmbeddingTable(Conditioner):
    """Looks up prompts by `name_key`; the padding prompt is zero, and any other one is an error."""

    def __init__(self, options: EmbeddingTableOptions) -> None:
        self.options = options

    @cached_property
    def _path(self) -> Path:
        """The file. Raises UserError if there is none."""
        named = Path(self.options.path)
        # A file beside the recipe has become a whole path.
        if isinstance(self.options.path, Path) or named.is_absolute():
            return named
        folder = environment_path("TINA_KIT_DATA")
        if folder is not None and (folder / named).is_file():
            return folder / named
        where = "which is not set" if folder is None else str(folder)
        raise UserError(
            f"there is no {named}, neither beside the recipe nor in the folder TINA_KIT_DATA "
            f"({where})"
        )

    @cached_property
    def _table(self) -> tuple[dict[str, int], Tensor]:
        path = self._path
        try:
            with np.load(path, allow_pickle=False) as file:
                names, embeddings = file["names"], file["embeddings"]
        except Exception as error:  # a file in another format can raise anything
            found = f" ({error})" if isinstance(error, (KeyError, OSError)) else ""
            raise UserError(
                f"{path}: not an .npz file of `names` and `embeddings`{found}. "
                "numpy.savez(FILE, names=NAMES, embeddings=ROWS) writes one"
            ) from error
        fit = names.ndim == 1 and embeddings.ndim == 2 and len(names) == len(embeddings)
        if not fit or embeddings.dtype.kind not in "fiu":
            raise UserError(
                f"{path}: names have shape {names.shape}, and embeddings shape {embeddings.shape} "
                f"and type {embeddings.dtype}; expected (N,) and numbers of shape (N, D)"
            )
        rows = torch.from_numpy(embeddings.astype(np.float32))
        texts = [
            name.decode(errors="surrogateescape") if isinstance(name, bytes) else str(name)
            for name in names
        ]
        try:
            index = name_index(texts, [f"row {row}" for row in range(len(texts))])
        except UserError as error:
            raise UserError(f"{path}: names: {error}") from None
        if broken := [name for name, row in zip(texts, rows) if not row.isfinite().all()]:
            raise UserError(
                f"{path}: {len(broken)} embeddings contain NaN or infinity: {abridged(broken)}"
            )
        return index, F.normalize(rows, dim=1) if self.options.normalise else rows

    @property
    def width(self) -> int:
        return self._table[1].shape[1]

    def files(self) -> Mapping[str, str | Path]:
        return {"path": self._path}

    def gibberish(self, count: int, seed: int) -> Tensor:
        """Random directions with the average length of the table's vectors."""
        random = torch.Generator().manual_seed(seed)
        rows = F.normalize(torch.randn(count, self.width, generator=random), dim=1)
        length: Tensor = self._table[1].norm(dim=1).mean()
        return rows * length

    def embed(self, prompts: Sequence[str]) -> Tensor:
        index, rows = self._table
        missing = [p for p in prompts if name_key(p) not in index and p != self.padding_prompt]
        if missing:
            raise UserError(
                f"{self._path}: no embedding for {len(missing)} of {len(prompts)} prompts: "
                f"{listed(missing, index)}. Add them to the table, or use a conditioner that reads "
                "any text"
            )
        return torch.stack(
            [
                torch.zeros(self.width) if p == self.padding_prompt else rows[index[name_key(p)]]
                for p in prompts
            ]
        )
