# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Inference engines: the same model run by ONNX Runtime on one CPU thread, by numpy, or by torch on a CPU or a GPU.

ONNX Runtime starts in a tenth of torch's time and needs a fifth of its memory, so a robot uses it where it is installed
and numpy elsewhere. torch is imported only when its engine is requested.
"""

from __future__ import annotations

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from current_driver.errors import SurfaceError
from surface_classifier.model.contract import (
    NOVELTY_FILE,
    ONNX_FILE,
    WEIGHTS_FILE,
    ModelContract,
    load_contract,
    read_verified,
)
from surface_classifier.model.loading.model_checks import check_answer, check_weights
from surface_classifier.model.loading.novelty_checks import load_novelty_test
from surface_classifier.model.loading.onnx_file import check_onnx, check_session
from surface_classifier.model.network_config import NetworkConfig
from surface_classifier.model.novelty import NoveltyTest
from surface_classifier.model.numpy_network.numpy_network import NumpyNetwork
from surface_classifier.model.tensor_file import read_tensors

EngineName = Literal['auto', 'onnx', 'torch', 'numpy']
DeviceName = Literal['auto', 'cpu', 'cuda']
WARM_UP_RUNS = 3


class InferenceEngine(ABC):
    """Runs one model.

    Attributes:
        contract: The model's contract.
        name: `onnx`, `torch` or `numpy`.
        device: `cpu` or `cuda`.
        novelty_test: Tells windows unlike the training data; None if the model cannot.
    """

    name: str
    device: str
    novelty_test: NoveltyTest | None = None

    def __init__(self, contract: ModelContract) -> None:
        """Keep the contract; the subclasses load the model."""
        self.contract = contract

    @property
    def description(self) -> str:
        """What runs where, such as `onnx on cpu`."""
        return f'{self.name} on {self.device}'

    def predict(self, parts: Sequence[NDArray[np.floating]]) -> NDArray[np.float64]:
        """Return class probabilities.

        Args:
            parts: One array for each part that the network sees, in the order of the window configuration, of shape
                (windows, samples, channels) in the channels' units; NaN where unmeasured.

        Returns:
            Probabilities, shape (windows, classes); each row sums to 1. A row is NaN when its window holds values
            (infinities) the network has no answer for.
        """
        logits = self._logits([np.ascontiguousarray(part, dtype=np.float32) for part in parts])
        return softmax(logits.astype(np.float64) / self.contract.temperature)

    def warm_up(self, runs: int = WARM_UP_RUNS) -> NDArray[np.float64]:
        """Run the model a few times on an empty window, so that the first label is as fast as the others.

        Args:
            runs: How often.

        Returns:
            Its answer, (1, classes).
        """
        config = self.contract.config
        parts = [
            np.zeros((1, config.samples_of_part(index), len(part.channels)))
            for index, part in enumerate(config.input_parts)
        ]
        return [self.predict(parts) for _ in range(runs)][-1]

    @abstractmethod
    def _logits(self, parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return the network's outputs before the softmax, shape (windows, classes)."""


class OnnxEngine(InferenceEngine):
    """ONNX Runtime on one CPU thread."""

    name = 'onnx'
    device = 'cpu'

    def __init__(self, path: Path, contract: ModelContract) -> None:
        """Load `model.onnx`.

        Raises:
            SurfaceError: The model has no such file, it is missing or damaged, or ONNX Runtime is not installed.
        """
        super().__init__(contract)
        if not contract.onnx_sha256:
            raise SurfaceError(
                f'{path} has no {ONNX_FILE}: it was trained without the packages `onnx`, `onnxscript` and '
                '`onnxruntime`; use engine numpy or auto'
            )
        model = read_verified(path / ONNX_FILE, contract.onnx_sha256)
        _forbid_reports()
        try:
            import onnxruntime
        except ImportError as error:
            raise SurfaceError(
                'the onnx engine needs the Python package `onnxruntime`; install it, or use engine numpy or auto'
            ) from error
        options = onnxruntime.SessionOptions()
        # One window at a time on one thread is fastest here, and a robot's other cores stay free. The arena would keep
        # the memory of the largest batch ever run.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        file = path / ONNX_FILE
        check_onnx(model, file)
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=['CPUExecutionProvider'])
        except Exception as error:  # its errors have no common class
            raise SurfaceError(f'{file} cannot be used: {error}; copy the model again or train it again') from error
        check_session(self._session.get_inputs(), self._session.get_outputs(), contract, file)
        self._inputs = [item.name for item in self._session.get_inputs()]

    def _logits(self, parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = self._session.run(None, dict(zip(self._inputs, parts, strict=True)))[0]
        return logits


class NumpyEngine(InferenceEngine):
    """numpy on the CPU: needs no other package, and runs every model."""

    name = 'numpy'
    device = 'cpu'

    def __init__(self, path: Path, contract: ModelContract) -> None:
        """Load `weights.safetensors`.

        Raises:
            SurfaceError: The file is missing, damaged, or not that of the contract's network.
        """
        super().__init__(contract)
        file = path / WEIGHTS_FILE
        config = contract.config
        arrays = read_tensors(file, read_verified(file, contract.weights_sha256))
        try:
            self._network = NumpyNetwork(
                NetworkConfig(**contract.architecture),
                [len(part.channels) for part in config.input_parts],
                [config.samples_of_part(index) for index in range(len(config.input_parts))],
                len(contract.classes),
                arrays,
            )
        except ValueError as error:
            raise SurfaceError(f'{file} does not hold the network of its contract: {error}') from error

    def _logits(self, parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        return self._network.logits(parts)


class TorchEngine(InferenceEngine):
    """torch on the CPU or a CUDA device."""

    name = 'torch'

    def __init__(self, path: Path, contract: ModelContract, device: Literal['cpu', 'cuda']) -> None:
        """Load `weights.safetensors` onto the device.

        Raises:
            SurfaceError: The file is missing or damaged, torch is not installed, or there is no such device.
        """
        super().__init__(contract)
        try:
            import torch
        except ImportError as error:
            raise SurfaceError(
                'the torch engine needs the Python package `torch`; install it, or use engine auto on the CPU'
            ) from error
        from surface_classifier.model.network.network_weights import load_network

        if device == 'cuda' and not torch.cuda.is_available():
            raise SurfaceError(
                f'device cuda was asked for, but torch {torch.__version__} finds no CUDA device here; '
                'check `nvidia-smi` and that torch is a CUDA build, or use device cpu'
            )
        # One window at a time: a second thread costs more than it gives, whatever else the process does with torch.
        torch.set_num_threads(1)
        self.device = device
        self._torch = torch
        self._network = load_network(path, contract).to(device).eval()

    def _logits(self, parts: list[NDArray[np.float32]]) -> NDArray[np.float32]:
        torch = self._torch
        with torch.inference_mode():
            logits = self._network(*(torch.from_numpy(part).to(self.device) for part in parts))
        result: NDArray[np.float32] = logits.cpu().numpy()
        return result


def load_engine(path: Path | str, engine: EngineName = 'auto', device: DeviceName = 'auto') -> InferenceEngine:
    """Load a model for inference.

    Args:
        path: Folder of the model.
        engine: `onnx`, `torch`, `numpy`, or `auto`: torch for device cuda, else onnx where ONNX Runtime is installed
            and the model has its file, else numpy.
        device: `cpu`, `cuda`, or `auto`: a CUDA device when engine torch was asked for and there is one, else the CPU.
            What was taken is in the engine's `description`.

    Raises:
        SurfaceError: The model is missing or damaged, the engine is not installed, or there is no such device.
    """
    for wanted, known, word in ((engine, EngineName, 'engine'), (device, DeviceName, 'device')):
        if wanted not in get_args(known):
            raise SurfaceError(f'{word} {wanted!r} is not one of {", ".join(get_args(known))}')
    folder = Path(path)
    contract = load_contract(folder)
    weights = folder / WEIGHTS_FILE  # they name the model in every label, whatever runs it
    arrays = read_tensors(weights, read_verified(weights, contract.weights_sha256))
    check_weights(arrays, NetworkConfig(**contract.architecture), weights)
    if engine == 'auto':
        engine = 'torch' if device == 'cuda' else cpu_engine(contract)
    loaded: InferenceEngine
    if engine == 'torch':
        if device == 'auto':
            device = 'cuda' if _cuda_available() else 'cpu'
        loaded = TorchEngine(folder, contract, device)
    elif device == 'cuda':
        raise SurfaceError(f'engine {engine} runs on the CPU only; for device cuda use engine torch or auto')
    else:
        loaded = (OnnxEngine if engine == 'onnx' else NumpyEngine)(folder, contract)
    if contract.novelty_sha256:
        file = folder / NOVELTY_FILE
        loaded.novelty_test = load_novelty_test(read_verified(file, contract.novelty_sha256), contract, file)
    try:
        check_answer(loaded.warm_up(1), len(contract.classes), folder)
    except SurfaceError:
        raise
    except Exception as error:  # of an engine that cannot run what the files hold
        raise SurfaceError(
            f'{folder}: the model cannot be run: {error}; copy the model again or train it again'
        ) from error
    return loaded


def cpu_engine(contract: ModelContract) -> Literal['onnx', 'numpy']:
    """Return the engine that `auto` takes on the CPU: onnx where ONNX Runtime and the model's file are there."""
    if not contract.onnx_sha256:
        return 'numpy'
    _forbid_reports()
    try:
        import onnxruntime  # noqa: F401 - a package that is there but cannot be imported does not run a model
    except ImportError:
        return 'numpy'
    return 'onnx'


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return probabilities along the last axis."""
    with np.errstate(invalid='ignore'):
        exponents = np.exp(logits - logits.max(axis=-1, keepdims=True))
        probabilities: NDArray[np.float64] = exponents / exponents.sum(axis=-1, keepdims=True)
    return probabilities


def _forbid_reports() -> None:
    """Keep ONNX Runtime from writing a device id to the home folder and from reporting to its maker.

    Its official builds do both unless the variable is set before the import. Users who want it may set it to 0.
    """
    os.environ.setdefault('ORT_DISABLE_TELEMETRY', '1')


def _cuda_available() -> bool:
    if importlib.util.find_spec('torch') is None:
        return False
    import torch

    return torch.cuda.is_available()
