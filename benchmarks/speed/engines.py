"""Other ways to run the weights of a network, each a function of its input.

What a library is missing for is left out.
"""

from __future__ import annotations

import logging
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

Pass = Callable[[torch.Tensor], torch.Tensor]
"""``[B, 2, H, W]`` -> ``[B, 2, H, W]``, as ``MaskedPredictor``."""
Images = NDArray[np.float32]
OPSET = 18
INPUT, OUTPUT = "image", "pred"


def engines(network: torch.nn.Module, folder: Path) -> dict[str, Pass]:
    """Name -> way to run ``network``; files of other runtimes are kept in ``folder``."""
    ways: dict[str, Pass] = {
        "torch float32": network,
        "torch float32, channels last": channels_last(network),
        "torch bfloat16": bfloat16(network),
    }
    if shutil.which("g++"):
        # It warns of the branch of ``ground_value``, on which it compiles in two pieces.
        logging.getLogger("torch._dynamo").setLevel(logging.ERROR)
        ways["torch.compile"] = torch.compile(network, dynamic=False)
    if find_spec("onnx") and find_spec("onnxruntime"):
        ways["ONNX Runtime float32"] = Exported(network, folder, onnx_session)
        ways["ONNX Runtime int8"] = Exported(network, folder, int8_session)
        if find_spec("openvino"):
            ways["OpenVINO float32"] = Exported(network, folder, openvino_session)
        if find_spec("openvino") and find_spec("nncf"):
            ways["OpenVINO int8"] = Exported(network, folder, openvino_int8_session)
    return ways


def bfloat16(network: torch.nn.Module) -> Pass:
    """The network under autocast, as in training."""

    def run(image: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            result: torch.Tensor = network(image).float()
            return result

    return run


def channels_last(network: torch.nn.Module) -> Pass:
    """The network with images laid out channel by channel in each pixel."""
    return lambda image: network(image.to(memory_format=torch.channels_last))


Session = Callable[[Images], Images]
MakeSession = Callable[[Path, Images], Session]
"""From an ONNX file and one input to what runs it."""


class Exported:
    """A network exported once for each size of its input, and run by another runtime."""

    def __init__(self, network: torch.nn.Module, folder: Path, make: MakeSession) -> None:
        self.network, self.folder, self.make = network, folder, make
        self.sessions: dict[tuple[int, ...], Session] = {}

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        """Runs the network on ``[B, 2, H, W]``."""
        given, shape = np.ascontiguousarray(image.numpy()), tuple(image.shape)
        if shape not in self.sessions:
            file = self.folder / f"network_{'x'.join(map(str, shape))}.onnx"
            if not file.exists():
                export(self.network, image, file)
            self.sessions[shape] = self.make(file, given)
        return torch.from_numpy(self.sessions[shape](given))


def export(network: torch.nn.Module, image: torch.Tensor, file: Path) -> None:
    """Writes the network as ONNX for inputs of the size of ``image``."""
    # Asinh is in ONNX since opset 9, but this exporter does not know it; the other one cannot
    # follow the branch of ``ground_value``.
    torch.onnx.register_custom_op_symbolic(
        "aten::asinh", lambda graph, value: graph.op("Asinh", value), OPSET
    )
    with warnings.catch_warnings():
        # The exporter warns of every branch that tracing decides; lattice passes all take the same.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (image,),
            str(file),
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
        )


def onnx_session(file: Path, _: Images) -> Session:
    """ONNX Runtime with as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    return lambda image: session.run(None, {INPUT: image})[0]


def int8_session(file: Path, example: Images) -> Session:
    """The same with weights and activations of convolutions in 8 bits, scaled on one input."""
    from onnxruntime import quantization

    quantized = file.with_suffix(".int8.onnx")
    quantization.quantize_static(
        str(file),
        str(quantized),
        _Examples(example),
        op_types_to_quantize=["Conv", "ConvTranspose"],
        per_channel=True,
    )
    return onnx_session(quantized, example)


class _Examples:
    """One input, as ``quantize_static`` asks for it."""

    def __init__(self, example: Images) -> None:
        self._left: Iterator[Mapping[str, Images]] = iter([{INPUT: example}])

    def get_next(self) -> Mapping[str, Images] | None:
        """The input, then None."""
        return next(self._left, None)


def openvino_session(file: Path, _: Images) -> Session:
    """OpenVINO on the CPU, in float32."""
    import openvino

    return _compiled(openvino.Core().read_model(file))


def openvino_int8_session(file: Path, example: Images) -> Session:
    """The same in 8 bits where NNCF finds it harmless, scaled on one input."""
    import nncf
    import openvino

    model = openvino.Core().read_model(file)
    return _compiled(nncf.quantize(model, nncf.Dataset([example]), subset_size=1))


def _compiled(model: object) -> Session:
    import openvino

    hints = {
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "INFERENCE_PRECISION_HINT": "f32",
    }
    compiled = openvino.Core().compile_model(model, "CPU", hints)
    return lambda image: compiled([image])[0]
