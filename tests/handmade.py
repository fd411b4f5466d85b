"""A likelihood with weights written by hand: valid, quick to make, and not the least accurate."""

from __future__ import annotations

import numpy as np

from likely.likelihood import Likelihood, Training
from likely.networks.mixture import MixtureDensity
from likely.zoo import models

LOG_A_CENTRE, LOG_A_HALF_WIDTH = 0.5 * np.log(0.2 * 4.0), 0.5 * np.log(4.0 / 0.2)


def handmade_ddm() -> Likelihood:
    """Return P(+1) = sigmoid(v + 3 (z - 0.5) / 0.45), and times IG(a, a^2) whatever the choice."""
    density = MixtureDensity.for_model(models["ddm"].declaration, (), 1)
    inputs = [(f.column, f.logarithm) for f in density.features]
    v, log_a, z = inputs.index((0, False)), inputs.index((1, True)), inputs.index((2, False))
    kernel, bias = np.zeros((len(inputs), 6)), np.zeros(6)  # to log w, log mu, log lambda
    kernel[v, 1], kernel[z, 1] = 6.0, 3.0
    kernel[log_a, 2:4], bias[2:4] = LOG_A_HALF_WIDTH, LOG_A_CENTRE
    kernel[log_a, 4:6], bias[4:6] = 2 * LOG_A_HALF_WIDTH, 2 * LOG_A_CENTRE
    arrays = {"dense0/kernel": kernel, "dense0/bias": bias, "skip/kernel": np.zeros_like(kernel)}
    training = Training(labels="none", seed=0, steps=0, draws=0, seconds=0.0, version="0")
    return Likelihood(density, density.flatten(arrays), training)
