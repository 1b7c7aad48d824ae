# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Published set-ups run again: the forum question about the fluctuating loss, and the protocol of BorealTC."""

__all__ = ['borealtc_protocol', 'forum_claims', 'forum_page', 'forum_runs', 'forum_task']
