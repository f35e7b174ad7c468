from tina_kit.testing import TokenizerSuite


class TestFlat(TokenizerSuite):
    plugins = ["flat.py"]
    use = {"use": "flat", "size": 50}
