# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""HTML pages: sections, figures and what goes into them."""

__all__ = ['figures', 'page', 'page_inputs', 'page_template']
