"""Modules as ONNX and as programs of `torch.export`, and what runs them."""

from __future__ import annotations

import json
import logging
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tina_kit.api import UserError

_Answers = Callable[[Tensor], np.ndarray[Any, Any]]
_EXTRA = "tina-kit.json"  # in a program's archive


def torch_program(module: nn.Module, facts: Mapping[str, Any]) -> bytes:
    """A `.pt2` file, for `torch.export.load`; facts: plain data, in its extra file."""
    file = BytesIO()
    with _quiet():
        torch.export.save(_program(module), file, extra_files={_EXTRA: json.dumps(facts)})
    return file.getvalue()


def torch_runner(content: bytes) -> _Answers:
    module = torch.export.load(BytesIO(content)).module()
    return lambda images: module(images).detach().numpy()


def onnx_model(module: nn.Module, facts: Mapping[str, str]) -> bytes:
    """An ONNX file from `images` to `probabilities`; facts: texts, in its metadata. Raises
    UserError if a package is missing."""
    _require()
    with _quiet():
        program = torch.onnx.export(
            _program(module),
            input_names=["images"],
            output_names=["probabilities"],
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto: Any = program.model_proto
    for part in (proto, proto.graph):
        del part.metadata_props[:]
    for node in proto.graph.node:  # where each came from in Python: more bytes than the weights
        node.doc_string = ""
        del node.metadata_props[:]
    for value in (*proto.graph.input, *proto.graph.output, *proto.graph.value_info):
        del value.metadata_props[:]
    named: dict[str, str] = {}
    for dim, name in zip(proto.graph.input[0].type.tensor_type.shape.dim, ("N", "3", "H", "W")):
        if dim.dim_param:
            named[dim.dim_param] = dim.dim_param = name
    for value in proto.graph.output:
        for dim in value.type.tensor_type.shape.dim:
            dim.dim_param = named.get(dim.dim_param, dim.dim_param) if dim.dim_param else ""
    del proto.graph.value_info[:]  # it names the sizes as before
    for key, text in facts.items():
        proto.metadata_props.add(key=key, value=text)
    proto.producer_name = "tina-kit"
    return bytes(proto.SerializeToString())


def onnx_runner(content: bytes) -> _Answers:
    _require()
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"images": images.numpy()})[0]


def quantised(content: bytes) -> bytes:
    """The same ONNX file with weights of 8 bits; activations are quantised while it runs."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model = onnx.load_from_string(content)
    facts = [(each.key, each.value) for each in model.metadata_props]
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "int8.onnx"
        quantize_dynamic(
            model,
            path,
            weight_type=QuantType.QUInt8,
            per_channel=True,
            op_types_to_quantize=["Conv", "Gemm", "MatMul"],
        )
        made = onnx.load(path)
    del made.metadata_props[:]
    for key, text in facts:
        made.metadata_props.add(key=key, value=text)
    return bytes(made.SerializeToString())


def _program(module: nn.Module) -> torch.export.ExportedProgram:
    free = torch.export.Dim.DYNAMIC
    # Two images: exporters take a size of one for a constant.
    example = torch.zeros(2, 3, 50, 60, dtype=torch.uint8)
    return torch.export.export(module, (example,), dynamic_shapes=({0: free, 2: free, 3: free},))


def _require() -> None:
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"exporting as onnx needs the package {error.name}: pip install 'tina-kit[export]'"
        ) from None


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' remarks about themselves."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
