# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""A `.npy` file that grows row by row, so that a data set larger than memory can be written.

NumPy pads the header of a `.npy` file so that the length of the first axis can be rewritten in place (see
`numpy.lib.format`), which is what `close` does.
"""

from __future__ import annotations

import io
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import ArrayLike, DTypeLike


class NpyAppender:
    """Writes rows of one shape and type to a `.npy` file; a context manager.

    Args:
        path: File to write.
        row_shape: Shape of one row: the shape of the array without its first axis.
        dtype: Type of the values.
    """

    def __init__(self, path: Path, row_shape: tuple[int, ...], dtype: DTypeLike) -> None:
        """Open the file with a header for no rows."""
        self._row_shape = row_shape
        self._dtype = np.dtype(dtype)
        self._rows = 0
        self._file = path.open('wb')
        self._header_size = self._file.write(self._header(0))

    def append(self, row: ArrayLike) -> None:
        """Append one row of `row_shape`."""
        array = np.asarray(row, dtype=self._dtype, order='C')
        if array.shape != self._row_shape:
            raise ValueError(f'row of shape {array.shape} in an array of rows {self._row_shape}')
        self._file.write(array.tobytes())
        self._rows += 1

    def extend(self, rows: ArrayLike) -> None:
        """Append several rows at once, shape (rows, *row_shape)."""
        array = np.asarray(rows, dtype=self._dtype, order='C')
        if array.shape[1:] != self._row_shape:
            raise ValueError(f'rows of shape {array.shape[1:]} in an array of rows {self._row_shape}')
        self._file.write(array.data if array.ndim and len(array) else b'')
        self._rows += len(array)

    def close(self) -> None:
        """Write the final number of rows into the header, and close the file."""
        if self._file.closed:
            return
        header = self._header(self._rows)
        if len(header) != self._header_size:
            raise RuntimeError('this NumPy does not reserve room for growth in .npy headers; use NumPy 1.24 or later')
        self._file.seek(0)
        self._file.write(header)
        self._file.close()

    def _header(self, rows: int) -> bytes:
        buffer = io.BytesIO()
        description = {
            'descr': np.lib.format.dtype_to_descr(self._dtype),
            'fortran_order': False,
            'shape': (rows, *self._row_shape),
        }
        np.lib.format.write_array_header_1_0(buffer, description)
        return buffer.getvalue()

    def __enter__(self) -> NpyAppender:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
