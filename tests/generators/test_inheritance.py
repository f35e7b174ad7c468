"""Parameter inheritance: growing preserves the function, and training starts further ahead."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tina_architectures.cnn import CNN
from tina_architectures.options import CNNOptions
from tina_generators.foreign import read_foreign
from tina_generators.groups import Groups
from tina_generators.inheritance import Ancestor, inherit, read_tina
from tina_generators.options import TinaDiTOptions
from tina_generators.tina_dit import TinaDiT
from tina_generators.transformer import Block, TinaTransformer
from tina_tokenizers.options import ClassRowsOptions, LayerChunksOptions
from tina_tokenizers.tokenizers import ClassRows, LayerChunks
from torch import nn

from tina_kit.api import Layout, Parameter, Request, UserError
from tina_kit.store import content_of

TOKENIZERS = {
    "class-rows": ClassRows(ClassRowsOptions(size=6)),
    "layer-chunks": LayerChunks(LayerChunksOptions(size=6)),
}
WIDTH = 5


def groups(tokenizer: str, classes: int = 3, shared: int = 10) -> Groups:
    layout = Layout(
        (
            Parameter("conv", (shared,), layer="conv"),
            Parameter("weight", (classes, 4), layer="fc", class_axis=0),
        )
    )
    return Groups(layout, TOKENIZERS[tokenizer].tokens(layout))


def network(
    hidden: int, depth: int = 2, heads: int = 2, tokenizer: str = "class-rows", **sizes
) -> TinaTransformer:
    torch.manual_seed(hidden + depth)
    made = TinaTransformer(groups(tokenizer, **sizes), 3, WIDTH, hidden, depth, heads)
    with torch.no_grad():
        for parameter in made.parameters():  # decoders, biases and norms too
            parameter += 0.3 * torch.randn_like(parameter)
    return made


def answers(of: TinaTransformer, tokenizer: str = "class-rows") -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    cut = groups(tokenizer)
    tokens = torch.zeros(4, sum(len(index) for index in cut.index.values()), 6)
    for name, index in cut.index.items():
        size = cut.size[name]
        tokens[:, index, :size] = torch.randn(4, len(index), size, generator=random)
    level = torch.rand(4, generator=random)
    conditions = torch.randn(4, 3, WIDTH, generator=random)
    with torch.inference_mode():
        return of(tokens, level, conditions, cut)


def ancestor(of: TinaTransformer) -> Ancestor:
    parts = of.anatomy.parts({name: t.clone() for name, t in of.state_dict().items()})
    return Ancestor("small", parts, of.anatomy.heads)


def inherited(new: TinaTransformer, old: TinaTransformer, seed: int = 0) -> dict:
    return inherit(new, ancestor(old), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize(
    "sizes",
    [
        pytest.param({"hidden": 16, "heads": 4}, id="twice as wide, more heads"),
        pytest.param({"hidden": 24, "heads": 6}, id="three times as wide, more heads"),
        pytest.param({"hidden": 16, "heads": 2}, id="twice as wide, larger heads"),
        pytest.param({"hidden": 32, "heads": 4}, id="more and larger heads"),
        pytest.param({"hidden": 8, "heads": 2, "depth": 5}, id="deeper"),
        pytest.param({"hidden": 16, "heads": 4, "depth": 3}, id="wider and deeper"),
    ],
)
def test_growing_preserves_the_function(sizes: dict, tokenizer: str) -> None:
    old = network(8, tokenizer=tokenizer)
    new = network(**sizes, tokenizer=tokenizer)
    wanted = answers(old, tokenizer)
    assert not torch.allclose(answers(new, tokenizer), wanted, atol=0.1)
    report = inherited(new, old)
    torch.testing.assert_close(answers(new, tokenizer), wanted, atol=1e-4, rtol=1e-4)
    assert not report["fresh"]
    assert not report["narrowed"]


def test_a_network_of_the_same_size_is_inherited_bit_by_bit() -> None:
    old, new = network(8), network(8, depth=2)
    with torch.no_grad():
        for parameter in new.parameters():
            parameter.zero_()
    report = inherited(new, old)
    assert torch.equal(answers(new), answers(old))
    assert report["inherited"] == list(new.anatomy.parts(new.state_dict()))


def test_copies_differ_in_what_reads_them_so_that_they_do_not_stay_twins() -> None:
    old, new = network(8), network(16, heads=4)
    inherited(new, old)
    loss = new(torch.randn(4, 5, 6), torch.rand(4), torch.randn(4, 3, WIDTH), groups("class-rows"))
    loss.square().sum().backward()
    grown = new.blocks[0].mlp[0]
    rows = nn.functional.normalize(grown.weight.grad, dim=1)
    alike = rows @ rows.T - torch.eye(len(rows))
    assert alike.max() < 0.9999
    other = network(16, heads=4)
    inherited(other, old, seed=1)
    assert not torch.equal(other.blocks[0].mlp[0].weight, grown.weight)
    inherited(other, old, seed=0)
    assert torch.equal(other.blocks[0].mlp[0].weight, grown.weight)


def test_a_width_that_is_no_multiple_is_close_until_norms_see_uneven_copies() -> None:
    old, new = network(8), network(12, heads=3)
    wanted = answers(old)
    before = (answers(new) - wanted).square().mean()
    inherited(new, old)
    assert (answers(new) - wanted).square().mean() < 0.5 * before


def test_a_smaller_network_keeps_first_places_and_evenly_spaced_blocks() -> None:
    old, new = network(16, depth=5, heads=4), network(8, depth=3)
    report = inherited(new, old)
    for number, source in enumerate([0, 2, 4]):
        theirs = old.blocks[source].mlp[0].weight[:32, :8]
        torch.testing.assert_close(new.blocks[number].mlp[0].weight, theirs)
    assert report["sizes"]["from"]["depth"] == 5
    assert not report["fresh"]
    assert answers(new).isfinite().all()


def test_parts_are_matched_by_their_tokens_and_the_others_stay_fresh() -> None:
    old, new = network(8, shared=9), network(8, tokenizer="layer-chunks")
    before = {k: t.clone() for k, t in new.anatomy.parts(new.state_dict()).items()}
    report = inherited(new, old)
    after = new.anatomy.parts(new.state_dict())
    # Tokens of 6 and 3 entries against 6 and 4; class rows against chunks of all of them.
    assert torch.equal(after["encoders[conv[0]].weight"], old.encoders[0].weight)
    assert "decoders[conv[6]].weight" in report["fresh"]
    assert "condition[text 0].weight" in report["fresh"]
    for name in report["fresh"]:
        assert torch.equal(after[name], before[name])
    assert sorted(n for names in list(report.values())[2:] for n in names) == sorted(after)


# Through a recipe's row.


@pytest.mark.slow
def test_a_grown_tina_starts_where_the_small_one_ended(world, tmp_path: Path) -> None:
    small = world.fitted(steps=150)
    small.save(tmp_path)
    context = world.context(inherited={"inherit": tmp_path})
    options = {"hidden_size": 64, "heads": 8, "depth": 3, "learning_rate": 1e-9, "steps": 1}
    grown = world.fitted(context=context, inherit="small", **options)
    request = Request(world.zoo().conditions[:6], None)
    torch.testing.assert_close(
        grown.generate(request), small.generate(request), atol=1e-3, rtol=1e-3
    )
    grown.save(tmp_path)
    report = json.loads((tmp_path / "inheritance.json").read_text())
    assert report["source"] == "small"
    assert "blocks.0.mlp.0.weight" in report["widened"]
    assert "blocks.2.mlp.0.weight" in report["added"]


def test_inheriting_learns_faster_than_starting_fresh(world, tmp_path: Path) -> None:
    world.fitted(steps=150).save(tmp_path)
    options = {"hidden_size": 64, "heads": 8, "depth": 3, "steps": 40}
    world.fitted(**options)
    fresh = sum(world.losses)
    context = world.context(inherited={"inherit": tmp_path})
    world.fitted(context=context, inherit="small", **options)
    inherits = sum(world.losses)
    assert inherits < 0.8 * fresh


def test_few_tasks_with_image_prompts_are_enough_for_a_tina_that_knows_names(
    world, tmp_path: Path
) -> None:
    """Section 5.4: few-shot training on images; the zoo's statistics come with the network."""
    names = world.fitted(steps=200)
    names.save(tmp_path)
    data = world.zoo()
    images = replace(data, images=world.images())
    context = world.context(inherited={"inherit": tmp_path})
    options = {"prompts": "image", "tasks": 8, "steps": 20, "learning_rate": 1e-4}
    few = world.fitted(context=context, zoo=images, inherit="names", **options)
    assert few.inheritance["normalisation"] is True
    assert torch.equal(few.normalisation.scale["6.weight"], names.normalisation.scale["6.weight"])
    made = few.generate(Request(data.conditions, None))
    assert world.weights_error(few, made, data.vectors) < 0.1


def test_statistics_of_other_parameters_or_another_kind_are_not_inherited(
    world, tmp_path: Path
) -> None:
    world.fitted(steps=1).save(tmp_path)
    context = world.context(inherited={"inherit": tmp_path})
    other = world.fitted(context=context, inherit="a", normalisation="global-scale", steps=1)
    assert other.inheritance["normalisation"] is False
    wider = replace(context, architecture=CNN(CNNOptions(widths=(4, 8))))
    generator = world.build(inherit="a", steps=1)
    generator.setup(wider)
    layout = wider.architecture.layout(4)
    data = replace(world.zoo(), p_models=torch.randn(40, layout.size))
    generator.fit(data)
    assert generator.inheritance["normalisation"] is False
    assert "encoders[classes].weight" in generator.inheritance["fresh"]
    assert generator.generate(Request(data.conditions[:2], None)).shape == (2, layout.size)


def test_a_row_that_is_no_tina_is_told(world, tmp_path: Path) -> None:
    context = world.context(inherited={"inherit": tmp_path})
    with pytest.raises(UserError, match="inherit: oracle is not a Tina"):
        world.fitted(context=context, inherit="oracle")


def test_a_hypernetwork_inherits_from_a_tina(world, tmp_path: Path) -> None:
    world.fitted(steps=1).save(tmp_path)
    context = world.context(inherited={"inherit": tmp_path})
    made = world.fitted(kind="hypernetwork", context=context, inherit="tina", steps=1)
    assert not made.inheritance["fresh"]
    assert read_tina(tmp_path, "tina").sizes["hidden"] == 32


# Checkpoints of others.


def gpt_blocks(separate: bool, transposed: bool = False) -> tuple[nn.ModuleList, dict]:
    """Blocks, and the state dict that another code base would have saved of them."""
    torch.manual_seed(0)
    blocks = nn.ModuleList(Block(8, 2) for _ in range(2))
    state = {"ln_f.weight": torch.ones(8), "ln_f.bias": torch.zeros(8)}
    for number, block in enumerate(blocks):
        names = {"norm1": "ln_1", "norm2": "ln_2", "mlp.0": "mlp.c_fc", "mlp.2": "mlp.c_proj"}
        names |= {"attention.qkv": "attn.c_attn", "attention.out": "attn.c_proj"}
        if separate:
            names = {"norm1": "ln1", "norm2": "ln2", "mlp.0": "mlp.0", "mlp.2": "mlp.2"}
            names |= {"attention.out": "attn.proj"}
        room = "blocks" if separate else "h"
        for name, tensor in block.state_dict().items():
            part, _, kind = name.rpartition(".")
            if part in names:
                turned = tensor.t() if transposed and tensor.ndim == 2 else tensor
                state[f"{room}.{number}.{names[part]}.{kind}"] = turned.contiguous()
            else:
                for which, piece in zip(("query", "key", "value"), tensor.chunk(3)):
                    state[f"{room}.{number}.attn.{which}.{kind}"] = piece.clone()
    return blocks, state


@pytest.mark.parametrize(
    ("form", "wrap"),
    [
        pytest.param({"separate": True}, {"G": "decoder."}, id="G.pt"),
        pytest.param({"separate": True}, {"G_ema": "module.decoder."}, id="G.pt's average"),
        pytest.param({"separate": False}, {"model": "transformer."}, id="nanoGPT"),
        pytest.param({"separate": False, "transposed": True}, {"": ""}, id="Hugging Face"),
        pytest.param({"separate": True}, {"net": "module._orig_mod."}, id="wrapped"),
        pytest.param({"separate": False}, {"model_state_dict": ""}, id="another key"),
    ],
)
def test_blocks_of_other_code_are_read_as_they_compute(tmp_path: Path, form, wrap) -> None:
    blocks, state = gpt_blocks(**form)
    ((holder, prefix),) = wrap.items()
    named = {prefix + name: tensor for name, tensor in state.items()}
    named[f"{prefix}pos_emb"] = torch.zeros(1, 4, 8)
    content = {holder: named, "step": 3, "optim": {"state": {}}} if holder else named
    if holder == "G_ema":
        content["G"] = {name: torch.zeros_like(tensor) for name, tensor in named.items()}
    torch.save(content, tmp_path / "other.pt")
    source = read_foreign(tmp_path / "other.pt", heads=2)
    new = network(8)
    report = inherit(new, source, torch.Generator().manual_seed(0))
    x = torch.randn(3, 6, 8)
    for theirs, ours in zip(blocks, new.blocks):
        torch.testing.assert_close(ours(x, None), theirs(x, None))
    assert report["source"] == "other.pt"
    assert "time.weight" in report["fresh"]
    assert not [name for name in report["fresh"] if name.startswith("blocks")]


@pytest.mark.parametrize("blocks", [2, 1])
def test_several_transformers_in_one_file_are_refused(tmp_path: Path, blocks: int) -> None:
    """Whether or not they are of one depth."""
    _, state = gpt_blocks(separate=False)
    other = {n: t + 1 for n, t in state.items() if not n.startswith(f"h.{blocks}.")}
    named = {f"text.{n}": t for n, t in state.items()} | {f"image.{n}": t for n, t in other.items()}
    torch.save(named, tmp_path / "both.pt")
    told = r"^inherit_file: .*both\.pt: 2 different networks .*'text\.' and .*'image\.'"
    with pytest.raises(UserError, match=told):
        read_foreign(tmp_path / "both.pt", heads=2)


def test_half_precision_is_read_and_what_is_not_finite_is_named(tmp_path: Path) -> None:
    _, state = gpt_blocks(separate=False)
    torch.save({name: tensor.half() for name, tensor in state.items()}, tmp_path / "half.pt")
    parts = read_foreign(tmp_path / "half.pt", heads=2).parts
    assert all(part.dtype == torch.float32 for part in parts.values())
    state["h.1.ln_2.bias"][0] = torch.nan
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(UserError, match=r"nan\.pt: not finite: blocks\.1\.norm2\.bias"):
        read_foreign(tmp_path / "nan.pt", heads=2)


def test_biases_that_a_checkpoint_does_without_are_0(tmp_path: Path) -> None:
    _, state = gpt_blocks(separate=False)
    torch.save({n: t for n, t in state.items() if "weight" in n}, tmp_path / "plain.pt")
    source = read_foreign(tmp_path / "plain.pt", heads=2)
    assert source.parts["blocks.1.attention.value.bias"].eq(0).all()
    assert len(source.parts) == 2 * 16 + 2


def test_a_checkpoint_that_does_not_fit_is_told_at_once(tmp_path: Path) -> None:
    _, state = gpt_blocks(separate=True)
    path = tmp_path / "broken.pt"
    del state["blocks.1.attn.key.weight"], state["ln_f.weight"], state["ln_f.bias"]
    state["blocks.0.mlp.2.weight"] = torch.zeros(8, 31)
    torch.save(state, path)
    with pytest.raises(UserError) as caught:
        read_foreign(path, heads=3)
    message = str(caught.value)
    for part in (
        "blocks.1.attention.key.weight",
        "norm.weight",
        "blocks.0.mlp.2.weight is (8, 31) instead of (8, 32)",
        "inherit_heads (3) must divide its width (8)",
        "expected the blocks of G.pt",
    ):
        assert part in message


def test_another_network_is_told_by_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "convolutions.pt"
    torch.save({"conv1.weight": torch.zeros(3)}, path)
    with pytest.raises(UserError, match=r"expected the blocks of G\.pt .* found conv1\.weight"):
        read_foreign(path, heads=2)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "broken.pt"
    with pytest.raises(UserError, match=r"^inherit_file: .*broken\.pt: cannot be read: No such"):
        read_foreign(path, heads=2)
    path.write_bytes(b"no checkpoint")
    with pytest.raises(UserError, match=r"^inherit_file: .*broken\.pt: damaged.* or .* state dict"):
        read_foreign(path, heads=2)


def test_a_tina_starts_from_a_file_and_answers_for_its_content(world, tmp_path: Path) -> None:
    path = tmp_path / "gpt.pt"
    _, state = gpt_blocks(separate=True)
    torch.save({"G": {f"decoder.{name}": tensor for name, tensor in state.items()}}, path)
    settings = {"inherit_file": path, "inherit_heads": 2, "hidden_size": 16, "steps": 1}
    made = world.fitted(**settings)
    assert made.inheritance["source"] == "gpt.pt"
    assert "blocks.1.mlp.2.weight" in made.inheritance["widened"]
    before = content_of(made.files())
    assert before != content_of(world.build().files()) == ""
    state["ln_f.bias"] += 1
    torch.save({"G": {f"decoder.{name}": tensor for name, tensor in state.items()}}, path)
    assert content_of(made.files()) != before


def test_a_g_pt_of_the_papers_size_has_tinas_blocks() -> None:
    """Shapes alone: its blocks are those of the default Tina."""
    options = TinaDiTOptions()
    tina = TinaDiT(options, LayerChunks(LayerChunksOptions()), ())
    layout = Layout((Parameter("fc", (10, 64), layer="fc", class_axis=0),))
    with torch.device("meta"):
        made = tina.network_for(layout, classes=10, width=512)
    block = made.anatomy.parts(made.state_dict())
    assert block["blocks.11.attention.key.weight"].shape == (2048, 2048)
    assert block["blocks.11.mlp.0.weight"].shape == (8192, 2048)
