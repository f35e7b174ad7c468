"""Options of the augmentations."""

from tina_kit.api import Options


class ClassifierPermutationOptions(Options):
    pass


class NeuronPermutationOptions(Options):
    pass
