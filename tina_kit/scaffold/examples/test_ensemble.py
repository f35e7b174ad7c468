from tina_kit.testing import ConditionerSuite


class TestEnsemble(ConditionerSuite):
    plugins = ["ensemble.py"]
    use = {"use": "ensemble", "text": {"use": "hashed-ngrams"}}
