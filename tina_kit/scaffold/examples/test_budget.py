from tina_kit.testing import StudySuite


class TestBudget(StudySuite):
    plugins = ["budget.py"]
    use = {"use": "budget"}
