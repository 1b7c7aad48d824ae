# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Model folders that must not be loaded: 66 of them, each made from a sound one.

Where a file is changed on purpose, its digest and that of the contract are computed again: the digests match, and only
the checks behind them can refuse the model.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from surface_classifier.model.contract import CONTRACT_FILE, NOVELTY_FILE, ONNX_FILE, SIZE_LIMITS, WEIGHTS_FILE

DIGESTS = {WEIGHTS_FILE: 'weights_sha256', ONNX_FILE: 'onnx_sha256', NOVELTY_FILE: 'novelty_sha256'}
FILES = (CONTRACT_FILE, WEIGHTS_FILE, ONNX_FILE, NOVELTY_FILE)
Damage = Callable[[Path], object]


def seal(folder: Path, change: Callable[[dict[str, Any]], Any] = lambda _: None) -> None:
    """Change the contract of a model, and compute every digest again."""
    file = folder / CONTRACT_FILE
    values = json.loads(file.read_text(encoding='utf-8'))
    values.pop('contract_sha256', None)
    for name, key in DIGESTS.items():
        if values.get(key) and (folder / name).is_file():
            values[key] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    change(values)
    text = json.dumps(values, sort_keys=True, separators=(',', ':'), ensure_ascii=False)
    values['contract_sha256'] = hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()
    file.write_text(json.dumps(values), encoding='utf-8')


def hostile_models() -> dict[str, Damage]:
    """Return what is done to a copy of a sound model, by a short name."""
    cases: dict[str, Damage] = {}
    for maker in (_folders, _files, _contracts, _weights, _onnx_files, _novelty_tests):
        cases.update(maker())
    return cases


def make_hostile(sound: Path, folder: Path, damage: Damage) -> Path:
    """Copy a sound model and damage the copy."""
    shutil.copytree(sound, folder)
    damage(folder)
    return folder


def _folders() -> Iterator[tuple[str, Damage]]:
    def empty(folder: Path) -> None:
        shutil.rmtree(folder)
        folder.mkdir()

    def a_file(folder: Path) -> None:
        shutil.rmtree(folder)
        folder.write_text('model')

    def a_pipe(folder: Path) -> None:
        shutil.rmtree(folder)
        os.mkfifo(folder)

    def link_to_itself(folder: Path) -> None:
        shutil.rmtree(folder)
        folder.symlink_to(folder.name)

    yield 'folder: empty', empty
    yield 'folder: not there', shutil.rmtree
    yield 'folder: a file', a_file
    yield 'folder: a pipe', a_pipe
    yield 'folder: a link to itself', link_to_itself


def _files() -> Iterator[tuple[str, Damage]]:
    kinds = {
        'missing': _remove_file,
        'a folder': _put_folder,
        'a pipe': _put_pipe,
        'a link to /dev/zero': _put_link,
        'huge and sparse': _lengthen,
    }
    for name in FILES:
        for kind, damage in kinds.items():
            yield f'{name}: {kind}', partial(damage, name=name)
    # A sound file, but outside the folder.
    yield f'{WEIGHTS_FILE}: outside the folder', _move_outside


def _remove_file(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _put_folder(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()


def _put_pipe(folder: Path, name: str) -> None:
    (folder / name).unlink()
    os.mkfifo(folder / name)


def _put_link(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).symlink_to('/dev/zero')


def _lengthen(folder: Path, name: str) -> None:
    os.truncate(folder / name, SIZE_LIMITS[name] + 1)


def _move_outside(folder: Path) -> None:
    outside = folder.parent / f'{folder.name}.outside'
    (folder / WEIGHTS_FILE).rename(outside)
    (folder / WEIGHTS_FILE).symlink_to(f'../{outside.name}')


def _contracts() -> Iterator[tuple[str, Damage]]:
    def text(content: str | bytes) -> Damage:
        encoded = content.encode() if isinstance(content, str) else content
        return lambda folder: (folder / CONTRACT_FILE).write_bytes(encoded)

    def changed(change: Callable[[dict[str, Any]], Any]) -> Damage:
        return lambda folder: seal(folder, change)

    yield 'contract: not UTF-8', text(b'\xff\xfe{}')
    yield 'contract: 100,000 levels', text('[' * 100_000)
    yield 'contract: 5,000 digits', text(f'{{"seed": {"9" * 5000}}}')
    yield 'contract: a list', text('[1, 2]')
    yield 'contract: a key twice', text('{"seed": 1, "seed": 2}')
    yield 'contract: unknown key', changed(lambda values: values.update(more=1))
    yield 'contract: a key missing', changed(lambda values: values.pop('calibration'))
    yield 'contract: another format', changed(lambda values: values.update(format_version=99))
    yield 'contract: no digest of the weights', changed(lambda values: values.update(weights_sha256=''))
    yield 'contract: NaN temperature', changed(lambda values: values.update(calibration={'temperature': float('nan')}))
    yield 'contract: temperature 0', changed(lambda values: values.update(calibration={'temperature': 0.0}))
    yield 'contract: no classes', changed(lambda values: values.update(classes=[]))
    yield 'contract: a class twice', changed(lambda values: values.update(classes=['ice', 'ice', 'snow']))
    yield 'contract: a class with an escape', changed(lambda values: values.update(classes=['\x1b[2J', 'ice', 'snow']))
    yield 'contract: a class with NUL', changed(lambda values: values.update(classes=['a\0b', 'ice', 'snow']))
    yield 'contract: classes are numbers', changed(lambda values: values.update(classes=[1, 2, 3]))
    yield 'contract: more classes than answers', changed(lambda values: values['classes'].append('mud'))
    yield 'contract: a negative rate', changed(lambda values: _first_part(values).update(sample_rate_hz=-10.0))
    yield 'contract: a huge window', changed(lambda values: values['window']['window'].update(samples=10**12))
    yield 'contract: belief of one class', changed(lambda values: values['belief'].update(class_prior=[1.0]))
    yield (
        'contract: thresholds missing',
        changed(lambda values: values.update(conformal={'levels': [0.5], 'thresholds': []})),
    )
    yield 'contract: a huge network', changed(lambda values: values['architecture'].update(hidden_sizes=[10**9]))
    yield (
        'contract: normalisation is text',
        changed(lambda values: values['normalisation'].update(motor={'mean': 'x', 'scale': 'y'})),
    )


def _weights() -> Iterator[tuple[str, Damage]]:
    def changed(change: Callable[[dict[str, Any]], Any]) -> Damage:
        return lambda folder: _change_tensors(folder, WEIGHTS_FILE, change)

    def first_number(value: float) -> Damage:
        def change(arrays: dict[str, Any]) -> None:
            next(array for array in arrays.values() if array.dtype == np.float32 and array.size > 1).ravel()[0] = value

        return changed(change)

    def overlapping(folder: Path) -> None:
        header = json.dumps(
            {name: {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]} for name in ('a', 'b')}
        ).encode()
        (folder / WEIGHTS_FILE).write_bytes(len(header).to_bytes(8, 'little') + header + bytes(8))
        seal(folder)

    yield 'weights: NaN', first_number(float('nan'))
    yield 'weights: infinite', first_number(float('inf'))
    yield 'weights: none', changed(lambda arrays: arrays.clear())
    yield 'weights: overlapping', overlapping


def _onnx_files() -> Iterator[tuple[str, Damage]]:
    def changed(change: Callable[[Any], Any]) -> Damage:
        def damage(folder: Path) -> None:
            import onnx

            model = onnx.load(folder / ONNX_FILE)
            change(model.graph)
            (folder / ONNX_FILE).write_bytes(model.SerializeToString())
            seal(folder)

        return damage

    def external(graph: Any) -> None:
        tensor = max(graph.initializer, key=lambda tensor: len(tensor.raw_data))
        tensor.ClearField('raw_data')
        tensor.data_location = 1
        tensor.external_data.add(key='location', value='/etc/passwd')

    def not_a_number(graph: Any) -> None:
        tensor = max((t for t in graph.initializer if t.data_type == 1), key=lambda t: len(t.raw_data))
        tensor.raw_data = np.full(len(tensor.raw_data) // 4, np.nan, np.float32).tobytes()

    def bomb(graph: Any) -> None:
        from onnx import helper

        graph.initializer.append(helper.make_tensor('huge', 7, [2], [1 << 20, 1 << 20]))
        graph.node.insert(0, helper.make_node('ConstantOfShape', ['huge'], ['zeros']))

    def loop(graph: Any) -> None:
        from onnx import helper

        body = helper.make_graph([], 'body', [], [])
        graph.node.insert(0, helper.make_node('If', [graph.input[0].name], ['x'], then_branch=body, else_branch=body))

    def other_samples(graph: Any) -> None:
        graph.input[0].type.tensor_type.shape.dim[1].dim_value = 7

    yield 'onnx: external data', changed(external)
    yield 'onnx: NaN weights', changed(not_a_number)
    yield 'onnx: a bomb', changed(bomb)
    yield 'onnx: a branch', changed(loop)
    yield 'onnx: other samples', changed(other_samples)
    yield 'onnx: without its nodes', changed(lambda graph: graph.ClearField('node'))


def _novelty_tests() -> Iterator[tuple[str, Damage]]:
    def changed(change: Callable[[dict[str, Any]], Any]) -> Damage:
        return lambda folder: _change_tensors(folder, NOVELTY_FILE, change)

    def endless(arrays: dict[str, Any]) -> None:
        inner = np.flatnonzero(arrays['forest.feature'] >= 0)[0]
        arrays['forest.children'][inner] = inner

    def no_leaf(arrays: dict[str, Any]) -> None:
        arrays['forest.children'][arrays['forest.feature'] < 0] = 10**9

    yield 'novelty: NaN', changed(lambda arrays: arrays['centre'].fill(np.nan))
    yield 'novelty: a spread of 0', changed(lambda arrays: arrays['spread'].fill(0.0))
    yield 'novelty: other channels', changed(lambda arrays: arrays.update(scale=np.ones(7)))
    yield 'novelty: trees without end', changed(endless)
    yield 'novelty: leaves that are not there', changed(no_leaf)
    yield 'novelty: an array more', changed(lambda arrays: arrays.update(more=np.ones(1)))
    yield 'novelty: negative memory', changed(lambda arrays: arrays.update(memory_s=np.array([-1.0])))


def _change_tensors(folder: Path, name: str, change: Callable[[dict[str, Any]], Any]) -> None:
    arrays = safetensors.numpy.load((folder / name).read_bytes())
    arrays = {key: array.copy() for key, array in arrays.items()}
    change(arrays)
    (folder / name).write_bytes(safetensors.numpy.save(arrays))
    seal(folder)


def _first_part(values: dict[str, Any]) -> dict[str, Any]:
    part: dict[str, Any] = values['window']['parts'][0]
    return part
