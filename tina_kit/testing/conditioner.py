"""Conformance of conditioners."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from tina_kit.api import Conditioner, Images
from tina_kit.store import Checkpoint
from tina_kit.testing import expect
from tina_kit.testing.base import ComponentSuite
from tina_kit.training import Trainer

COUNT, SIDE = 6, 16  # images, and their height and width


class ConditionerSuite(ComponentSuite):
    """Checks of a conditioner. One that learns is fitted once, on a few images.

    prompts: three or more that it embeds; the names of classes where it learns.
    """

    kind = "conditioner"
    contract: ClassVar[type] = Conditioner
    prompts: Sequence[str] = ("red circle", "blue square", "green star", "a very small pink bar")

    def read(self, component: Any) -> None:
        super().read(component)
        component.embed(self.prompts)

    # What the checks look at.

    def ready(self) -> Conditioner:
        """A fresh conditioner that can embed: loaded, where it learns."""
        component: Conditioner = self.component()
        if component.learns:
            component.load(self.kept("fitted", self.fitted))
        return component

    def fitted(self) -> Path:
        """The folder that a fitted conditioner was saved to."""
        folder = self.folder()
        self.fit().save(folder)
        return folder

    def fit(self) -> Conditioner:
        component: Conditioner = self.component()
        component.device = torch.device("cpu")
        checkpoints = self.folder()
        trainer = Trainer(
            "fit",
            "fit",
            0,
            component.device,
            "fp32",
            lambda name: Checkpoint(checkpoints / f"{name}.safetensors"),
        )
        images = Images(self.images(3 * COUNT), torch.arange(3 * COUNT) % len(self.prompts))
        with expect.global_seed(0):
            component.fit(images, self.prompts, trainer)
        return component

    @property
    def shared(self) -> Conditioner:
        return self.kept("component", self.ready)

    def images(self, count: int = COUNT, side: int = SIDE) -> Tensor:
        random = torch.Generator().manual_seed(1)
        return torch.randint(256, (count, 3, side, side), generator=random).byte()

    @property
    def rows(self) -> Tensor:
        return self.kept("rows", lambda: self.shared.embed(self.prompts))

    # Text.

    def test_prompts_become_rows_of_the_width(self) -> None:
        width = self.shared.width
        assert type(width) is int and width > 0, f"width is {width!r}; it must be D, an int"
        rows = self.rows
        expect.tensor("embed's result", rows, torch.float32, len(self.prompts), width)
        assert rows.device.type == "cpu" and not rows.requires_grad and rows.isfinite().all(), (
            "embed's rows hold a number that is not finite, carry a gradient or are not on the "
            "CPU; conditions are plain finite numbers"
        )

    def test_different_prompts_have_different_rows(self) -> None:
        assert len(self.rows.unique(dim=0)) == len(self.prompts), (
            f"two of the prompts {', '.join(self.prompts)} have the same row; a condition must "
            "tell them apart"
        )

    def test_a_row_depends_on_its_own_prompt_alone(self) -> None:
        message = (
            "a prompt's row changes with its neighbours; each row must depend on its own prompt "
            "alone"
        )
        expect.close(message, self.shared.embed(self.prompts[1:2]), self.rows[1:2], 1e-4, 1e-5)
        turned = self.shared.embed(list(reversed(self.prompts)))
        expect.close(message, turned.flip(0), self.rows, 1e-4, 1e-5)

    def test_embedding_again_gives_the_same(self) -> None:
        message = (
            "%s embeds the prompts otherwise; conditions are kept by options and prompts, so they "
            "must be the same, whatever was drawn before"
        )
        expect.equal(message % "the same conditioner", self.shared.embed(self.prompts), self.rows)
        with expect.global_seed(1):
            again = self.ready().embed(self.prompts)
        expect.close(message % "an equal conditioner", again, self.rows, 1e-5, 1e-6)

    def test_the_padding_prompt_has_a_row(self) -> None:
        conditioner = self.shared
        assert isinstance(conditioner.padding_prompt, str), (
            f"padding_prompt is {conditioner.padding_prompt!r}; it must be a text"
        )
        row = conditioner.embed([conditioner.padding_prompt])
        expect.tensor("the padding prompt's row", row, torch.float32, 1, conditioner.width)
        assert row.isfinite().all(), "the padding prompt's row is not finite; it is a condition too"

    def test_gibberish_comes_from_its_seed(self) -> None:
        conditioner = self.shared
        rows = conditioner.gibberish(3, 5)
        expect.tensor("gibberish", rows, torch.float32, 3, conditioner.width)
        with expect.global_seed(1):
            again = conditioner.gibberish(3, 5)
        expect.close("the same seed gives other gibberish; it must give the same", rows, again)
        assert not torch.equal(rows, conditioner.gibberish(3, 6)), (
            "two seeds give the same gibberish; the control needs prompts of its seed"
        )

    def test_embedding_leaves_global_randomness_alone(self) -> None:
        conditioner = self.ready()
        with expect.undisturbed("embed or gibberish"):
            conditioner.embed(self.prompts)
            conditioner.gibberish(2, 0)

    # Images.

    def test_modalities_are_text_and_image(self) -> None:
        modalities = self.shared.modalities
        assert isinstance(modalities, tuple) and modalities, (
            f"modalities is {modalities!r}; it must be a tuple of 'text' and 'image'"
        )
        odd = set(modalities) - {"text", "image"}
        assert not odd, f"modalities holds {odd.pop()!r}; there are 'text' and 'image'"

    def test_images_become_rows_in_the_same_space(self) -> None:
        self._needs_images()
        conditioner, images = self.shared, self.images()
        with expect.unmodified("embed_images", images=images):
            rows = conditioner.embed_images(images)
        expect.tensor("embed_images' result", rows, torch.float32, COUNT, conditioner.width)
        other = conditioner.embed_images(self.images(2, SIDE + 8))
        expect.tensor("rows of larger images", other, torch.float32, 2, conditioner.width)

    def test_an_images_row_depends_on_itself_alone(self) -> None:
        self._needs_images()
        rows = self.shared.embed_images(self.images())
        expect.close(
            "an image's row changes with its neighbours; each must depend on its own image alone",
            self.shared.embed_images(self.images()[2:3]),
            rows[2:3],
        )
        assert len(rows.unique(dim=0)) > 1, "all images have the same row; it must tell them apart"

    def test_images_are_refused_where_only_text_is_taken(self) -> None:
        if "image" in self.shared.modalities:
            pytest.skip("this conditioner takes images")
        with expect.user_error("an image prompt, which is not among modalities,"):
            self.shared.embed_images(self.images(1))

    # Learning.

    def test_what_it_saves_is_read_without_running_code(self) -> None:
        self._needs_learning()
        expect.plain_files("save", self.kept("fitted", self.fitted))

    def test_a_loaded_conditioner_embeds_as_the_fitted_one(self) -> None:
        self._needs_learning()
        folder = self.folder()
        fitted = self.fit()
        fitted.save(folder)
        loaded: Conditioner = self.component()
        loaded.load(folder)
        expect.close(
            "a conditioner that was saved and loaded embeds otherwise; load is save's inverse",
            loaded.embed(self.prompts),
            fitted.embed(self.prompts),
            1e-5,
            1e-6,
        )

    def test_fitting_again_gives_the_same(self) -> None:
        self._needs_learning()
        expect.close(
            "fitting again under the same seeds gives another conditioner; draws must come from "
            "the step's generator or torch's seed",
            self.fit().embed(self.prompts),
            self.rows,
        )

    def test_an_accelerator_gives_the_same_rows(self) -> None:
        conditioner = self.ready()
        conditioner.device = self.accelerator()
        rows = conditioner.embed(self.prompts)
        assert rows.device.type == "cpu", (
            f"rows computed on {conditioner.device} lie there; they must come back to the CPU"
        )
        expect.close(
            f"rows computed on {conditioner.device} differ from the CPU's; they must be the same",
            rows,
            self.rows,
            rtol=1e-2,
            atol=1e-2,
        )

    def _needs_images(self) -> None:
        if "image" not in self.shared.modalities:
            pytest.skip("this conditioner takes no images")

    def _needs_learning(self) -> None:
        if not self.component().learns:
            pytest.skip("this conditioner does not learn")
