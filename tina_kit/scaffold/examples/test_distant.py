from tina_kit.testing import TaskSamplerSuite


class TestDistant(TaskSamplerSuite):
    plugins = ["distant.py"]
    use = {"use": "distant", "classes": 4, "id": 12, "ood": 5, "shared": 2}
