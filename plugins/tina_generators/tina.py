"""The base of Tina-DiT and its variants: a transformer from conditions to p-Models (Section 4)."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tina_generators.base import Selection
from tina_generators.foreign import read_foreign
from tina_generators.frame import Frame
from tina_generators.groups import Groups
from tina_generators.inheritance import inherit, read_tina
from tina_generators.normalisation import ConditionScale, Normalisation
from tina_generators.options import TransformerOptions
from tina_generators.pairs import Drawn, Pairs
from tina_generators.prefixes import by_prefix, with_prefix
from tina_generators.prompts import ImageDraws, Prompts, TextPrompts, mean_prompt
from tina_generators.transformer import TinaTransformer
from tina_kit.api import (
    Augmentation,
    Context,
    Generator,
    Layout,
    Request,
    Step,
    Tokenizer,
    Training,
    UserError,
    Zoo,
    save_tensors,
)

Noise = Callable[[], Tensor]
Predict = Callable[[Tensor, float, bool], Tensor]
_FRAMES = 8  # numbers of classes whose frames are kept, since many requests share one
_LEARNS_FROM: dict[str, frozenset[Any]] = {
    "p-models": frozenset({"p-models", "conditions"}),
    "task": frozenset({"images", "conditions"}),
    "both": frozenset({"p-models", "images", "conditions"}),
}


class Tina(Generator):
    """Signal prediction on normalised parameter vectors with a transformer.

    Subclasses define the network's input in place of the clean tokens (`corrupt`), and how a
    trained network generates a p-Model (`sample`).

    The loss is the mean over tokens of each token's mean squared error, so that a class's few
    classifier entries count as much as a chunk of hundreds; class entries are weighted by
    `row_weight`. Entries of absent classes are ignored (Section 4.2): they are 0 in training and
    during sampling.
    """

    network: TinaTransformer
    normalisation: Normalisation
    condition_scale: ConditionScale
    base: Selection | None = None
    inheritance: dict[str, Any] | None = None

    def __init__(
        self,
        options: TransformerOptions,
        tokenizer: Tokenizer,
        augmentations: tuple[Augmentation, ...] = (),
    ) -> None:
        self.options = options
        self.prompts = options.prompts
        self.learns_from = _LEARNS_FROM[options.objective]
        self.tokenizer = tokenizer
        self.augmentations = augmentations
        self._frames: dict[int, Frame] = {}

    @property
    def _ridge(self) -> bool:
        return self.options.missing_rows == "ridge"

    def setup(self, context: Context) -> None:
        super().setup(context)
        self._frames.clear()

    @abstractmethod
    def corrupt(
        self, clean: Tensor, prompts: Tensor, noise: Tensor, random: torch.Generator
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The network's input in training, drawn from `random`.

        clean, noise: tokens `(B, S, W)`, zero where padded; prompts: `(B, C, D)`, scaled. Returns
        noisy tokens, the level of their noise `(B,)` in [0, 1], and the prompts to go with them.
        """

    @abstractmethod
    def start(self, noise: Tensor) -> Tensor:
        """Tokens `(B, S, W)` of pure noise, as the network sees them at the maximum noise level."""

    @abstractmethod
    def sample(self, predict: Predict, noise: Noise) -> Tensor:
        """Clean tokens, `(B, S, W)`.

        predict: (noisy tokens `(B, S, W)`, level of their noise in [0, 1], whether with the
        prompts or with padding prompts for all classes) → clean tokens; noise: draws fresh tokens.
        """

    def network_for(self, layout: Layout, classes: int, width: int) -> TinaTransformer:
        """A new network for p-Models in `layout`, with `classes` conditions of width `width`."""
        options = self.options
        groups = Groups(layout, self.tokenizer.tokens(layout))
        return TinaTransformer(
            groups,
            classes,
            width,
            options.hidden_size,
            options.depth,
            options.heads,
            options.linear,
        )

    def fit(self, zoo: Zoo) -> None:
        zoo = self._first_tasks(zoo)
        frame = self._frame(self.context.classes)
        if self.options.base == "selection":
            self.base = Selection.of_tasks(self.context, zoo.tasks, zoo.conditions, self._ridge)
        present = zoo.tasks >= 0
        zoo = replace(zoo, conditions=self._as_seen(zoo.conditions, present))
        source: Prompts = ImageDraws(zoo) if self.prompts == "image" else TextPrompts(zoo)
        self.condition_scale = ConditionScale.fit(
            source.rows, whiten=self.options.conditions == "whitened"
        )
        pairs = Pairs(zoo, source, self.base, self.options.class_dropout)
        self.normalisation = self._normalisation(pairs, frame.layout)
        self.network = self.network_for(frame.layout, self.context.classes, self.context.width)
        self._inherit(frame.layout)
        objective, weight = self.options.objective, self.options.task_weight

        def loss(step: Step, network: nn.Module) -> Tensor:
            drawn = pairs.draw(self.options.batch_size, step.random)
            if objective == "p-models":
                return self._regression(network, frame, drawn, step)
            task = self._task_loss(network, frame, drawn, step)
            if objective == "task":
                return task
            return self._regression(network, frame, drawn, step) + weight * task

        training = Training.from_options(self.options, self.options.steps)
        self.context.train(self.network, loss, training)

    def _normalisation(self, pairs: Pairs, layout: Layout) -> Normalisation:
        options, context = self.options, self.context
        if options.objective == "task":
            generic = context.architecture.layout(len(context.generic_classes))
            return Normalisation.of_generic(context.generic, generic, options.output_scale)
        return Normalisation.fit(options.normalisation, pairs.deviations, layout, pairs.present)

    def _regression(self, network: nn.Module, frame: Frame, drawn: Drawn, step: Step) -> Tensor:
        """The squared error of p-Models, given as noisy tokens (Section 4.2)."""
        vectors, mask = drawn.deviations, drawn.present
        prompts = self.condition_scale(self._as_seen(drawn.conditions, mask))
        # Before the normalisation, whose mean says which neuron an entry belongs to.
        for augment in self.augmentations:
            vectors, prompts, mask = augment(vectors, prompts, mask, frame.layout, step.random)
        clean = self.normalisation.normalise(vectors, frame.layout) * frame.mask(mask)
        return self._squared_error(network, frame, clean, prompts, mask, step)

    def _squared_error(
        self,
        network: nn.Module,
        frame: Frame,
        clean: Tensor,
        prompts: Tensor,
        mask: Tensor,
        step: Step,
    ) -> Tensor:
        """Of `(B, P)` normalised vectors, `(B, C, D)` scaled prompts and bool `(B, C)` classes."""
        device = self.context.device
        clean = frame.encode(clean)  # (B, S, W)
        noise = frame.noise(len(clean), step.random)
        noisy, level, prompts = self.corrupt(clean, prompts, noise, step.random)
        predicted = network(
            step.share(noisy).to(device),
            step.share(level).to(device),
            step.share(prompts).to(device),
            frame.groups,
            _where_some_are_absent(step.share(mask), device),
        )
        weights = frame.mask(mask) * frame.weights(self.options.row_weight)
        weights = frame.encode(weights).to(device).expand_as(clean)
        entries = (weights > 0).sum(-1).clamp(min=1)  # (B, S)
        square = (predicted - step.share(clean).to(device)).square() * step.share(weights)
        error, weight = square.sum(-1) / step.share(entries), weights.sum(-1) / entries
        # Tasks of fewer classes weigh less, in the whole batch as in a share of it.
        mean: Tensor = error.sum() / weight.sum() * (len(weight) / len(error))
        return mean

    def _task_loss(self, network: nn.Module, frame: Frame, drawn: Drawn, step: Step) -> Tensor:
        """The loss on training images of p-Models that are generated in one step."""
        device, context = self.context.device, self.context
        assert drawn.base is not None  # as the options require
        noise = step.share(frame.noise(len(drawn.tasks), step.random))
        present = step.share(drawn.present)
        prompts = self.condition_scale(self._as_seen(step.share(drawn.conditions), present))
        clean = network(
            self.start(noise).to(device),
            torch.ones(len(noise), device=device),
            prompts.to(device),
            frame.groups,
            _where_some_are_absent(present, device),
        )
        clean = clean.float() * frame.encode(frame.mask(present)).to(device)
        deviation = self.normalisation.restore(frame.decode(clean), frame.layout)
        vectors = step.share(drawn.base).to(device) + deviation
        flip = self.options.augment == "flip"
        return context.learning.loss(
            vectors, drawn.tasks, self.options.images, step.random, flip, step
        )

    def generate(self, request: Request) -> Tensor:
        conditions, present = self._places(request)
        base = None
        if self.base is not None:
            base, conditions = self.base.start(self.base.recognised(conditions), conditions)
        frame = self._frame(present.shape[1])
        if self.network.training:  # as it is after `fit` or `load`; walking it takes milliseconds
            self.network.to(self.context.device).eval()
        prompts = self.condition_scale(self._as_seen(conditions, present))
        with torch.inference_mode():
            made = self._make(frame, prompts, present, request.seed)
        vectors = self.normalisation.restore(made, frame.layout)
        if base is not None:
            vectors += base
        asked = request.conditions.shape[1]
        if asked == present.shape[1]:
            return vectors
        return frame.layout.take_classes(vectors, torch.arange(asked).expand(len(vectors), -1))

    def _make(self, frame: Frame, prompts: Tensor, mask: Tensor, seed: int) -> Tensor:
        """Scaled prompts `(B, C, D)`, bool `(B, C)` → normalised vectors `(B, P)`."""
        device, count = self.context.device, len(prompts)
        random = torch.Generator().manual_seed(seed)
        kept = frame.encode(frame.mask(mask)).to(device)
        visible = _where_some_are_absent(mask, device)
        padding = self.condition_scale(self.context.padding).expand_as(prompts)
        shown = {True: prompts.to(device), False: padding.to(device)}

        def predict(x: Tensor, level: float, with_prompts: bool) -> Tensor:
            levels = torch.full((count,), level).to(device)
            clean: Tensor = self.network(x, levels, shown[with_prompts], frame.groups, visible)
            return clean * kept

        def noise() -> Tensor:
            # Shared by all tasks, so that a p-Model depends only on its prompts and the seed.
            return frame.noise(1, random).expand(count, -1, -1).to(device)

        return frame.decode(self.sample(predict, noise).float().cpu())

    def _frame(self, classes: int) -> Frame:
        if classes not in self._frames:
            while len(self._frames) >= _FRAMES:
                self._frames.pop(next(iter(self._frames)))
            layout = self.context.architecture.layout(classes)
            self._frames[classes] = Frame(layout, self.tokenizer)
        return self._frames[classes]

    def _places(self, request: Request) -> tuple[Tensor, Tensor]:
        """Conditions `(T, C', D)` and bool `(T, C')`, with absent classes at the end where the
        tokenizer allows only the number of classes that was trained on (Section 4.2)."""
        conditions, places = request.conditions, self.context.classes
        tasks, classes = conditions.shape[:2]
        present = torch.ones(tasks, classes, dtype=torch.bool)
        if request.tasks is not None:
            present = request.tasks >= 0
        if not self.network.anatomy.texts:
            return conditions, present
        if classes > places:
            raise UserError(
                f"{classes} classes were requested, but this Tina was trained on tasks of at most "
                f"{places} and its tokenizer supports no more. The tokenizer class-rows supports "
                "any number"
            )
        shape = (tasks, places - classes)
        absent = self.context.padding.expand(*shape, -1)
        return (
            torch.cat([conditions, absent], dim=1),
            torch.cat([present, present.new_zeros(shape)], dim=1),
        )

    def _as_seen(self, conditions: Tensor, present: Tensor) -> Tensor:
        """`(B, C, D)`, bool `(B, C)` → conditions as the network sees them: merged if the options
        say so (Table 3's ablation), the padding prompt for absent classes."""
        if self.options.merge == "mean":
            conditions = mean_prompt(conditions, present)[:, None].expand_as(conditions)
        return torch.where(present[..., None], conditions, self.context.padding)

    def _first_tasks(self, zoo: Zoo) -> Zoo:
        count = self.options.tasks
        if count is None:
            return zoo
        if count > len(zoo.tasks):
            raise UserError(f"tasks ({count}): the zoo has only {len(zoo.tasks)} ID tasks")
        some = slice(count)
        p_models = None if zoo.p_models is None else zoo.p_models[some]
        return Zoo(zoo.tasks[some], zoo.conditions[some], p_models, zoo.images)

    def _inherit(self, layout: Layout) -> None:
        """Initialise from another network (Section 4.4), and use its normalisation if its p-Models
        have the same parameters: statistics of a few tasks would change the meaning of its
        outputs."""
        options = self.options
        if options.inherit is not None:
            ancestor = read_tina(self.context.inherited["inherit"], options.inherit)
        elif options.inherit_file is not None:
            ancestor = read_foreign(options.inherit_file, options.inherit_heads)
        else:
            return
        # The run seeds torch's own generator for `fit`; the network's initial weights use it too.
        random = torch.Generator().manual_seed(int(torch.randint(2**62, ())))
        self.inheritance = inherit(self.network, ancestor, random)
        theirs = ancestor.normalisation
        if theirs is not None and theirs.suits(options.normalisation, layout):
            self.normalisation = theirs
        self.inheritance["normalisation"] = self.normalisation is theirs

    def files(self) -> Mapping[str, str | Path]:
        path = self.options.inherit_file
        return {} if path is None else {"inherit_file": path}

    def save(self, folder: Path) -> None:
        tensors = {
            **with_prefix("network", self.network.state_dict()),
            **with_prefix("normalisation", self.normalisation.tensors()),
            **with_prefix("conditions", self.condition_scale.tensors()),
            **with_prefix("base", {} if self.base is None else self.base.tensors()),
        }
        facts = {
            "parameters": sum(p.numel() for p in self.network.parameters()),
            "normalisation": self.options.normalisation,
            "classes": self.context.classes,
            "condition_width": self.context.width,
            "anatomy": asdict(self.network.anatomy),
        }
        save_tensors(folder / "tina.safetensors", tensors, facts)
        if self.inheritance is not None:
            report = json.dumps(self.inheritance, indent=2) + "\n"
            (folder / "inheritance.json").write_text(report, encoding="utf-8")

    def load(self, folder: Path) -> None:
        saved = by_prefix(load_file(folder / "tina.safetensors"))
        self.normalisation = Normalisation.from_tensors(
            self.options.normalisation, saved["normalisation"]
        )
        self.condition_scale = ConditionScale(**saved["conditions"])
        if "base" in saved:
            self.base = Selection.from_tensors(self.context, saved["base"], self._ridge)
        layout = self.context.architecture.layout(self.context.classes)
        with torch.device("meta"):
            self.network = self.network_for(layout, self.context.classes, self.context.width)
        self.network.load_state_dict(saved["network"], assign=True)


def _where_some_are_absent(mask: Tensor, device: torch.device) -> Tensor | None:
    """The mask, or None if no class is absent: attention without a mask is faster."""
    return None if mask.all() else mask.to(device)
