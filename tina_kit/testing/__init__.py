"""What a plugin author runs against a plugin: one conformance suite for each kind of component.

    from tina_kit.testing import GeneratorSuite

    class TestMine(GeneratorSuite):
        use = {"use": "mine", "steps": 20}

Every check is one test; its message says what is wrong and what the contract says. The only package
that needs pytest.
"""

try:
    import pytest as pytest
except ImportError as error:
    raise ImportError(
        "tina_kit.testing needs pytest: pip install pytest, or 'tina-kit[dev]'"
    ) from error

from tina_kit.testing.architecture import ArchitectureSuite
from tina_kit.testing.augmentation import AugmentationSuite
from tina_kit.testing.base import ComponentSuite
from tina_kit.testing.conditioner import ConditionerSuite
from tina_kit.testing.dataset import DatasetSuite
from tina_kit.testing.generator import GeneratorSuite
from tina_kit.testing.study import StudySuite
from tina_kit.testing.task_sampler import TaskSamplerSuite
from tina_kit.testing.tokenizer import TokenizerSuite
from tina_kit.testing.world import SmallNetwork, World

__all__ = [
    "ArchitectureSuite",
    "AugmentationSuite",
    "ComponentSuite",
    "ConditionerSuite",
    "DatasetSuite",
    "GeneratorSuite",
    "SmallNetwork",
    "StudySuite",
    "TaskSamplerSuite",
    "TokenizerSuite",
    "World",
]
