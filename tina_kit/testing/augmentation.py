"""Conformance of augmentations."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from tina_kit.api import Architecture, Augmentation, Layout, Parameter
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite
from tina_kit.testing.world import SIDE, TASK, SmallNetwork

PAIRS, WIDTH = 12, 5
Pairs = tuple[Tensor, Tensor, Tensor]


class AugmentationSuite(ComponentSuite):
    """Checks of an augmentation on p-Models of a small network, some of them of fewer classes.

    keeps_function: whether the augmented p-Model computes the same, its logits in the order of
        its prompts; False for one that adds noise or the like.
    architecture: of the p-Models.
    """

    kind = "augmentation"
    contract: ClassVar[type] = Augmentation
    keeps_function: bool = True
    architecture: Architecture = SmallNetwork()

    @property
    def layout(self) -> Layout:
        return self.architecture.layout(TASK)

    def pairs(self) -> Pairs:
        """p-Models, prompts that are all different, and every third pair with a class less."""
        random = torch.Generator().manual_seed(0)
        vectors = torch.randn(PAIRS, self.layout.size, generator=random)
        conditions = torch.randn(PAIRS, TASK, WIDTH, generator=random)
        mask = torch.ones(PAIRS, TASK, dtype=torch.bool)
        mask[::3, -1] = False
        conditions[~mask] = torch.randn(WIDTH, generator=random)  # the padding prompt
        owner = self.layout.class_of_entries()
        return vectors * (mask[:, owner] | (owner < 0)), conditions, mask

    def augmented(self, pairs: Pairs, seed: int = 0, component: Any = None) -> Pairs:
        random = torch.Generator().manual_seed(seed)
        component = component or self.shared
        result: Pairs = component(*(side.clone() for side in pairs), self.layout, random)
        return result

    def test_shapes_and_dtypes_stay(self) -> None:
        pairs = self.pairs()
        made = self.augmented(pairs)
        assert isinstance(made, tuple) and len(made) == 3, (
            f"calling it gives a {type(made).__name__}; it must give vectors, conditions and mask"
        )
        for name, given, new in zip(("vectors", "conditions", "mask"), pairs, made):
            expect.tensor(name, new, given.dtype, *given.shape)

    def test_the_same_draws_give_the_same(self) -> None:
        pairs = self.pairs()
        first = self.augmented(pairs)
        with expect.global_seed(1):
            again = self.augmented(pairs, component=self.component())
        for name, one, other in zip(("vectors", "conditions", "mask"), first, again):
            expect.equal(
                f"a generator of the same seed gives other {name}; all randomness must come from "
                "the generator that is passed",
                one,
                other,
            )

    def test_other_draws_give_others(self) -> None:
        pairs = self.pairs()
        first, other = self.augmented(pairs, 0), self.augmented(pairs, 1)
        assert not all(torch.equal(one, two) for one, two in zip(first, other)), (
            "two seeds give the same; each call must draw afresh from the generator"
        )

    def test_augmenting_leaves_global_randomness_alone(self) -> None:
        pairs, component = self.pairs(), self.component()
        with expect.undisturbed("augmenting"):
            self.augmented(pairs, component=component)

    def test_its_arguments_stay_as_they_are(self) -> None:
        vectors, conditions, mask = self.pairs()
        random = torch.Generator().manual_seed(0)
        given = {"vectors": vectors, "conditions": conditions, "mask": mask}
        with expect.unmodified("augmenting", **given):
            self.shared(vectors, conditions, mask, self.layout, random)

    def test_no_class_comes_or_goes(self) -> None:
        _, _, mask = pairs = self.pairs()
        made = self.augmented(pairs)[2]
        assert torch.equal(made.sum(1), mask.sum(1)), (
            "a pair has more or fewer classes than before; the mask may only be reordered"
        )

    def test_prompts_are_reordered_as_the_mask_is(self) -> None:
        self._needs_a_kept_function()
        pairs = self.pairs()
        made = self.augmented(pairs)
        order = places(pairs, made)
        assert (order >= 0).all(), (
            "a prompt comes out that no class of its pair had; prompts may only be reordered "
            "(or set keeps_function = False)"
        )
        expect.equal(
            "mask and prompts are in different orders; both sides of a pair must change alike",
            made[2],
            pairs[2].gather(1, order),
        )

    def test_logits_follow_the_prompts(self) -> None:
        self._needs_a_kept_function()
        pairs = self.pairs()
        made = self.augmented(pairs)
        order = places(pairs, made).clamp(min=0)
        before, after = self._logits(pairs[0]), self._logits(made[0])
        wanted = before.gather(2, order[:, None].expand_as(before))
        shown = made[2][:, None]
        expect.close(
            "the logits of an augmented p-Model are not those of its prompts' classes; both sides "
            "of a pair must change alike (or set keeps_function = False)",
            after * shown,
            wanted * shown,
        )

    def test_a_layout_of_a_classifier_alone_is_taken_or_told(self) -> None:
        layout = Layout(
            (
                Parameter("fc.weight", (TASK, 3), layer="fc", class_axis=0),
                Parameter("fc.bias", (TASK,), layer="fc", class_axis=0),
            )
        )
        _, conditions, mask = self.pairs()
        vectors = torch.ones(PAIRS, layout.size)
        with expect.done_or_told("a layout without hidden layers"):
            self.shared(vectors, conditions, mask, layout, torch.Generator().manual_seed(0))

    def test_pairs_on_an_accelerator_stay_there(self) -> None:
        device = self.accelerator()
        pairs = self.pairs()
        on_cpu = self.augmented(pairs)
        vectors, conditions, mask = self.augmented(
            (pairs[0].to(device), pairs[1].to(device), pairs[2].to(device))
        )
        for name, one, other in zip(
            ("vectors", "conditions", "mask"), on_cpu, (vectors, conditions, mask)
        ):
            assert other.device.type == device.type, (
                f"{name} come back on {other.device}; they must stay on {device.type}"
            )
            expect.close(
                f"{name} differ on {device.type}; draws are made on the CPU, the same everywhere",
                one.float(),
                other.float().cpu(),
            )

    def _needs_a_kept_function(self) -> None:
        if not self.keeps_function:
            pytest.skip("this augmentation says that it changes what a p-Model computes")

    def _logits(self, vectors: Tensor) -> Tensor:
        random = torch.Generator().manual_seed(5)
        images = torch.randint(256, (6, 3, SIDE, SIDE), generator=random).byte()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            module = self.architecture.build(TASK).eval()
        inputs = self.architecture.inputs(module, images)
        inputs = inputs.expand(len(vectors), *inputs.shape)
        return self.architecture.forward_many(vectors, inputs, TASK, module.state_dict())


def places(before: Pairs, after: Pairs) -> Tensor:
    """int64 `(B, C)`: where each prompt stood before, -1 for one that is new. Of equal prompts,
    those of absent classes, any place is right."""
    same = (after[1][:, :, None] == before[1][:, None]).all(-1)  # (B, C after, C before)
    return torch.where(same.any(-1), same.long().argmax(-1), -1)
