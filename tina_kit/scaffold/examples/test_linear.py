from tina_kit.testing import GeneratorSuite


class TestLinear(GeneratorSuite):
    plugins = ["linear.py"]
    use = {"use": "linear"}
