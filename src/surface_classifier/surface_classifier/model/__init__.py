# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""The model room: the LSTM, its contract and checkpoint, the inference engines and the labels they give."""
