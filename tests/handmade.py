"""A likelihood with weights written by hand: valid, quick to make, and not the least accurate."""

from __future__ import annotations

import numpy as np

from likely.likelihood import Likelihood, Training
from likely.networks.mixture import MixtureDensity
from likely.zoo import models

LOG_A_CENTRE, LOG_A_HALF_WIDTH = 0.5 * np.log(0.2 * 4.0), 0.5 * np.log(4.0 / 0.2)


def handmade_ddm() -> Likelihood:
    """Return P(+1) = sigmoid(v + 3 (z - 0.5) / 0.45), and times IG(a, a^2) whatever the choice."""
    density = MixtureDensity.for_model(models["ddm"].declaration, ())
    k = density.components  # of each choice, all alike
    inputs = [(f.column, f.logarithm) for f in density.features]
    v, log_a, z = inputs.index((0, False)), inputs.index((1, True)), inputs.index((2, False))
    kernel, bias = np.zeros((len(inputs), 6 * k)), np.zeros(6 * k)
    upper, log_mu, log_lambda = slice(k, 2 * k), slice(2 * k, 4 * k), slice(4 * k, 6 * k)
    kernel[v, upper], kernel[z, upper] = 6.0, 3.0
    kernel[log_a, log_mu], bias[log_mu] = LOG_A_HALF_WIDTH, LOG_A_CENTRE
    kernel[log_a, log_lambda], bias[log_lambda] = 2 * LOG_A_HALF_WIDTH, 2 * LOG_A_CENTRE
    arrays = {"dense0/kernel": kernel, "dense0/bias": bias, "skip/kernel": np.zeros_like(kernel)}
    training = Training(labels="none", seed=0, steps=0, draws=0, seconds=0.0, version="0")
    return Likelihood(density, density.flatten(arrays), training)
