from tina_kit.testing import ArchitectureSuite


class TestMLP(ArchitectureSuite):
    plugins = ["mlp.py"]
    use = {"use": "mlp", "hidden": 8}
