"""Likelihood approximation, choice probability and omission networks in compiled float64.

A trial with a time asks the first (LAN), one whose time was not observed the second (CPN), one
without a response by a deadline the third (OPN). Values and derivatives by each trial's parameters
come from one pass over blocks of trials. Trials are encoded as `likely.trials` says;
`likely.kernels.classic_pullback` puts together what the networks say of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np

from likely.kernels.layers import backward, forward
from likely.kernels.mixture import REACH, supported
from likely.kernels.native import Packed
from likely.typing import FloatArray

_compiled = numba.njit(nogil=True, error_model="numpy")

BLOCK = 128  # network evaluations whose activations are held in memory together
UNIT = 20.0  # the longest time, as an input of the networks
SHORTEST = 1e-3  # time, as an input, below which its logarithm stands still
DEADLINES = 1e-3  # shortest decision time, over the longest, that omission networks tell apart
IMPOSSIBLE, CERTAIN, DENSITY, MARGINAL, CHOICE, SURVIVAL = range(6)  # what a trial contributes


class Layout(NamedTuple):
    """What compiled code must know of the networks besides their weights.

    Args:
        non_decision: column of the non-decision time, or -1.
        shifted: whether the LAN sees decision times (1) rather than response times (0).
        activations: of the hidden layers of LAN, CPN and OPN (`likely.kernels.elementary`).
        lan: widths of the layers of the LAN, inputs and outputs included (int64).
        cpn: the same of the CPN; empty if there is none.
        opn: the same of the OPN; empty if there is none.
        longest: decision time in seconds at which training data end.
        latest: response time in seconds at which training data end.
        scaling: centre and half-width of each parameter's box, (p, 2).
        support: lower and upper end of each parameter's support, (p, 2).
        choices: values of the choices (float64).
    """

    non_decision: int
    shifted: int
    activations: np.ndarray
    lan: np.ndarray
    cpn: np.ndarray
    opn: np.ndarray
    longest: float
    latest: float
    scaling: FloatArray
    support: FloatArray
    choices: FloatArray


def pack(layout: Layout) -> Packed:
    """Return a layout as the entry points below read it."""
    networks = (layout.lan, layout.cpn, layout.opn)
    counts = [layout.non_decision, layout.shifted, len(layout.scaling), len(layout.choices)]
    whole = [*counts, *layout.activations, *map(len, networks), *np.concatenate(networks)]
    tables = [layout.scaling.ravel(), layout.support.ravel(), layout.choices]
    return Packed(
        np.array(whole, dtype=np.int64),
        np.concatenate([[layout.longest, layout.latest], *tables]),
    )


@_compiled
def unpack(whole, real):  # type: ignore[no-untyped-def]
    """Return the layout that `pack` packed."""
    p = whole[2]
    lan, cpn, opn = 10 + whole[7], 10 + whole[7] + whole[8], 10 + whole[7] + whole[8] + whole[9]
    return Layout(
        whole[0],
        whole[1],
        whole[4:7],
        whole[10:lan],
        whole[lan:cpn],
        whole[cpn:opn],
        real[0],
        real[1],
        real[2 : 2 + 2 * p].reshape((p, 2)),
        real[2 + 2 * p : 2 + 4 * p].reshape((p, 2)),
        real[2 + 4 * p : 2 + 4 * p + whole[3]],
    )


@_compiled
def _size(sizes):  # type: ignore[no-untyped-def]
    """Return the number of weights of a network."""
    count = 0
    for layer in range(len(sizes) - 1):
        count += (sizes[layer] + 1) * sizes[layer + 1]
    return count


@_compiled
def _workspace(sizes):  # type: ignore[no-untyped-def]
    """Return inputs (m, BLOCK) and room for values, slopes, cotangents and an activation."""
    widest = 0
    for size in sizes:
        widest = max(widest, size)
    shape = (len(sizes), BLOCK * widest)
    x = np.empty((sizes[0], BLOCK))
    return x, np.empty(shape), np.empty(shape), np.empty(shape), np.empty(BLOCK * widest)


@_compiled
def _scaled(layout, row, keep_shift, x):  # type: ignore[no-untyped-def]
    """Write parameters, scaled to run from -1 to 1 over the box, and return how many."""
    k = 0
    for j in range(len(row)):
        if j != layout.non_decision or keep_shift:
            value = (row[j] - layout.scaling[j, 0]) / layout.scaling[j, 1]
            x[k] = min(max(value, -REACH), REACH)
            k += 1
    return k


@_compiled
def _by_parameters(layout, x, keep_shift, cotangent, gradient):  # type: ignore[no-untyped-def]
    """Write derivatives by the parameters, given those by the scaled ones; return how many."""
    k = 0
    for j in range(len(gradient)):
        gradient[j] = 0.0
        if j != layout.non_decision or keep_shift:
            if abs(x[k]) < REACH:
                gradient[j] = cotangent[k] / layout.scaling[j, 1]
            k += 1
    return k


@_compiled
def shift_of(layout, row):  # type: ignore[no-untyped-def]
    """Return the non-decision time of a row; 0 where none is declared."""
    return row[layout.non_decision] if layout.non_decision >= 0 else 0.0


@_compiled
def contribution(layout, row, rt, choice):  # type: ignore[no-untyped-def]
    """Return what a trial contributes, and the index of its choice if it matters."""
    timed = not (rt == -np.inf or math.isnan(rt))
    s = rt - shift_of(layout, row)
    possible = 0.0 < s < np.inf
    if not supported(layout.support, row):
        return IMPOSSIBLE, 0
    if choice == np.inf:
        if not timed or s <= 0.0:
            return CERTAIN, 0
        return (SURVIVAL if possible and len(layout.opn) > 0 else IMPOSSIBLE), 0
    if choice == -np.inf or math.isnan(choice):
        if not timed:
            return CERTAIN, 0
        return (MARGINAL if possible else IMPOSSIBLE), 0
    for c in range(len(layout.choices)):
        if layout.choices[c] == choice:
            if timed:
                return (DENSITY if possible else IMPOSSIBLE), c
            if len(layout.choices) == 1:
                return CERTAIN, c
            return (CHOICE if len(layout.cpn) > 0 else IMPOSSIBLE), c
    return IMPOSSIBLE, 0


@_compiled
def _lan_inputs(layout, row, rt, c, x):  # type: ignore[no-untyped-def]
    """Write the inputs of the LAN: parameters, time, and which choice it is."""
    k = _scaled(layout, row, layout.shifted == 0, x)
    unit = UNIT / layout.longest
    if layout.shifted:
        time = min(rt - shift_of(layout, row), layout.longest) * unit
        x[k] = 0.25 * time - 1.0
        x[k + 1] = math.log(max(time, SHORTEST))
        k += 2
    else:
        x[k] = min(rt, layout.latest) * unit
        k += 1
    for other in range(len(layout.choices)):
        x[k + other] = 1.0 if other == c else 0.0


@_compiled
def _lan_gradient(layout, row, rt, x, cotangent, gradient):  # type: ignore[no-untyped-def]
    """Write derivatives by the parameters, given those by the inputs."""
    k = _by_parameters(layout, x, layout.shifted == 0, cotangent, gradient)
    s = rt - shift_of(layout, row)
    if layout.shifted and s < layout.longest:
        unit = UNIT / layout.longest
        by_time = 0.25 * unit * cotangent[k]
        if s * unit > SHORTEST:
            by_time += cotangent[k + 1] / s
        gradient[layout.non_decision] -= by_time


@_compiled
def log_densities(weights, layout, theta, which, times, chosen, values, gradients):  # type: ignore[no-untyped-def]
    """Write the LAN's values (n,) and, unless it has no rows, derivatives (n, p).

    Args:
        weights: of all networks.
        layout: of all networks.
        theta: parameter rows.
        which: the row of each evaluation, (n,).
        times: response times, (n,).
        chosen: indices of choices, (n,).
        values: to be written.
        gradients: to be written.
    """
    own = weights[: _size(layout.lan)]
    x, hidden, slopes, spare, bits = _workspace(layout.lan)
    ones = np.ones((1, BLOCK))
    for begin in range(0, len(values), BLOCK):
        n = min(BLOCK, len(values) - begin)
        for i in range(n):
            k = begin + i
            _lan_inputs(layout, theta[which[k]], times[k], chosen[k], x[:, i])
        outputs = forward(own, layout.lan, layout.activations[0], x[:, :n], hidden, slopes, bits)
        for i in range(n):
            values[begin + i] = outputs[0, i]
        if len(gradients) > 0:
            by_inputs = backward(own, layout.lan, ones[:, :n], slopes, spare)
            for i in range(n):
                k = begin + i
                row = theta[which[k]]
                _lan_gradient(layout, row, times[k], x[:, i], by_inputs[:, i], gradients[k])


@_compiled
def log_choices(weights, layout, theta, which, chosen, values, gradients):  # type: ignore[no-untyped-def]
    """Write log probabilities of choices (n,) and, if wanted, derivatives; see `log_densities`.

    The network's outputs are the logits of all choices but the first, whose logit is 0.
    """
    first = _size(layout.lan)
    own = weights[first : first + _size(layout.cpn)]
    x, hidden, slopes, spare, bits = _workspace(layout.cpn)
    cotangents = np.empty((len(layout.choices) - 1, BLOCK))
    for begin in range(0, len(values), BLOCK):
        n = min(BLOCK, len(values) - begin)
        for i in range(n):
            _scaled(layout, theta[which[begin + i]], False, x[:, i])
        outputs = forward(own, layout.cpn, layout.activations[1], x[:, :n], hidden, slopes, bits)
        for i in range(n):
            c = chosen[begin + i]
            values[begin + i] = _log_softmax(outputs[:, i], c, cotangents[:, i])
        if len(gradients) > 0:
            by_inputs = backward(own, layout.cpn, cotangents[:, :n], slopes, spare)
            for i in range(n):
                _by_parameters(layout, x[:, i], False, by_inputs[:, i], gradients[begin + i])


@_compiled
def _log_softmax(logits, c, cotangent):  # type: ignore[no-untyped-def]
    """Return the log probability of choice c; write its derivative by the logits."""
    top = 0.0
    for logit in logits:
        top = max(top, logit)
    total = math.exp(-top)
    for logit in logits:
        total += math.exp(logit - top)
    for j in range(len(logits)):
        cotangent[j] = (1.0 if j == c - 1 else 0.0) - math.exp(logits[j] - top) / total
    return (logits[c - 1] if c > 0 else 0.0) - top - math.log(total)


@_compiled
def log_survivals(weights, layout, theta, which, times, values, gradients):  # type: ignore[no-untyped-def]
    """Write log probabilities of no response by `times` (n,); see `log_densities`."""
    first = _size(layout.lan) + _size(layout.cpn)
    own = weights[first : first + _size(layout.opn)]
    x, hidden, slopes, spare, bits = _workspace(layout.opn)
    cotangents = np.empty((1, BLOCK))
    half = -0.5 * math.log(DEADLINES)
    for begin in range(0, len(values), BLOCK):
        n = min(BLOCK, len(values) - begin)
        for i in range(n):
            row = theta[which[begin + i]]
            k = _scaled(layout, row, False, x[:, i])
            s = (times[begin + i] - shift_of(layout, row)) / layout.longest
            x[k, i] = math.log(min(max(s, DEADLINES), 1.0)) / half + 1.0
        outputs = forward(own, layout.opn, layout.activations[2], x[:, :n], hidden, slopes, bits)
        for i in range(n):
            logit = outputs[0, i]
            values[begin + i] = min(logit, 0.0) - math.log1p(math.exp(-abs(logit)))
            cotangents[0, i] = -math.expm1(values[begin + i])
        if len(gradients) > 0:
            by_inputs = backward(own, layout.opn, cotangents[:, :n], slopes, spare)
            for i in range(n):
                row, gradient = theta[which[begin + i]], gradients[begin + i]
                k = _by_parameters(layout, x[:, i], False, by_inputs[:, i], gradient)
                s = times[begin + i] - shift_of(layout, row)
                if layout.non_decision >= 0 and DEADLINES < s / layout.longest < 1.0:
                    gradient[layout.non_decision] -= by_inputs[k, i] / (half * s)
