"""Reads transformer blocks of G.pt and GPT-2 for parameter inheritance.

Their tokens differ from Tina's, so only the blocks and the last LayerNorm are used. G.pt's blocks
use exact GELU, Tina's use GPT-2's approximation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from tina_generators.inheritance import Ancestor
from tina_kit.api import UserError, check_finite, read_state_dict

# Ours: theirs, beneath `blocks.N.` (G.pt, minGPT) or `h.N.` (GPT-2).
_SEPARATE = {
    "norm1": "ln1",
    "attention.query": "attn.query",
    "attention.key": "attn.key",
    "attention.value": "attn.value",
    "attention.out": "attn.proj",
    "norm2": "ln2",
    "mlp.0": "mlp.0",
    "mlp.2": "mlp.2",
}
_FUSED = {
    "norm1": "ln_1",
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "norm2": "ln_2",
    "mlp.0": "mlp.c_fc",
    "mlp.2": "mlp.c_proj",
}
_PARTS = "|".join(re.escape(name) for name in (*_SEPARATE.values(), *_FUSED.values()))
_BLOCK = re.compile(rf"(?:blocks|h)\.(\d+)\.({_PARTS})\.(weight|bias)")
_LAST = re.compile(r"ln_f\.(weight|bias)")
_NORM = re.compile(r"norm\d?\.weight$")
_EXPECTED = (
    "expected the blocks of G.pt (blocks.N.ln1, attn.query, attn.key, attn.value, attn.proj, ln2, "
    "mlp.0, mlp.2) or of GPT-2 (h.N.ln_1, attn.c_attn, attn.c_proj, ln_2, mlp.c_fc, mlp.c_proj) "
    "and the last norm, ln_f"
)


def read_foreign(path: Path, heads: int) -> Ancestor:
    """The transformer of a `.pt` checkpoint; its averaged weights where it has them.

    heads: number of attention heads, which the file does not record. Missing biases are 0. Raises
    UserError naming everything that is missing or does not fit.
    """
    state = _state(path)
    blocks, last = _sorted_out(state)
    names = next((names for names in (_SEPARATE, _FUSED) if _has_any(blocks, names)), None)
    if names is None:
        some = ", ".join(list(state)[:12]) or "no tensors"
        raise UserError(f"inherit_file: {path}: {_EXPECTED}; found {some}")
    parts = {f"norm.{kind}": tensor for kind, tensor in last.items()}
    for number, block in blocks.items():
        named = _ours(block, names).items()
        parts |= {f"blocks.{number}.{name}": tensor for name, tensor in named}
    parts |= _biases(parts)
    if problems := _problems(parts, len(blocks), heads):
        raise UserError(f"inherit_file: {path}: {'; '.join(problems)}; {_EXPECTED}")
    ours = {name: tensor.float() for name, tensor in parts.items()}
    check_finite(ours, f"inherit_file: {path}")
    return Ancestor(path.name, ours, heads)


def _state(path: Path) -> Mapping[str, Tensor]:
    """The tensors of the network that has such blocks, under their own names."""
    try:
        return read_state_dict(path, lambda name: bool(_BLOCK.fullmatch(name))).tensors
    except UserError as error:
        raise UserError(f"inherit_file: {error}") from None


def _sorted_out(
    state: Mapping[str, Tensor],
) -> tuple[dict[int, dict[str, Tensor]], dict[str, Tensor]]:
    """Each block's tensors, and the last norm's."""
    blocks: dict[int, dict[str, Tensor]] = {}
    last: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if match := _BLOCK.fullmatch(name):
            blocks.setdefault(int(match[1]), {})[f"{match[2]}.{match[3]}"] = tensor
        elif match := _LAST.fullmatch(name):
            last[match[1]] = tensor
    return blocks, last


def _has_any(blocks: Mapping[int, Mapping[str, Tensor]], names: Mapping[str, str]) -> bool:
    attention = f"{next(name for name in names.values() if name.startswith('attn'))}.weight"
    return any(attention in block for block in blocks.values())


def _ours(block: Mapping[str, Tensor], names: Mapping[str, str]) -> dict[str, Tensor]:
    """A block's tensors under Tina's names, weights as `(out, in)`."""
    ours = {
        f"{our}.{kind}": block[f"{their}.{kind}"]
        for our, their in names.items()
        for kind in ("weight", "bias")
        if f"{their}.{kind}" in block
    }
    fused = ours.get("attention.qkv.weight")
    if fused is not None and fused.ndim == 2 and fused.shape[1] == 3 * fused.shape[0]:
        # Hugging Face's GPT-2 keeps its weights as (in, out).
        ours = {name: tensor.t() if tensor.ndim == 2 else tensor for name, tensor in ours.items()}
    for kind in ("weight", "bias"):
        if (tensor := ours.pop(f"attention.qkv.{kind}", None)) is not None:
            pieces = zip(("query", "key", "value"), tensor.chunk(3))
            ours |= {f"attention.{which}.{kind}": piece for which, piece in pieces}
    return ours


def _biases(parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Zeros for the biases that a checkpoint does without."""
    return {
        bias: tensor.new_zeros(len(tensor))
        for name, tensor in parts.items()
        if (bias := name.replace(".weight", ".bias")) not in parts
    }


def _problems(parts: Mapping[str, Tensor], depth: int, heads: int) -> list[str]:
    """Why these tensors do not form a transformer."""
    shapes = _shapes(parts, depth)
    missing = [name for name in shapes if name not in parts]
    problems = [f"it lacks {', '.join(missing)} (in Tina's naming)"] if missing else []
    problems += [
        f"{name} is {tuple(parts[name].shape)} instead of {shape}"
        for name, shape in shapes.items()
        if name in parts and tuple(parts[name].shape) != shape
    ]
    hidden = shapes["norm.bias"][0]
    if hidden % heads:
        problems.append(f"inherit_heads ({heads}) must divide its width ({hidden})")
    return problems


def _shapes(parts: Mapping[str, Tensor], depth: int) -> dict[str, tuple[int, ...]]:
    """The shapes that all parts must have, going by the width of any norm and of any MLP."""
    hidden = max((len(t) for name, t in parts.items() if _NORM.search(name)), default=0)
    mlp = max((len(t) for name, t in parts.items() if name.endswith("mlp.0.weight")), default=0)
    weights: dict[str, tuple[int, ...]] = {"norm": (hidden,)}
    for number in range(depth):
        square = [f"attention.{part}" for part in ("query", "key", "value", "out")]
        block: dict[str, tuple[int, ...]] = {"norm1": (hidden,), "norm2": (hidden,)}
        block |= dict.fromkeys(square, (hidden, hidden))
        block |= {"mlp.0": (mlp, hidden), "mlp.2": (hidden, mlp)}
        weights |= {f"blocks.{number}.{name}": shape for name, shape in block.items()}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, shape in weights.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes
