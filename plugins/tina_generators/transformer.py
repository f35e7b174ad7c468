"""Tina's network (Section 4.2): GPT-2 blocks over one time token, text tokens and noisy
parameter tokens, which predicts the clean parameter tokens."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tina_generators.anatomy import Anatomy
from tina_generators.groups import Groups, as_slice
from tina_generators.linear import LinearPath

FREQUENCIES = 128  # of the time step, as in G.pt


class Attention(nn.Module):
    """Attention without a causal mask, since tokens have no order."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(hidden, 3 * hidden)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        """x: `(B, S, hidden)`; visible: bool `(B, S)`, the tokens that
        may be looked at, None for all."""
        batch, length, hidden = x.shape
        split = self.qkv(x).view(batch, length, 3, self.heads, hidden // self.heads)
        q, k, v = split.permute(2, 0, 3, 1, 4)  # (B, heads, S, hidden / heads) each
        mask = None if visible is None else visible[:, None, None]  # (B, 1, 1, S)
        mixed = _attend(q, k, v, mask)  # (B, heads, S, hidden / heads)
        out: Tensor = self.out(mixed.transpose(1, 2).reshape(batch, length, hidden))
        return out


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
    """softmax(q kᵀ / √d) v for q, k, v `(B, heads, S, d)`; mask: bool, what may be looked at."""
    if q.device.type != "cpu":
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    # For so few tokens torch's own kernel is 3 to 10 times slower in bf16, forward and backward.
    scores = (q @ k.mT) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1).to(v.dtype) @ v


class Block(nn.Module):
    """GPT-2's pre-norm block."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(hidden)
        self.attention = Attention(hidden, heads)
        self.norm2 = nn.LayerNorm(hidden)
        self.mlp = nn.Sequential(
            nn.Linear(hidden, 4 * hidden),
            nn.GELU(approximate="tanh"),
            nn.Linear(4 * hidden, hidden),
        )

    def forward(self, x: Tensor, visible: Tensor | None) -> Tensor:
        x = x + self.attention(self.norm1(x), visible)
        x = x + self.mlp(self.norm2(x))
        return x


class TinaTransformer(nn.Module):
    """groups: of the tokens it is trained on; classes: C; width: D of the conditions.

    A token that is alone in its group has a position embedding; a larger group is an unordered
    set. If no token belongs to a class, the C conditions are separate tokens with their own
    encoders and positions; otherwise each is added to the tokens of its class. linear: whether
    there is a `LinearPath`.
    """

    def __init__(
        self,
        groups: Groups,
        classes: int,
        width: int,
        hidden: int,
        depth: int,
        heads: int,
        linear: bool = False,
    ) -> None:
        super().__init__()
        self.anatomy = Anatomy(
            groups=tuple(groups.index),
            placed=tuple(name for name, index in groups.index.items() if len(index) == 1),
            texts=0 if groups.joined else classes,
            heads=heads,
        )
        self.encoders = nn.ModuleList(nn.Linear(size, hidden) for size in groups.size.values())
        self.decoders = nn.ModuleList(nn.Linear(hidden, size) for size in groups.size.values())
        self.condition = nn.ModuleList(
            nn.Linear(width, hidden) for _ in range(self.anatomy.texts or 1)
        )
        self.time = nn.Linear(2 * FREQUENCIES + 1, hidden)
        self.positions = nn.Parameter(torch.zeros(len(self.anatomy.positions), hidden))
        self.blocks = nn.ModuleList(Block(hidden, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(hidden)
        self.linear = LinearPath(groups, width, classes) if linear else None
        # On the meta device there is nothing to fill, and drawing would import torch's compiler.
        if not self.positions.is_meta:
            self._initialise(depth)

    def _initialise(self, depth: int) -> None:
        """GPT-2's initialisation, but decoders start at 0, so that the initial prediction is the
        zoo's mean."""
        nn.init.normal_(self.positions, std=0.02)
        for name, parameter in self.named_parameters():
            if parameter.ndim == 2 and name != "positions":
                last = name.endswith(("attention.out.weight", "mlp.2.weight"))
                nn.init.normal_(parameter, std=0.02 / math.sqrt(2 * depth) if last else 0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)
        for decoder in self.decoders:
            nn.init.zeros_(decoder.weight)  # type: ignore[arg-type]
        if self.linear is not None:
            self.linear.initialise()

    def forward(
        self,
        tokens: Tensor,
        level: Tensor,
        conditions: Tensor,
        groups: Groups,
        present: Tensor | None = None,
    ) -> Tensor:
        """tokens: `(B, S, W)` noisy, padded; level: `(B,)` in [0, 1], of the noise;
        conditions: `(B, C, D)`; present: bool `(B, C)`, the classes there are, None for all.
        Returns the clean tokens, `(B, S, W)`, zero where padded."""
        x = self._encode(tokens, level, conditions, groups)
        visible = None if present is None else self._visible(x, present, groups)
        for block in self.blocks:
            x = block(x, visible)
        x = self.norm(x[:, -tokens.shape[1] :])
        added = {} if self.linear is None else self.linear(conditions, groups, present)
        clean = torch.zeros_like(tokens)
        for decoder, (name, index) in zip(self.decoders, groups.at.items()):
            made = decoder(x[:, index])
            if name in added:
                made = made + added[name]
            clean[:, index, : groups.size[name]] = made.to(clean.dtype)
        return clean

    def _encode(self, tokens: Tensor, level: Tensor, conditions: Tensor, groups: Groups) -> Tensor:
        """Time, text and parameter tokens: `(B, 1 + (C or 0) + S, hidden)`."""
        time, text, parameters = self.positions.split(self.anatomy.sections)
        sections = [
            [self.time(_frequencies(level)) + time[0]],
            self._text_tokens(conditions, text),
            self._parameter_tokens(tokens, conditions, groups, parameters),
        ]
        return torch.stack([token for section in sections for token in section], dim=1)

    def _text_tokens(self, conditions: Tensor, positions: Tensor) -> list[Tensor]:
        """`(B, hidden)` for each of `positions` `(C or 0, hidden)`."""
        return [
            encode(conditions[:, place]) + position
            for place, (encode, position) in enumerate(zip(self.condition, positions))
        ]

    def _parameter_tokens(
        self, tokens: Tensor, conditions: Tensor, groups: Groups, positions: Tensor
    ) -> list[Tensor]:
        """`(B, hidden)` for each of S tokens. positions: `(placed groups, hidden)`."""
        position_of = dict(zip(self.anatomy.placed, positions))
        # Placeholders, since the dtype is only known after encoding (autocast).
        body: list[Tensor] = [torch.empty(0)] * tokens.shape[1]
        for encoder, (name, index) in zip(self.encoders, groups.index.items()):
            encoded = encoder(
                tokens[:, groups.at[name], : groups.size[name]]
            )  # (B, tokens of it, hidden)
            if name in position_of:
                encoded = encoded + position_of[name]
            rows = groups.classes[name]
            if rows is not None:
                encoded = encoded + self.condition[0](conditions[:, as_slice(rows)])
            for place, token in zip(index, encoded.unbind(1)):
                body[place] = token
        return body

    def _visible(self, x: Tensor, present: Tensor, groups: Groups) -> Tensor | None:
        """bool `(B, tokens of x)`: all but those of absent classes, so that a padded task gives
        what the unpadded one gives. Where text tokens are of their own, the padding prompt says
        that a class is absent and all are visible."""
        if not groups.joined:
            return None
        visible = torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)
        body = visible[:, 1:]  # after the time token
        for name, rows in groups.classes.items():
            if rows is not None:
                body[:, groups.at[name]] = present[:, rows]
        return visible


def _frequencies(level: Tensor) -> Tensor:
    """`(B,)` in [0, 1] → `(B, 2·FREQUENCIES + 1)`: sines and cosines of many speeds, and itself."""
    speeds = torch.logspace(0, math.log10(1000), FREQUENCIES, device=level.device)
    angles = level[:, None] * speeds * math.pi
    return torch.cat([angles.sin(), angles.cos(), level[:, None]], dim=1)
