# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Training steps of a small LSTM compiled by Numba: forward, backward and optimiser in one call without Python.

For networks of this size most of a step in torch is overhead, and its LSTM leaves half of the arithmetic units idle.
Here a batch is cut into groups of `GROUP` windows whose states stay in the cache; for each time step of a group one
matrix product gives all gates, and every loop runs on lanes, vectors of as many float32 as the processor's registers
hold. The functions release the GIL, so that Python threads train one network each on a core of their own.

The matrix of a layer holds all that multiplies the row [h, x, 1, 1] of a window: recurrent weights, input weights and
torch's two biases. Units are padded to a multiple of `PADDING` with weights of zero, which stay zero. The mathematics
is that of torch, checked by tests against it; only the order of sums and the last bits of tanh differ.

Importing this module imports Numba; `together` does so where it pays.
"""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

# Explicit vectors: of plain loops LLVM leaves the gates scalar, which costs four times the time of a forward pass.
_AVX512 = llvmlite.binding.get_host_cpu_features().get('avx512f', False)
LANES = 16 if _AVX512 else 8
PADDING = 16
GROUP = 16
# Rows of the weights' gradient are summed over about so many rows [h, x, 1, 1] at once.
GRADIENT_ROWS = 64
# A product computes tiles of 4 rows and so many columns in registers; the narrower ones take what is left.
WIDE, NARROW = (4 * LANES, LANES) if _AVX512 else (2 * LANES, 2 * LANES)

OPTIMIZERS = {'adamw': 0, 'adam': 1, 'rmsprop': 2, 'sgd': 3}
_ADAMW, _ADAM, _RMSPROP, _SGD = OPTIMIZERS.values()

# Columns of `Network.layers`; offsets count elements.
SAMPLES = 0  # of a window
UNITS = 1  # padded
TRUE_UNITS = 2
INPUTS = 3  # values of a sample, or padded units of the layer below
ROW = 4  # UNITS + INPUTS + 2 biases
FIRST = 5  # 1 for the lowest layer of a part
LAST = 6  # 1 for its highest
WEIGHTS = 7  # offset of the matrix (ROW, 4 UNITS) in the parameters
STATES = 8  # offsets in the workspace: rows [h, x, 1, 1], (samples + 1, group, ROW)
GATES = 9  # gates, then their gradients, (samples, group, 4 UNITS)
CELLS = 10  # (samples + 1, group, UNITS)
TANH_CELLS = 11  # (samples, group, UNITS)
GRADIENTS = 12  # of what the layer gives, (samples, group, UNITS)
TRANSPOSED = 13  # of the weights without biases, (4 UNITS, UNITS or UNITS + INPUTS)
MASKS = 14  # offset in the masks, (samples, batch, TRUE_UNITS)
PART = 15
FEATURES = 16  # first column of the part among the head's inputs
LAYER_COLUMNS = 17

MT_WORDS = 624
_MT_SHIFT = 397
_RANDOM_BITS = 53


class Network(NamedTuple):
    """One network, its optimiser's state and its workspace; `together` builds it.

    Attributes:
        layers: One row for each layer of each part, from the lowest up: int64 (layers, LAYER_COLUMNS).
        parameters: All weights: the layers' matrices, then the head's (head_inputs + 1, head_columns).
        gradient: Of the parameters.
        first_moment: Of the optimiser: Adam's mean gradient, or momentum.
        second_moment: Of the optimiser: mean squared gradient.
        workspace: What a group of windows needs.
        masks: Dropout masks of a batch, 1: kept; uint8.
        random: State of a Mersenne twister that draws the masks, uint32 (MT_WORDS,).
        drawn: How many of its words were used, int64 (1,).
        mean_max: 1: the head sees mean and maximum over time; 0: the last state.
        classes: Number of classes.
        statistics: Number of statistics beside the LSTM's features.
        head_weights: Offset of the head's matrix in the parameters.
        head_inputs: Features and statistics, without the bias.
        head_columns: Classes, padded.
        features_offset: In the workspace, (group, head_inputs + 1).
        feature_gradients_offset: In the workspace, (group, features).
        logits_offset: In the workspace, (group, head_columns).
        head_transposed_offset: In the workspace, (head_columns, features).
        step_offset: In the workspace: gradients that go from a time step to the one before it.
        keep: Share of values that dropout keeps; 1: no dropout.
    """

    layers: Integers
    parameters: Floats
    gradient: Floats
    first_moment: Floats
    second_moment: Floats
    workspace: Floats
    masks: NDArray[np.uint8]
    random: NDArray[np.uint32]
    drawn: Integers
    mean_max: int
    classes: int
    statistics: int
    head_weights: int
    head_inputs: int
    head_columns: int
    features_offset: int
    feature_gradients_offset: int
    logits_offset: int
    head_transposed_offset: int
    step_offset: int
    keep: float


class Windows(NamedTuple):
    """Prepared windows of all parts.

    Attributes:
        inputs: Sequences of one part after another, each (windows, samples, inputs), flat.
        offsets: Where each part begins, (parts,).
        statistics: (windows, statistics), flat.
        labels: Classes, (windows,).
    """

    inputs: Floats
    offsets: Integers
    statistics: Floats
    labels: Integers


class Recipe(NamedTuple):
    """How the parameters are changed; the fields as in `TrainingConfig` and torch's optimisers.

    Attributes:
        optimizer: One of `OPTIMIZERS`.
        beta2: Decay of the second moment, for each step: Adam's beta2, RMSprop's rho.
        epsilon: Added to the root of the second moment.
        weight_decay: Decoupled for adamw, else an L2 penalty.
        gradient_clip: Largest norm of the gradient; 0: no limit.
        label_smoothing: Share of the target spread over all classes.
        class_weights: How much a window of each class counts, float64 (classes,).
    """

    optimizer: int
    beta2: float
    epsilon: float
    weight_decay: float
    gradient_clip: float
    label_smoothing: float
    class_weights: NDArray[np.float64]


# ---------------------------------------------------------------------------------------------------------------- lanes


class _LanesType(types.Type):
    """Numba's type of a vector of `LANES` float32."""

    def __init__(self) -> None:
        super().__init__(name='Lanes')


_lanes = _LanesType()
_VECTOR = ir.VectorType(ir.FloatType(), LANES)
_INDEX = ir.IntType(32)


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _vector_at(builder: Any, data: Any, offset: Any) -> Any:
    return builder.bitcast(builder.gep(data, [offset]), _VECTOR.as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    one = builder.insert_element(undefined, value, ir.Constant(_INDEX, 0))
    return builder.shuffle_vector(one, undefined, ir.Constant(ir.VectorType(_INDEX, LANES), [0] * LANES))


def _call(builder: Any, name: str, values: Any) -> Any:
    kind = ir.FunctionType(_VECTOR, [_VECTOR] * len(values))
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f'llvm.{name}.v{LANES}f32'), values)


@intrinsic
def _load(_typing: Any, array: Any, offset: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        return builder.load(_vector_at(builder, data, args[1]), align=4)

    return _lanes(array, offset), code


@intrinsic
def _store(_typing: Any, array: Any, offset: Any, value: Any) -> Any:
    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = _data(context, builder, signature.args[0], args[0])
        builder.store(args[2], _vector_at(builder, data, args[1]), align=4)
        return context.get_dummy_value()

    return types.void(array, offset, value), code


@intrinsic
def _load_mask(_typing: Any, masks: Any, offset: Any) -> Any:
    """Load bytes as float32."""

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = builder.gep(_data(context, builder, signature.args[0], args[0]), [args[1]])
        data = builder.bitcast(data, ir.VectorType(ir.IntType(8), LANES).as_pointer())
        return builder.uitofp(builder.load(data, align=1), _VECTOR)

    return _lanes(masks, offset), code


@intrinsic
def _splat(_typing: Any, value: Any) -> Any:
    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _spread(builder, args[0])

    return _lanes(value), code


@intrinsic
def _multiply_add(_typing: Any, a: Any, b: Any, c: Any) -> Any:
    """A b + c."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _call(builder, 'fmuladd', args)

    return _lanes(a, b, c), code


@intrinsic
def _root(_typing: Any, a: Any) -> Any:
    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return _call(builder, 'sqrt', args)

    return _lanes(a), code


@intrinsic
def _clamp(_typing: Any, a: Any, limit: Any) -> Any:
    """Limit a to -limit .. limit; NaN stays NaN."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        value, high = args
        low = builder.fneg(high)
        value = builder.select(builder.fcmp_ordered('>', value, high), high, value)
        return builder.select(builder.fcmp_ordered('<', value, low), low, value)

    return _lanes(a, limit), code


@intrinsic
def _larger(_typing: Any, a: Any, b: Any) -> Any:
    """The larger of both; NaN where a is NaN."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.select(builder.fcmp_unordered('>', *args), *args)

    return _lanes(a, b), code


@intrinsic
def _equal(_typing: Any, a: Any, b: Any) -> Any:
    """1 where both are the same, else 0."""

    def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.uitofp(builder.fcmp_ordered('==', *args), _VECTOR)

    return _lanes(a, b), code


def _let_lanes(symbol: Any, instruction: str) -> None:
    """Let Python's operator work on lanes."""

    @intrinsic
    def apply(_typing: Any, a: Any, b: Any) -> Any:
        def code(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
            return getattr(builder, instruction)(*args)

        return _lanes(a, b), code

    @overload(symbol, strict=False)
    def of_lanes(a: Any, b: Any) -> Any:
        return (lambda a, b: apply(a, b)) if a == b == _lanes else None  # noqa: PLW0108 (Numba compiles the lambda)


_let_lanes(operator.add, 'fadd')
_let_lanes(operator.sub, 'fsub')
_let_lanes(operator.mul, 'fmul')
_let_lanes(operator.truediv, 'fdiv')


def _may_cache() -> bool:
    """Return whether Numba finds a folder for compiled code, beside this file or below the user's home."""
    try:
        njit(cache=True)(_may_cache)
    except RuntimeError:
        return False
    return True


_compiled = njit(nogil=True, error_model='numpy', cache=_may_cache())


@_compiled
def _constant(value: float) -> Any:
    return _splat(np.float32(value))


@_compiled
def _tanh(x: Any) -> Any:
    """Return tanh by the rational function of degrees 13 and 6 of the Eigen library; its error is below 3e-7."""
    x = _clamp(x, _constant(7.90531110763549805))
    square = x * x
    above = _multiply_add(_constant(-2.76076847742355e-16), square, _constant(2.00018790482477e-13))
    above = _multiply_add(above, square, _constant(-8.60467152213735e-11))
    above = _multiply_add(above, square, _constant(5.12229709037114e-08))
    above = _multiply_add(above, square, _constant(1.48572235717979e-05))
    above = _multiply_add(above, square, _constant(6.37261928875436e-04))
    above = _multiply_add(above, square, _constant(4.89352455891786e-03))
    below = _multiply_add(_constant(1.19825839466702e-06), square, _constant(1.18534705686654e-04))
    below = _multiply_add(below, square, _constant(2.26843463243900e-03))
    below = _multiply_add(below, square, _constant(4.89352518554385e-03))
    return x * above / below


@_compiled
def _sigmoid(x: Any) -> Any:
    half = _constant(0.5)
    return _multiply_add(half, _tanh(half * x), half)


# ------------------------------------------------------------------------------------------------------------- products


def _tile(rows: int, columns: int) -> Any:
    """Build the product of `rows` rows and `columns` columns of the result, which stays in registers."""
    vectors = columns // LANES

    # The arguments of `product`, without rows and columns.
    @intrinsic
    def tile(
        _typing: Any,
        result: Any,
        _result_at: Any,
        _result_row: Any,
        left: Any,
        _left_at: Any,
        _left_row: Any,
        _left_column: Any,
        right: Any,
        _right_at: Any,
        _right_row: Any,
        _depth: Any,
        _adds: Any,
    ) -> Any:
        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            result_row, left_row, left_column, right_row, depth, adds = (args[k] for k in (2, 5, 6, 9, 10, 11))
            result, left, right = (
                builder.gep(_data(context, builder, signature.args[k], args[k]), [args[k + 1]]) for k in (0, 3, 7)
            )
            integer = ir.IntType(64)

            def number(value: int) -> Any:
                return ir.Constant(integer, value)

            shift = [number(v * LANES) for v in range(vectors)]
            places = [
                [_vector_at(builder, result, builder.add(builder.mul(result_row, number(r)), s)) for s in shift]
                for r in range(rows)
            ]
            before = builder.block
            with builder.if_then(builder.icmp_signed('!=', adds, number(0))):
                found = [[builder.load(place, align=4) for place in row] for row in places]
                loaded = builder.block
            ready = builder.block
            start = [[builder.phi(_VECTOR) for _ in shift] for _ in range(rows)]
            for r in range(rows):
                for v in range(vectors):
                    start[r][v].add_incoming(ir.Constant(_VECTOR, [0.0] * LANES), before)
                    start[r][v].add_incoming(found[r][v], loaded)
            left_rows = [builder.mul(left_row, number(r)) for r in range(rows)]
            loop, done = builder.append_basic_block('depth'), builder.append_basic_block('done')
            builder.branch(loop)
            builder.position_at_end(loop)
            k = builder.phi(integer)
            k.add_incoming(number(0), ready)
            sums = [[builder.phi(_VECTOR) for _ in shift] for _ in range(rows)]
            right_at, left_at = builder.mul(k, right_row), builder.mul(k, left_column)
            factors = [builder.load(_vector_at(builder, right, builder.add(right_at, s)), align=4) for s in shift]
            for r in range(rows):
                value = _spread(builder, builder.load(builder.gep(left, [builder.add(left_rows[r], left_at)])))
                for v in range(vectors):
                    sums[r][v].add_incoming(start[r][v], ready)
                    more = _call(builder, 'fmuladd', [value, factors[v], sums[r][v]])
                    sums[r][v].add_incoming(more, loop)
                    found[r][v] = more
            after = builder.add(k, number(1))
            k.add_incoming(after, loop)
            builder.cbranch(builder.icmp_signed('<', after, depth), loop, done)
            builder.position_at_end(done)
            for r in range(rows):
                for v in range(vectors):
                    builder.store(found[r][v], places[r][v], align=4)
            return context.get_dummy_value()

        integer = types.int64
        matrices = result, integer, integer, left, integer, integer, integer, right, integer, integer
        return types.void(*matrices, integer, integer), code

    return tile


_wide_1, _wide_2, _wide_4 = (_tile(rows, WIDE) for rows in (1, 2, 4))
_narrow_1, _narrow_2, _narrow_4 = (_tile(rows, NARROW) for rows in (1, 2, 4))


@_compiled
def product(
    result: Floats,
    result_at: int,
    result_row: int,
    left: Floats,
    left_at: int,
    left_row: int,
    left_column: int,
    right: Floats,
    right_at: int,
    right_row: int,
    rows: int,
    columns: int,
    depth: int,
    adds: int,
) -> None:
    """Compute result = left right, or result += left right.

    Each matrix is given by its array, the offset of its first element and the distance of its rows; that of `left` also
    by the distance of its columns, so that it may be a transposed one.

    Args:
        result: Holds the matrix (rows, columns).
        result_at: Offset.
        result_row: Distance of rows.
        left: Holds the matrix (rows, depth).
        left_at: Offset.
        left_row: Distance of rows.
        left_column: Distance of columns.
        right: Holds the matrix (depth, columns).
        right_at: Offset.
        right_row: Distance of rows.
        rows: Of the result.
        columns: Of the result; a multiple of `PADDING`.
        depth: Length of the sums, at least 1.
        adds: 1: add to the result; 0: replace it.
    """
    column = 0
    while column < columns:
        width = WIDE if columns - column >= WIDE else NARROW
        b = right_at + column
        row = 0
        while row < rows:
            height = 4 if rows - row >= 4 else (2 if rows - row >= 2 else 1)
            c = result_at + row * result_row + column
            a = left_at + row * left_row
            if width == WIDE:
                if height == 4:
                    _wide_4(result, c, result_row, left, a, left_row, left_column, right, b, right_row, depth, adds)
                elif height == 2:
                    _wide_2(result, c, result_row, left, a, left_row, left_column, right, b, right_row, depth, adds)
                else:
                    _wide_1(result, c, result_row, left, a, left_row, left_column, right, b, right_row, depth, adds)
            elif height == 4:
                _narrow_4(result, c, result_row, left, a, left_row, left_column, right, b, right_row, depth, adds)
            elif height == 2:
                _narrow_2(result, c, result_row, left, a, left_row, left_column, right, b, right_row, depth, adds)
            else:
                _narrow_1(result, c, result_row, left, a, left_row, left_column, right, b, right_row, depth, adds)
            row += height
        column += width


@_compiled
def _transpose(source: Floats, source_at: int, rows: int, columns: int, to: Floats, to_at: int) -> None:
    """Write the matrix (rows, columns), rows a multiple of `PADDING`, as one of (columns, rows)."""
    for first in range(0, rows, PADDING):
        for column in range(columns):
            for row in range(first, first + PADDING):
                to[to_at + column * rows + row] = source[source_at + row * columns + column]


# --------------------------------------------------------------------------------------------------------------- layers


@_compiled
def _fill_rows(layer: Integers, network: Network, windows: Windows, order: Integers, first: int, group: int) -> None:
    """Write h and c before the first sample, the inputs of a lowest layer, and the ones that biases multiply."""
    workspace = network.workspace
    units, inputs, row, samples = layer[UNITS], layer[INPUTS], layer[ROW], layer[SAMPLES]
    for b in range(group):
        at = layer[STATES] + b * row
        cell = layer[CELLS] + b * units
        for unit in range(units):
            workspace[at + unit] = 0.0
            workspace[cell + unit] = 0.0
    for b in range(group):
        source = windows.offsets[layer[PART]] + order[first + b] * samples * inputs
        for sample in range(samples):
            at = layer[STATES] + (sample * group + b) * row + units
            if layer[FIRST] == 1:
                for k in range(inputs):
                    workspace[at + k] = windows.inputs[source + sample * inputs + k]
            workspace[at + inputs] = 1.0
            workspace[at + inputs + 1] = 1.0


@_compiled
def _layer_forward(layer: Integers, network: Network, group: int) -> None:
    workspace = network.workspace
    units, row = layer[UNITS], layer[ROW]
    width = 4 * units
    for sample in range(layer[SAMPLES]):
        states = layer[STATES] + sample * group * row
        gates = layer[GATES] + sample * group * width
        # fmt: off
        product(
            workspace, gates, width,
            workspace, states, row, 1,
            network.parameters, layer[WEIGHTS], width,
            group, width, row, 0,
        )
        # fmt: on
        for b in range(group):
            gate = gates + b * width
            state = states + (group + b) * row
            before = layer[CELLS] + (sample * group + b) * units
            tanh_cell = layer[TANH_CELLS] + (sample * group + b) * units
            for unit in range(0, units, LANES):
                i = _sigmoid(_load(workspace, gate + unit))
                f = _sigmoid(_load(workspace, gate + units + unit))
                g = _tanh(_load(workspace, gate + 2 * units + unit))
                o = _sigmoid(_load(workspace, gate + 3 * units + unit))
                c = _multiply_add(f, _load(workspace, before + unit), i * g)
                t = _tanh(c)
                _store(workspace, gate + unit, i)
                _store(workspace, gate + units + unit, f)
                _store(workspace, gate + 2 * units + unit, g)
                _store(workspace, gate + 3 * units + unit, o)
                _store(workspace, before + group * units + unit, c)
                _store(workspace, tanh_cell + unit, t)
                _store(workspace, state + unit, o * t)


@_compiled
def _masked(value: Any, layer: Integers, network: Network, at: int, dropout: bool) -> Any:
    """Apply dropout to what a layer gave or to its gradient; `at` counts from the layer's first mask."""
    if dropout:
        return value * _load_mask(network.masks, layer[MASKS] + at) * _constant(1.0 / network.keep)
    return value


@_compiled
def _pass_up(
    layer: Integers, above: Integers, network: Network, first: int, group: int, batch: int, dropout: bool
) -> None:
    """Write what a layer gave into the rows of the one above it."""
    workspace = network.workspace
    for sample in range(layer[SAMPLES]):
        for b in range(group):
            source = layer[STATES] + ((sample + 1) * group + b) * layer[ROW]
            to = above[STATES] + (sample * group + b) * above[ROW] + above[UNITS]
            mask = (sample * batch + first + b) * layer[TRUE_UNITS]
            for unit in range(0, layer[UNITS], LANES):
                h = _masked(_load(workspace, source + unit), layer, network, mask + unit, dropout)
                _store(workspace, to + unit, h)


@_compiled
def _pool(layer: Integers, network: Network, first: int, group: int, batch: int, dropout: bool) -> None:
    """Write what the head sees of the highest layer of a part."""
    workspace = network.workspace
    units, row, samples = layer[UNITS], layer[ROW], layer[SAMPLES]
    for b in range(group):
        feature = network.features_offset + b * (network.head_inputs + 1) + layer[FEATURES]
        for unit in range(0, units, LANES):
            at = layer[STATES] + (samples * group + b) * row + unit
            mask = ((samples - 1) * batch + first + b) * layer[TRUE_UNITS] + unit
            last = _masked(_load(workspace, at), layer, network, mask, dropout)
            if network.mean_max == 0:
                _store(workspace, feature + unit, last)
                continue
            total, largest = last, last
            for sample in range(samples - 1):
                at = layer[STATES] + ((sample + 1) * group + b) * row + unit
                mask = (sample * batch + first + b) * layer[TRUE_UNITS] + unit
                h = _masked(_load(workspace, at), layer, network, mask, dropout)
                total = total + h
                largest = _larger(h, largest)
            _store(workspace, feature + unit, total * _constant(1.0 / samples))
            _store(workspace, feature + units + unit, largest)


@_compiled
def _pool_backward(
    layer: Integers, network: Network, features: int, first: int, group: int, batch: int, dropout: bool
) -> None:
    """Write the gradients of what the highest layer of a part gave, before its dropout."""
    workspace = network.workspace
    units, row, samples = layer[UNITS], layer[ROW], layer[SAMPLES]
    for b in range(group):
        gradient = network.feature_gradients_offset + b * features + layer[FEATURES]
        feature = network.features_offset + b * (network.head_inputs + 1) + layer[FEATURES]
        for unit in range(0, units, LANES):
            zero = _constant(0.0)
            if network.mean_max == 0:
                for sample in range(samples - 1):
                    _store(workspace, layer[GRADIENTS] + (sample * group + b) * units + unit, zero)
                to = layer[GRADIENTS] + ((samples - 1) * group + b) * units + unit
                _store(workspace, to, _load(workspace, gradient + unit))
                continue
            largest = _load(workspace, feature + units + unit)
            count = zero
            for sample in range(samples):
                at = layer[STATES] + ((sample + 1) * group + b) * row + unit
                mask = (sample * batch + first + b) * layer[TRUE_UNITS] + unit
                count = count + _equal(_masked(_load(workspace, at), layer, network, mask, dropout), largest)
            of_mean = _load(workspace, gradient + unit) * _constant(1.0 / samples)
            # As torch, share the gradient of the maximum among equal values.
            of_largest = _load(workspace, gradient + units + unit) / count
            for sample in range(samples):
                at = layer[STATES] + ((sample + 1) * group + b) * row + unit
                mask = (sample * batch + first + b) * layer[TRUE_UNITS] + unit
                is_largest = _equal(_masked(_load(workspace, at), layer, network, mask, dropout), largest)
                to = layer[GRADIENTS] + (sample * group + b) * units + unit
                _store(workspace, to, _multiply_add(of_largest, is_largest, of_mean))


@_compiled
def _layer_backward(
    layer: Integers, below: Integers, network: Network, first: int, group: int, batch: int, dropout: bool
) -> None:
    """Add to the gradient of a layer's weights, and write that of what the layer below gave."""
    workspace = network.workspace
    units, row, samples = layer[UNITS], layer[ROW], layer[SAMPLES]
    width = 4 * units
    across = units if layer[FIRST] == 1 else units + layer[INPUTS]
    # Of h and c, from the sample after this one.
    from_h = network.step_offset
    from_c = from_h + group * units
    for k in range(2 * group * units):
        workspace[from_h + k] = 0.0
    end = samples
    block = max(1, GRADIENT_ROWS // group)
    for sample in range(samples - 1, -1, -1):
        gates = layer[GATES] + sample * group * width
        for b in range(group):
            gate = gates + b * width
            at = (sample * group + b) * units
            mask = (sample * batch + first + b) * layer[TRUE_UNITS]
            for unit in range(0, units, LANES):
                one = _constant(1.0)
                i = _load(workspace, gate + unit)
                f = _load(workspace, gate + units + unit)
                g = _load(workspace, gate + 2 * units + unit)
                o = _load(workspace, gate + 3 * units + unit)
                t = _load(workspace, layer[TANH_CELLS] + at + unit)
                given = _masked(_load(workspace, layer[GRADIENTS] + at + unit), layer, network, mask + unit, dropout)
                dh = given + _load(workspace, from_h + b * units + unit)
                dc = _multiply_add(dh * o, one - t * t, _load(workspace, from_c + b * units + unit))
                _store(workspace, from_c + b * units + unit, dc * f)
                _store(workspace, gate + unit, dc * g * i * (one - i))
                before = _load(workspace, layer[CELLS] + at + unit)
                _store(workspace, gate + units + unit, dc * before * f * (one - f))
                _store(workspace, gate + 2 * units + unit, dc * i * (one - g * g))
                _store(workspace, gate + 3 * units + unit, dh * t * o * (one - o))
        # fmt: off
        if sample > 0:
            product(
                workspace, from_h, units,
                workspace, gates, width, 1,
                workspace, layer[TRANSPOSED], across,
                group, units, width, 0,
            )
        if layer[FIRST] == 0:
            product(
                workspace, below[GRADIENTS] + sample * group * below[UNITS], below[UNITS],
                workspace, gates, width, 1,
                workspace, layer[TRANSPOSED] + units, across,
                group, below[UNITS], width, 0,
            )
        if end - sample == block or sample == 0:
            product(
                network.gradient, layer[WEIGHTS], width,
                workspace, layer[STATES] + sample * group * row, 1, row,
                workspace, gates, width,
                row, width, (end - sample) * group, 1,
            )
            end = sample
        # fmt: on


# -------------------------------------------------------------------------------------------------------------- network


@_compiled
def _forward(
    network: Network, windows: Windows, order: Integers, at: int, first: int, group: int, batch: int, dropout: bool
) -> None:
    """Compute features and logits of a group of windows.

    Args:
        network: The network.
        windows: All windows.
        order: Indices of the windows of all batches.
        at: Where the group begins in it.
        first: Where the group begins in the batch.
        group: Windows in the group.
        batch: Windows in the batch.
        dropout: Whether the masks are applied.
    """
    workspace = network.workspace
    layers = network.layers
    for k in range(len(layers)):
        _fill_rows(layers[k], network, windows, order, at, group)
        if layers[k, FIRST] == 0:
            _pass_up(layers[k - 1], layers[k], network, first, group, batch, dropout)
        _layer_forward(layers[k], network, group)
        if layers[k, LAST] == 1:
            _pool(layers[k], network, first, group, batch, dropout)
    inputs = network.head_inputs
    statistics = network.statistics
    for b in range(group):
        to = network.features_offset + b * (inputs + 1)
        for k in range(statistics):
            workspace[to + inputs - statistics + k] = windows.statistics[order[at + b] * statistics + k]
        workspace[to + inputs] = 1.0
    # fmt: off
    product(
        workspace, network.logits_offset, network.head_columns,
        workspace, network.features_offset, inputs + 1, 1,
        network.parameters, network.head_weights, network.head_columns,
        group, network.head_columns, inputs + 1, 0,
    )
    # fmt: on


@_compiled
def _loss(
    network: Network, windows: Windows, recipe: Recipe, order: Integers, at: int, group: int, batch: int
) -> tuple[float, int]:
    """Return the group's share of the batch's loss [nat] and how many are right; put gradients in place of logits."""
    workspace = network.workspace
    classes = network.classes
    smoothing = recipe.label_smoothing
    loss, right = 0.0, 0
    for b in range(group):
        logits = network.logits_offset + b * network.head_columns
        label = windows.labels[order[at + b]]
        weight = recipe.class_weights[label] / batch
        best = 0
        for k in range(classes):
            if workspace[logits + k] > workspace[logits + best]:
                best = k
        right += best == label
        largest = np.float64(workspace[logits + best])
        total, mean = 0.0, 0.0
        for k in range(classes):
            total += np.exp(workspace[logits + k] - largest)
            mean += (workspace[logits + k] - largest) / classes
        of_label = workspace[logits + label] - largest
        loss += weight * (np.log(total) - (1.0 - smoothing) * of_label - smoothing * mean)
        for k in range(classes):
            target = smoothing / classes + (1.0 - smoothing if k == label else 0.0)
            share = np.exp(workspace[logits + k] - largest) / total
            workspace[logits + k] = np.float32(weight * (share - target))
        for k in range(classes, network.head_columns):
            workspace[logits + k] = 0.0
    return loss, right


@_compiled
def _backward(network: Network, first: int, group: int, batch: int, dropout: bool) -> None:
    """Add a group's part to the gradient."""
    workspace = network.workspace
    layers = network.layers
    inputs, columns = network.head_inputs, network.head_columns
    features = inputs - network.statistics
    # fmt: off
    product(
        network.gradient, network.head_weights, columns,
        workspace, network.features_offset, 1, inputs + 1,
        workspace, network.logits_offset, columns,
        inputs + 1, columns, group, 1,
    )
    product(
        workspace, network.feature_gradients_offset, features,
        workspace, network.logits_offset, columns, 1,
        workspace, network.head_transposed_offset, features,
        group, features, columns, 0,
    )
    # fmt: on
    for k in range(len(layers) - 1, -1, -1):
        if layers[k, LAST] == 1:
            _pool_backward(layers[k], network, features, first, group, batch, dropout)
        _layer_backward(layers[k], layers[max(0, k - 1)], network, first, group, batch, dropout)


@_compiled
def _transpose_weights(network: Network) -> None:
    layers = network.layers
    for k in range(len(layers)):
        units = layers[k, UNITS]
        rows = units if layers[k, FIRST] == 1 else units + layers[k, INPUTS]
        to = layers[k, TRANSPOSED]
        _transpose(network.parameters, layers[k, WEIGHTS], rows, 4 * units, network.workspace, to)
    features = network.head_inputs - network.statistics
    columns = network.head_columns
    to = network.head_transposed_offset
    _transpose(network.parameters, network.head_weights, features, columns, network.workspace, to)


# ------------------------------------------------------------------------------------------------------------- dropout


@_compiled
def _twisted(word: np.uint32, after: np.uint32, shifted: np.uint32) -> np.uint32:
    mixed = (word & np.uint32(0x80000000)) | (after & np.uint32(0x7FFFFFFF))
    return shifted ^ (mixed >> np.uint32(1)) ^ (np.uint32(0x9908B0DF) * (after & np.uint32(1)))


@_compiled
def _twist(random: NDArray[np.uint32]) -> None:
    """Make the next words of the Mersenne twister (Matsumoto and Nishimura 1998), not yet tempered."""
    for k in range(MT_WORDS - _MT_SHIFT):
        random[k] = _twisted(random[k], random[k + 1], random[k + _MT_SHIFT])
    for k in range(MT_WORDS - _MT_SHIFT, MT_WORDS - 1):
        random[k] = _twisted(random[k], random[k + 1], random[k + _MT_SHIFT - MT_WORDS])
    random[MT_WORDS - 1] = _twisted(random[MT_WORDS - 1], random[0], random[_MT_SHIFT - 1])


@_compiled
def _tempered(word: np.uint32) -> np.uint64:
    word ^= word >> np.uint32(11)
    word ^= (word << np.uint32(7)) & np.uint32(0x9D2C5680)
    word ^= (word << np.uint32(15)) & np.uint32(0xEFC60000)
    return np.uint64(word ^ (word >> np.uint32(18)))


@_compiled
def draw_mask(random: NDArray[np.uint32], drawn: Integers, keep: float, mask: NDArray[np.uint8]) -> None:
    """Draw a dropout mask as torch does from the same random state.

    Args:
        random: State of a Mersenne twister, (MT_WORDS,).
        drawn: How many of its words were used, (1,).
        keep: Share of values that are kept.
        mask: Gets 1 where a value is kept, else 0.
    """
    # Two words make a double of 53 bits between 0 and 1; it is compared with `keep`.
    limit = np.uint64(np.ceil(keep * 2.0**_RANDOM_BITS))
    bits = np.uint64((1 << _RANDOM_BITS) - 1)
    shift = np.uint64(32)
    done = 0
    while done < len(mask):
        if drawn[0] == MT_WORDS:
            _twist(random)
            drawn[0] = 0
        pairs = min((MT_WORDS - drawn[0]) // 2, len(mask) - done)
        words = random[drawn[0] : drawn[0] + 2 * pairs]
        block = mask[done : done + pairs]
        for k in range(pairs):
            block[k] = (((_tempered(words[2 * k]) << shift) | _tempered(words[2 * k + 1])) & bits) < limit
        done += pairs
        drawn[0] += 2 * pairs
        if drawn[0] == MT_WORDS - 1 and done < len(mask):
            high = _tempered(random[MT_WORDS - 1])
            _twist(random)
            mask[done] = (((high << shift) | _tempered(random[0])) & bits) < limit
            done += 1
            drawn[0] = 1


# ----------------------------------------------------------------------------------------------------------- optimiser


@_compiled
def _clip(gradient: Floats, limit: float) -> None:
    """Scale the gradient down to a largest norm, as torch's clip_grad_norm_."""
    square = 0.0
    for k in range(len(gradient)):
        square += np.float64(gradient[k]) * np.float64(gradient[k])
    factor = limit / (np.sqrt(square) + 1e-6)
    if not factor >= 1.0:
        scale = np.float32(factor)
        for k in range(len(gradient)):
            gradient[k] *= scale


@_compiled
def _update(network: Network, recipe: Recipe, rate: float, momentum: float, step: int) -> None:
    """Change the parameters by their gradient, as torch's optimisers do; `step` counts from 1."""
    parameters, gradient = network.parameters, network.gradient
    first_moment, second_moment = network.first_moment, network.second_moment
    kind = recipe.optimizer
    decoupled = _constant(1.0 - rate * recipe.weight_decay)
    penalty = _constant(0.0 if kind == _ADAMW else recipe.weight_decay)
    is_adam = kind in (_ADAMW, _ADAM)
    first_correction = 1.0 - momentum**step if is_adam else 1.0
    second_correction = 1.0 / np.sqrt(1.0 - recipe.beta2**step) if is_adam else 1.0
    for k in range(0, len(parameters), LANES):
        value, g = _load(parameters, k), _load(gradient, k)
        m, v = _load(first_moment, k), _load(second_moment, k)
        if kind == _ADAMW:
            value = value * decoupled
        g = _multiply_add(penalty, value, g)
        if kind == _SGD:
            m = _multiply_add(_constant(momentum), m, g)
        else:
            v = _multiply_add(_constant(1.0 - recipe.beta2), g * g, _constant(recipe.beta2) * v)
            scale = _multiply_add(_root(v), _constant(second_correction), _constant(recipe.epsilon))
            if is_adam:
                m = _multiply_add(_constant(1.0 - momentum), g - m, m)
                g = m / scale
            else:
                m = _multiply_add(_constant(momentum), m, g / scale)
        change = g if is_adam else m
        _store(parameters, k, value - _constant(rate / first_correction) * change)
        _store(first_moment, k, m)
        _store(second_moment, k, v)


# ---------------------------------------------------------------------------------------------------------------- calls


@_compiled
def gradient_of(
    network: Network, windows: Windows, recipe: Recipe, order: Integers, start: int, batch: int, dropout: bool
) -> tuple[float, int]:
    """Compute the gradient of a batch's loss.

    Args:
        network: The network; its gradient is replaced.
        windows: All windows.
        recipe: Weights of the classes and label smoothing.
        order: Indices of the windows of all batches.
        start: Where the batch begins in it.
        batch: Windows in the batch.
        dropout: Whether the network's masks are applied.

    Returns:
        The loss [nat], and how many windows are classified rightly.
    """
    network.gradient[:] = 0.0
    _transpose_weights(network)
    loss, right = 0.0, 0
    # Groups of the same size, except perhaps the last one.
    size = -(-batch // (-(-batch // GROUP)))
    for first in range(0, batch, size):
        group = min(size, batch - first)
        _forward(network, windows, order, start + first, first, group, batch, dropout)
        more, more_right = _loss(network, windows, recipe, order, start + first, group, batch)
        loss += more
        right += more_right
        _backward(network, first, group, batch, dropout)
    return loss, right


@_compiled
def train_steps(
    network: Network,
    windows: Windows,
    recipe: Recipe,
    order: Integers,
    batch_size: int,
    rates: NDArray[np.float64],
    momenta: NDArray[np.float64],
    step: int,
    draws: bool,
    losses: NDArray[np.float64],
) -> int:
    """Take one step for each batch.

    Args:
        network: The network.
        windows: All windows.
        recipe: How it is trained.
        order: Indices of the windows of all batches; the last batch may be smaller.
        batch_size: Windows in a batch.
        rates: Learning rate of each step.
        momenta: Momentum of each step: beta1 of Adam.
        step: How many steps the network has taken before.
        draws: Whether dropout masks are drawn here; else those in `network.masks` count, if there is dropout.
        losses: Gets the loss of each batch, before its step [nat].

    Returns:
        How many windows were classified rightly just before their step.
    """
    right = 0
    dropout = network.keep < 1.0
    for k in range(len(losses)):
        start = k * batch_size
        batch = min(batch_size, len(order) - start)
        if dropout and draws:
            for layer in network.layers:
                end = layer[MASKS] + layer[SAMPLES] * batch * layer[TRUE_UNITS]
                draw_mask(network.random, network.drawn, network.keep, network.masks[layer[MASKS] : end])
        losses[k], more = gradient_of(network, windows, recipe, order, start, batch, dropout)
        right += more
        if recipe.gradient_clip > 0.0:
            _clip(network.gradient, recipe.gradient_clip)
        _update(network, recipe, rates[k], momenta[k], step + k + 1)
    return right


@_compiled
def logits_of(network: Network, windows: Windows, order: Integers, logits: Floats, dropout: bool) -> None:
    """Write the logits of windows.

    Args:
        network: The network.
        windows: All windows.
        order: Indices of those wanted.
        logits: Gets (windows, classes), flat.
        dropout: Whether the network's masks are applied.
    """
    workspace = network.workspace
    for first in range(0, len(order), GROUP):
        group = min(GROUP, len(order) - first)
        _forward(network, windows, order, first, first, group, len(order), dropout)
        for b in range(group):
            at = network.logits_offset + b * network.head_columns
            for k in range(network.classes):
                logits[(first + b) * network.classes + k] = workspace[at + k]
