"""Densities of models made of parts that a network knows, in compiled float64: what they share.

A part is a mixture with a network (see `likely.kernels.mixture`), at parameters that are wired to
those of the model. The network is evaluated for blocks of parameter rows; what then is made of the
mixtures of a row is a `Law`. Derivatives flow backwards, as in `likely.kernels.pullback`: from
trials to the mixtures of the rows that they share, and from there once through the network.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from likely.kernels.closing import close
from likely.kernels.inequalities import Program, hold
from likely.kernels.mixture import (
    Layout,
    inputs,
    mixtures_at,
    normalise,
    pack,
    rows_of,
    supported,
    unpack,
)
from likely.kernels.mixture_draws import decision_time
from likely.kernels.native import Kernels, Packed
from likely.kernels.perceptron import abreast, backward, everything, forward, padded
from likely.kernels.pullback import by_logits, by_rows
from likely.kernels.rng import stream
from likely.kernels.rows import distinct_rows, group_by, row_of
from likely.typing import FloatArray

ROWS_AT_ONCE = 96  # parameter rows whose mixtures are held in memory together
NEITHER, ANY, NOBODY = -1, -2, -3  # in place of a choice: none of the model's, one of them, none

_compiled = numba.njit(nogil=True, error_model="numpy")


class Form(NamedTuple):
    """What compiled code must know of a density made of parts besides its weights.

    Args:
        columns: which parameter of the model each part's parameter is, or -1, (P, m) int64.
        constants: what it is where it is none, (P, m).
        others: columns of parameters that the law takes besides the parts, (q,) int64.
        support: lower and upper end of each parameter's support, (p, 2).
        program: constraints.
        choices: values of the choices (C,).
        non_decision: column of the non-decision time, or -1.
        part: the layout of the parts' mixture.
    """

    columns: np.ndarray
    constants: FloatArray
    others: np.ndarray
    support: FloatArray
    program: Program
    choices: FloatArray
    non_decision: int
    part: Layout


class Block(NamedTuple):
    """Parameter rows that are judged together, and their trials.

    Args:
        rows: parameters (R, p).
        inside: whether each row is within the support, and its constraints hold, (R,).
        own: places of trials, sorted by row.
        begins: where those of each row begin, (R + 1,).
    """

    rows: FloatArray
    inside: np.ndarray
    own: np.ndarray
    begins: np.ndarray


class Law(NamedTuple):
    """The compiled functions that a density made of parts consists of.

    To add one, define these, and call `kernels_of`.

    Args:
        room: function(form) that returns workspace for `judge`.
        judge: function(form, room, block, outputs, trials, cotangents, values, by_outputs, by_row)
            that writes the log densities of a block's trials, and adds their derivatives, times
            cotangents: those by the parts' outputs (R, P, m), which come normalised, and others by
            rows (R, p). Trials of rows that are not inside are left alone.
        draw: function(form, outputs (P, m), row, state) that returns a time, the place of a choice,
            and the next state of random numbers.
    """

    room: Any
    judge: Any
    draw: Any


def pack_form(form: Form) -> Packed:
    """Return a form as `unpack_form` reads it."""
    part, program = pack(form.part), form.program
    lengths = [*form.columns.shape, len(form.others), len(form.support), len(program.codes)]
    lengths += [len(form.choices)]
    whole = [*lengths, form.non_decision, *form.columns.ravel(), *form.others, *program.codes]
    real = [form.constants.ravel(), form.support.ravel(), program.operands, form.choices, part.real]
    return Packed(np.array([*whole, *part.whole], dtype=np.int64), np.concatenate(real))


@_compiled
def unpack_form(whole, real):  # type: ignore[no-untyped-def]
    """Return the form that was packed."""
    parts, own = whole[0], whole[1]
    others = 7 + parts * own
    codes = others + whole[2]
    rest = codes + whole[4]
    support = parts * own
    operands = support + 2 * whole[3]
    choices = operands + whole[4]
    last = choices + whole[5]
    return Form(
        whole[7:others].reshape((parts, own)),
        real[:support].reshape((parts, own)),
        whole[others:codes],
        real[support:operands].reshape((whole[3], 2)),
        Program(whole[codes:rest], real[operands:choices]),
        real[choices:last],
        whole[6],
        unpack(whole[rest:], real[last:]),
    )


@_compiled
def wired(form, rows):  # type: ignore[no-untyped-def]
    """Return the parameters of each row's parts, (rows * P, m)."""
    parts, own = form.columns.shape
    result = np.empty((rows.shape[0] * parts, own))
    for r in range(rows.shape[0]):
        for c in range(parts):
            for j in range(own):
                column = form.columns[c, j]
                value = rows[r, column] if column >= 0 else form.constants[c, j]
                result[r * parts + c, j] = value
    return result


@_compiled
def possible(form, row):  # type: ignore[no-untyped-def]
    """Tell whether a row is within the support, and its constraints hold."""
    stack = np.empty(len(form.program.codes))
    return supported(form.support, row) and hold(form.program, row, stack)


@_compiled
def chosen_of(choices, choice):  # type: ignore[no-untyped-def]
    """Return the place of a choice, or what there is in place of it."""
    if choice == np.inf:
        return NOBODY
    if choice == -np.inf or math.isnan(choice):
        return ANY
    for c in range(choices.shape[0]):
        if choices[c] == choice:
            return c
    return NEITHER


@_compiled
def decision(form, outputs, state):  # type: ignore[no-untyped-def]
    """Draw from a part with outputs (m,): a time, the place of a choice, and the next state."""
    components = form.part.components
    terms = len(form.part.choices) * components
    s, k, state = decision_time(outputs, terms, state)
    return s, k // components, state


@_compiled
def _block(form, rows, own, begins, values):  # type: ignore[no-untyped-def]
    """Return a block; write the log densities of what is impossible."""
    inside = np.empty(len(rows), dtype=np.bool_)
    for r in range(len(rows)):
        inside[r] = possible(form, rows[r])
        if not inside[r]:
            for k in range(begins[r], begins[r + 1]):
                values[own[k]] = -np.inf
    return Block(rows, inside, own, begins)


@_compiled
def _sorted(theta, index, n):  # type: ignore[no-untyped-def]
    """Return places of n trials sorted by row, and where those of each row begin."""
    which = np.empty(n, dtype=np.int64)
    for i in range(n):
        which[i] = row_of(index, len(theta), i)
    return group_by(which, len(theta))


def _puller(law: Law) -> Any:
    """Return the function that pulls derivatives back."""
    room, judge = law.room, law.judge

    @_compiled
    def pull(weights, form, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        """Write log densities (n,), and, unless gradient has no rows, its rows (r, p)."""
        plain, turned = weights[: len(weights) // 2], weights[len(weights) // 2 :]
        order, begins = _sorted(theta, index, len(trials))
        part, parts = form.part, len(form.columns)
        sizes, wanted = part.sizes, everything(part.sizes)
        terms, hidden = len(part.choices) * part.components, part.sizes[1:-1].sum()
        step, at = max(ROWS_AT_ONCE // parts, 1), room(form)
        for first in range(0, len(theta), step):
            rows = theta[first : first + step]
            block = _block(form, rows, order, begins[first : first + step + 1], values)
            own = wired(form, rows)
            x, none = np.empty((len(own), sizes[0])), np.empty((len(own), 0, 0))
            inputs(part.features, own, x, none)
            slopes = np.empty(padded(len(own)) * hidden)
            found = np.empty((sizes[-1], padded(len(own))))
            forward(plain, sizes, abreast(x), slopes, wanted, found)
            outputs = np.ascontiguousarray(found.T[: len(own)])
            normalise(outputs, none, terms)
            if sizes[-1] > 3 * terms:
                close(outputs, none, 3 * terms)
            by_outputs, by_row = np.zeros(outputs.shape), np.zeros(rows.shape)
            shape = (len(rows), parts, sizes[-1])
            judge(
                form, at, block, outputs.reshape(shape), trials, cotangents, values,
                by_outputs.reshape(shape), by_row,
            )  # fmt: skip
            if len(gradient) == 0:
                continue
            by_logits(outputs, by_outputs, terms)
            found = np.zeros((sizes[0], padded(len(own))))
            backward(turned, sizes, slopes, wanted, abreast(by_outputs), found)
            by_own = np.zeros(own.shape)
            by_rows(part.features, own, x, np.ascontiguousarray(found.T[: len(own)]), by_own)
            for r in range(len(rows)):
                if block.inside[r]:
                    gradient[first + r] += by_row[r]
                    _scatter(form, by_own[r * parts : (r + 1) * parts], gradient[first + r])

    return pull


@_compiled
def _scatter(form, by_own, gradient):  # type: ignore[no-untyped-def]
    """Add derivatives by the parameters of parts, (P, m), to those by the model's (p,)."""
    for c in range(form.columns.shape[0]):
        for j in range(form.columns.shape[1]):
            if form.columns[c, j] >= 0:
                gradient[form.columns[c, j]] += by_own[c, j]


def _drawing(law: Law) -> Any:
    """Return the function that draws trials."""
    draw = law.draw

    @_compiled
    def draws(weights, form, theta, uniforms, trials):  # type: ignore[no-untyped-def]
        representatives, which = distinct_rows(theta, len(trials))
        order, begins = group_by(which, len(representatives))
        bits, parts = uniforms.view(np.uint64), len(form.columns)
        for block in range(0, len(representatives), ROWS_AT_ONCE):
            stop = min(block + ROWS_AT_ONCE, len(representatives))
            rows = rows_of(theta, representatives, block, stop)
            outputs = mixtures_at(weights, form.part, wired(form, rows))
            for r in range(stop - block):
                ours, inside = outputs[r * parts : (r + 1) * parts], possible(form, rows[r])
                for i in order[begins[block + r] : begins[block + r + 1]]:
                    state = stream(bits[i, 0], bits[i, 1])
                    time, place, state = draw(form, ours, rows[r], state)
                    trials[i, 0] = time if inside else np.nan
                    trials[i, 1] = form.choices[place] if inside else np.nan

    return draws


def kernels_of(law: Law, name: str) -> Kernels:
    """Return the loops of a density made of parts; the name tells it apart from others.

    Their arguments are those that `likely.kernels.native` names, with weights beside transposed
    ones (`likely.kernels.perceptron.transposed`) for the pullback, and a packed form. Draws use the
    bits of uniforms (n, 2) as names of streams of random numbers, and none of the normals.
    """
    pull, drawn = _puller(law), _drawing(law)

    @_compiled
    def draws(weights, whole, real, theta, uniforms, normals, trials):  # type: ignore[no-untyped-def]
        drawn(weights, unpack_form(whole, real), theta, uniforms, trials)

    @_compiled
    def pullback(weights, whole, real, theta, index, trials, cotangents, values, gradient):  # type: ignore[no-untyped-def]
        form = unpack_form(whole, real)
        pull(weights, form, theta, index, trials, cotangents, values, gradient)

    for kernel in (draws, pullback):
        kernel.py_func.__qualname__ = f"{name}_{kernel.py_func.__name__}"
    return Kernels(pullback, draws)
