"""Densities that have compiled code, where it knows their form; what they share."""

from __future__ import annotations

import abc
import functools
from typing import Any

import numpy as np

from likely.declaration import Declaration
from likely.kernels import native
from likely.kernels.native import NO_INDEX, Kernels, Packed
from likely.networks.density import Density
from likely.networks.in_jax import draw_in_jax, tabulate_in_jax
from likely.typing import FloatArray

AT_ONCE = 65_536  # pairs of row and trial tabulated at once, which bounds memory


class CompiledDensity(Density):
    """A density with compiled code for some of its forms; the others run in JAX.

    To add one, write a frozen, hashable dataclass with what `Density` asks for and this class does
    not define, and add it to `likely.files.KINDS`.
    """

    @property
    @abc.abstractmethod
    def kernels(self) -> Kernels:
        """The loops of its compiled code."""

    @property
    @abc.abstractmethod
    def packed(self) -> Packed:
        """What compiled code must know; of forms that are compilable alone."""

    @abc.abstractmethod
    def evaluate_in_jax(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Do what `evaluate` does, in JAX."""

    def evaluate(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return log densities (n,) and their gradients (n, p), without shortcuts between rows."""
        if not self.compilable:
            return self.evaluate_in_jax(weights, theta, trials)
        own = np.repeat(theta, len(trials), axis=0) if len(theta) == 1 else theta
        return self._pull_exactly(weights, own, trials, np.ones(len(trials)))

    def log_densities(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> FloatArray:
        """Return log densities (n,), without shortcuts between parameter rows."""
        if not self.compilable:
            return super().log_densities(weights, theta, trials)
        return self._pull_exactly(weights, theta, trials, None)[0]

    def _pull_exactly(
        self,
        weights: FloatArray,
        theta: FloatArray,
        trials: FloatArray,
        cotangents: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Do what `pull` does for one row, or one a trial, without the shortcut."""
        kernels, prepared = self.kernels._replace(shortcut=None), _floats(self.prepared(weights))
        rows, trials = self._rows(theta), _floats(trials)
        return native.pull(kernels, prepared, self.packed, rows, NO_INDEX, trials, cotangents)

    def tabulate(self, weights: FloatArray, theta: FloatArray, trials: FloatArray) -> FloatArray:
        """Return log densities (r, n)."""
        if not self.compilable:
            return tabulate_in_jax(self, weights, theta, trials)
        n, prepared = len(trials), self.prepared(weights)
        step = max(AT_ONCE // max(n, 1), 1)
        parts = [theta[begin : begin + step] for begin in range(0, len(theta), step)]
        found = [
            self.pull(prepared, rows, np.repeat(np.arange(len(rows)), n),
                      np.tile(trials, (len(rows), 1)), None)[0]
            for rows in parts
        ]  # fmt: skip
        return np.concatenate([np.empty(0), *found]).reshape(len(theta), n)

    def transform(
        self, weights: FloatArray, theta: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        """Return trials (n, 2)."""
        if not self.compilable:
            return draw_in_jax(self, weights, theta, uniforms, normals)
        kernel = self.kernels.draws
        weights, uniforms, normals = map(_floats, (weights, uniforms, normals))
        rows = self._rows(theta)
        return native.draw_trials(kernel, weights, self.packed, rows, uniforms, normals)

    def pull(
        self,
        weights: FloatArray,
        theta: FloatArray,
        index: np.ndarray,
        trials: FloatArray,
        cotangents: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return log densities (n,) and the gradient (r, p)."""
        if len(weights) != self._prepared_size:
            raise ValueError(f"{len(weights)} weights are not prepared ones.")
        index = np.ascontiguousarray(index, dtype=np.int64)
        cotangents = None if cotangents is None else _floats(cotangents)
        weights, rows, trials = _floats(weights), self._rows(theta), _floats(trials)
        return native.pull(self.kernels, weights, self.packed, rows, index, trials, cotangents)

    def _rows(self, theta: FloatArray) -> FloatArray:
        """Return parameter rows as compiled code reads them."""
        wanted = len(self.declaration.parameters)
        if theta.shape[1] != wanted:
            raise ValueError(f"rows of {theta.shape[1]} parameters do not fit a model of {wanted}.")
        return _floats(theta)

    @functools.cached_property
    def _prepared_size(self) -> int:
        return len(self.prepared(np.zeros(self.size)))

    def compiled_pullback(self, threads: int = 1) -> Any:
        """Return the numba function(weights, theta, index, trials, cotangents, wanted)."""
        p = len(self.declaration.parameters)
        return native.pullback_caller(self.kernels, self._prepared_size, self.packed, p, threads)

    def compiled_draws(self) -> Any:
        """Return the numba function(weights, theta, uniforms, normals)."""
        p = len(self.declaration.parameters)
        return native.draws_caller(self.kernels.draws, self.size, self.packed, p)


def _floats(array: FloatArray) -> FloatArray:
    """Return an array as compiled code reads it, through a bare pointer; a copy where needed."""
    return np.ascontiguousarray(array, dtype=np.float64)


def is_plain(declaration: Declaration) -> bool:
    """Whether there are no constraints and no spread, of which compiled code knows nothing."""
    return not declaration.constraints and declaration.spread is None
