# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Templates of the pages: escaped, and strict about names that are not given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def open_template(path: Path, filters: Mapping[str, Callable[..., Any]] | None = None) -> jinja2.Template:
    """Open a template that renders to one HTML document.

    Args:
        path: The file; templates beside it can be included.
        filters: Filters that it uses besides those of Jinja.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(path.parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(path.name)
