"""Trackers of experiments: TensorBoard, MLflow, Weights & Biases and Trackio."""

from collections.abc import Mapping

from tina_kit.api import hookimpl


@hookimpl
def tina_kit_trackers() -> Mapping[str, str]:
    return {
        name: f"tina_trackers.observer:{name}"
        for name in ("tensorboard", "mlflow", "wandb", "trackio")
    }
