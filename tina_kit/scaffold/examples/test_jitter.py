from tina_kit.testing import AugmentationSuite


class TestJitter(AugmentationSuite):
    plugins = ["jitter.py"]
    use = {"use": "jitter"}
    keeps_function = False
