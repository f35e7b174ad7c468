from tina_kit.testing import DatasetSuite


class TestNpz(DatasetSuite):
    plugins = ["npz.py"]
    use = {"use": "npz", "file": "colours.npz"}
