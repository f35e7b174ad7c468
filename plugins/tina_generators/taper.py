"""TAPER and TAPER-Mixer: a mixture of experts, the task's classifier rows selected from it.

Three stages, as in the paper's comparison (Section 5.1): the generic model; experts, fine-tuned
from it on shards of the classes; mixing weights, learned for each ID task on its own images
(TAPER) or predicted from the prompts by a network that is frozen at test time (TAPER-Mixer).
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tina_generators.experts import MixtureLoss, mixed, train_experts
from tina_generators.normalisation import ConditionScale
from tina_generators.options_compared import TaperMixerOptions, TaperOptions
from tina_generators.prefixes import by_prefix, with_prefix
from tina_generators.prompts import mean_prompt
from tina_generators.rows import tasks_of
from tina_kit.api import Generator, Request, Step, Training, UserError, Zoo, save_tensors

_FILE = "taper.safetensors"


class Mixer(nn.Module):
    """A task's mean embedding `(T, D)` → mixing weights `(T, experts)`, which sum to 1.

    mean `(D,)`, scale `()`: of the ID tasks' embeddings, which are nearly alike until centred.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int, hidden_size: int, experts: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(()))
        self.layers = nn.Sequential(
            nn.Linear(width, hidden_size), nn.ReLU(), nn.Linear(hidden_size, experts)
        )

    def standardise(self, embeddings: Tensor) -> None:
        """Take mean and scale from the ID tasks' embeddings `(T, D)`."""
        fitted = ConditionScale.fit(embeddings)
        self.mean.copy_(fitted.mean)
        self.scale.copy_(fitted.scale)

    def forward(self, embeddings: Tensor) -> Tensor:
        logits: Tensor = self.layers((embeddings - self.mean) / self.scale)
        return logits.float().softmax(-1)


class TaperMixer(Generator):
    """Predicts mixing weights from the task's mean prompt: shuffling prompts has no effect, and
    gibberish still selects the task's own rows, so neither control falls to chance."""

    learns_from = frozenset({"images", "conditions"})
    mixer: Mixer
    experts: Tensor

    def __init__(self, options: TaperMixerOptions) -> None:
        self.options = options

    def fit(self, zoo: Zoo) -> None:
        context, options = self.context, self.options
        self.mixer = self._mixer()
        embeddings = mean_prompt(zoo.conditions, zoo.tasks >= 0)
        self.mixer.standardise(embeddings)
        # The order of all epochs, with each ID task once per epoch.
        order = torch.cat([torch.randperm(len(zoo.tasks)) for _ in range(options.epochs)])
        batches = order.split(options.tasks_per_step)
        self.experts = train_experts(context, options.experts, options.expert_epochs)
        mixture_loss = MixtureLoss(context, self.experts, options.batch_size)

        def loss(step: Step, mixer: nn.Module) -> Tensor:
            pick = batches[step.index]
            weights = mixer(embeddings[pick].to(context.device))
            return mixture_loss(weights, zoo.tasks[pick], step.random)

        context.train(self.mixer, loss, Training(len(batches), options.learning_rate))
        self.mixer.cpu().eval()

    def _mixer(self) -> Mixer:
        return Mixer(self.context.width, self.options.hidden_size, self.options.experts)

    def generate(self, request: Request) -> Tensor:
        tasks = tasks_of(request)
        with torch.inference_mode():
            weights = self.mixer(mean_prompt(request.conditions, tasks >= 0))
            return mixed(self.context, weights, self.experts, tasks)

    def save(self, folder: Path) -> None:
        tensors = with_prefix("mixer", self.mixer.state_dict()) | {"experts": self.experts}
        facts = {
            "experts": len(self.experts),
            "parameters": sum(p.numel() for p in self.mixer.parameters()),
        }
        save_tensors(folder / _FILE, tensors, facts)

    def load(self, folder: Path) -> None:
        tensors = load_file(folder / _FILE)
        self.experts = tensors.pop("experts")
        self.mixer = self._mixer().eval()
        self.mixer.load_state_dict(by_prefix(tensors)["mixer"])


class _MixingWeights(nn.Module):
    def __init__(self, tasks: int, experts: int) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.zeros(tasks, experts))

    def forward(self) -> Tensor:
        return self.logits.float().softmax(-1)


class Taper(Generator):
    """Learns mixing weights on each ID task's own training images; OOD tasks have none."""

    learns_from = frozenset({"images"})
    reads_conditions = False
    id_only = True
    experts: Tensor
    tasks: Tensor
    weights: Tensor

    def __init__(self, options: TaperOptions) -> None:
        self.options = options

    def fit(self, zoo: Zoo) -> None:
        options = self.options
        self.experts = train_experts(self.context, options.experts, options.expert_epochs)
        self.tasks = zoo.tasks
        self.weights = torch.cat([self._learn(part) for part in zoo.tasks.split(options.shard)])

    def _learn(self, tasks: Tensor) -> Tensor:
        """float32 `(M, experts)`. The loss is a sum over tasks, whose gradients are each one's
        own."""
        context, options = self.context, self.options
        weights = _MixingWeights(len(tasks), options.experts)
        mixture_loss = MixtureLoss(context, self.experts, options.batch_size)

        def loss(step: Step, weights: nn.Module) -> Tensor:
            return mixture_loss(weights(), tasks, step.random) * len(tasks)

        context.train(weights, loss, Training(options.steps, options.learning_rate))
        learned: Tensor = weights().detach().cpu()
        return learned

    def generate(self, request: Request) -> Tensor:
        tasks = tasks_of(request)
        known = {_classes(task): index for index, task in enumerate(self.tasks.tolist())}
        wanted = [_classes(task) for task in tasks.tolist()]
        if unknown := [task for task in wanted if task not in known]:
            raise UserError(
                "taper: mixing weights are learned on a task's own training images, so they exist "
                f"only for the {len(known)} ID tasks: {len(unknown)} of {len(wanted)} requested "
                f"tasks are not among them; the first has the classes {list(unknown[0])}. "
                "taper-mixer predicts weights from prompts"
            )
        weights = self.weights[[known[task] for task in wanted]]
        return mixed(self.context, weights, self.experts, tasks)

    def save(self, folder: Path) -> None:
        tensors = {"experts": self.experts, "tasks": self.tasks, "weights": self.weights}
        facts = {"experts": len(self.experts), "tasks": len(self.tasks)}
        save_tensors(folder / _FILE, tensors, facts)

    def load(self, folder: Path) -> None:
        tensors = load_file(folder / _FILE)
        self.experts, self.tasks = tensors["experts"], tensors["tasks"]
        self.weights = tensors["weights"]


def _classes(task: list[int]) -> tuple[int, ...]:
    return tuple(index for index in task if index >= 0)
