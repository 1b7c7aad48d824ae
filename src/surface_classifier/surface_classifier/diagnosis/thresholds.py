# Copyright 2026 The surface_classifier authors
# SPDX-License-Identifier: Apache-2.0
"""Every threshold of the diagnosis, chosen on the generators `texture` and `ripple` (`bench/diagnosis.py --tune`).

Those of faulty sensors are in `data/survey/sensor_checks.py`, which data sets use as well.
"""

from __future__ import annotations

# ---- How long the probes run ----

FOLDS = 3  # folds of a probe; each is one run
# A training of many epochs is judged by its beginning; one of few steps an epoch takes longer to get anywhere.
MOST_EPOCHS, MOST_STEPS = 60, 180  # of a probe, whichever is later
FORK_EPOCHS, FORK_STEPS = 20, 60  # of an arm that is forked from a checkpoint, whichever is later
# Cost of an epoch of a probe on one core, which decides how many there are: per operation, per step through time.
SECONDS_PER_OPERATION = 1.2e-11
SECONDS_PER_TIME_STEP = 8e-6
PROBE_BUDGET_S = 60.0  # all probes of one diagnosis together, estimated [s]
LEAST_EPOCHS = 12
USUAL_ARMS = 6  # fresh arms that a diagnosis runs, about
LEARNT = 0.97  # a training that gets so many of its windows right has learnt them [1]

# ---- Labels ----

LINEAR_DOUBT = 0.05  # a label the linear discriminant gives less is doubted [1]
TREES_DOUBT = 0.12  # a label the trees give less is doubted [1]
NOISY_LABELS = 0.06  # share of labels drawn at random from which wrong labels are said [1], ...
NOISE_SUPPORT = 0.7  # ... if it makes the labels so much likelier [nat]
VERY_NOISY_LABELS = 0.15  # share from which no label has to be out of line with its recording [1]
PERMUTATIONS = 16

# ---- Data ----

RARITY_LOSS = 0.10  # recall that a common surface loses when it is made as rare as the rarest [1]
IMBALANCE_RATIO = 4.0  # windows of the commonest class for one of the rarest
ALIASED_SHARE = 0.01  # share of the power that lies above the grid's Nyquist frequency [1]
MOSTLY_ALIASED = 0.1  # share from which rates and labels cannot be judged before it is taken out [1]

# ---- Which arms are run ----

SMALL_BATCH = 16  # a batch below it may be too small
USUAL_BATCH = 32
DEEP_LAYERS = 3
MANY_WEIGHTS = 250.0  # recurrent weights for each window from which a network may be too large
NARROW_UNITS = 24

# ---- What counts as better: the most that no tuning case was judged wrongly by ----

LEARNS = 0.08  # more of the training windows right [1]
GENERALISES = 0.065  # more of the held-out windows right, and ...
STANDARD_ERRORS = 2.0  # ... so many standard errors of the difference
FITS = 0.08  # lower training loss [nat], where ...
HALVED = 0.65  # ... no more than this share of the loss is left [1]
SPEEDS_UP = 0.30  # more of the training windows right at a higher rate [1]
SMALL_LOSS = 0.02  # below it a loss does not matter [nat]
SAME_GAIN = 0.5  # an arm explains another if it falls short of it by less than this share of LEARNS and GENERALISES
WOBBLE = 0.04  # a loss that deviates less from its trend is calm [1]
STEADIES = 1.5  # an arm steadies if it deviates so many times less
SMALL_STEADIES = 3.0  # a small network steadies if it deviates so many times less [1]
BATCH_COST = 1.15  # training loss over that of all windows in a step, from one checkpoint [1]
RESTLESS = 0.18  # a loss that deviates more from its trend makes it matter at which epoch a training stops [1]
STRONG_DROPOUT = 0.4  # from which dropout is looked at even where the batch is noisier [1]
CALM = 0.5  # share of the wobble that may be left where its cause is gone [1]

# ---- Signs of a cause ----

LARGE_GRADIENT = 3.0  # norm of the gradient at the first weights, of the fold where it is largest
VANISHED_SHARE = 0.1  # of the first layer's gradient in the head's

# ---- What simple classifiers and data arms must show ----

ABOVE_CHANCE = 0.04  # accuracy above the 99th percentile of permuted labels that counts as learnt [1]
BALANCE_GAIN = 0.03  # of mean recall, by weights in the loss [1]
LEAKAGE = 0.12  # accuracy that a split by window adds [1]
