"""What every kind of trained density offers the rest of the package."""

from __future__ import annotations

import abc
from typing import TYPE_CHECKING, Any

import numpy as np

from likely.declaration import Declaration
from likely.typing import FloatArray

if TYPE_CHECKING:
    import jax


class Density(abc.ABC):
    """The form of a conditional density of trials given parameters, without its weights.

    To add one, write a frozen, hashable dataclass that defines everything below, and add it to
    `likely.files.KINDS`. Weights are one flat array everywhere but in files. Trials are pairs (rt,
    choice) as `likely.trials.encode` writes them; parameters are rows (1, p) or (n, p).
    """

    declaration: Declaration

    @property
    @abc.abstractmethod
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name and shape of each weight array, in the order of the flat array."""

    @abc.abstractmethod
    def specification(self) -> dict[str, Any]:
        """Return what, besides the declaration, is needed to build this form again, for JSON."""

    @property
    @abc.abstractmethod
    def compilable(self) -> bool:
        """Whether there is compiled code for it; otherwise it runs in JAX everywhere."""

    @abc.abstractmethod
    def unanswerable(self, trials: FloatArray) -> str | None:
        """Say why encoded trials (n, 2) are of a kind that it cannot judge; None if it can."""

    @abc.abstractmethod
    def evaluate(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Return each trial's log density, (n,), and its gradient by its parameters, (n, p)."""

    def log_densities(
        self, weights: FloatArray, theta: FloatArray, trials: FloatArray
    ) -> FloatArray:
        """Return log densities (n,) alone, which may cost less than with their gradients."""
        return self.evaluate(weights, theta, trials)[0]

    def tabulate(self, weights: FloatArray, theta: FloatArray, trials: FloatArray) -> FloatArray:
        """Return the log density of each trial (n, 2) at each of r parameter rows: (r, n)."""
        values = [self.evaluate(weights, row[None], trials)[0] for row in theta]
        return np.array(values).reshape(len(theta), len(trials))

    @abc.abstractmethod
    def transform(
        self, weights: FloatArray, theta: FloatArray, uniforms: FloatArray, normals: FloatArray
    ) -> FloatArray:
        """Return trials (n, 2) from uniforms (n, 2) and standard normals (n,)."""

    @abc.abstractmethod
    def prepared(self, weights: FloatArray) -> FloatArray:
        """Return weights as `pull` wants them: the flat array, perhaps with more after it."""

    @abc.abstractmethod
    def pull(
        self,
        weights: FloatArray,
        theta: FloatArray,
        index: np.ndarray,
        trials: FloatArray,
        cotangents: FloatArray | None,
    ) -> tuple[FloatArray, FloatArray]:
        """Return log densities and their derivative by parameter rows, in compiled code.

        Args:
            weights: prepared.
            theta: rows (r, p).
            index: the row of each trial, int64 (n,); or of length 0, if there is one row only or
                one a trial.
            trials: (n, 2).
            cotangents: what the derivative of each trial is multiplied with, (n,); None if no
                derivative is wanted.

        Returns:
            Log densities (n,) and the gradient (r, p), or (0, p) if it is not wanted.
        """

    @abc.abstractmethod
    def compiled_pullback(self, threads: int = 1) -> Any:
        """Return a numba function(weights, theta, index, trials, cotangents, wanted): `pull`.

        It divides the trials of a call among so many threads at most.
        """

    @abc.abstractmethod
    def compiled_draws(self) -> Any:
        """Return a numba function that does what `transform` does."""

    @abc.abstractmethod
    def log_density(self, weights: jax.Array, theta: jax.Array, trials: jax.Array) -> jax.Array:
        """Log density of each trial, (n,), in JAX."""

    @abc.abstractmethod
    def log_density_of_rows(
        self, weights: jax.Array, theta: jax.Array, index: jax.Array, trials: jax.Array
    ) -> jax.Array:
        """Log density of each trial, (n,), at row theta[index], in JAX."""

    @abc.abstractmethod
    def draws(
        self, weights: jax.Array, theta: jax.Array, uniforms: jax.Array, normals: jax.Array
    ) -> jax.Array:
        """Do what `transform` does, in JAX."""

    @property
    def size(self) -> int:
        """Number of weights."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    def unflatten(self, weights: Any) -> dict[str, Any]:
        """Cut the flat array into named arrays."""
        arrays, begin = {}, 0
        for name, shape in self.shapes.items():
            end = begin + int(np.prod(shape))
            arrays[name] = weights[begin:end].reshape(shape)
            begin = end
        return arrays

    def flatten(self, arrays: dict[str, Any]) -> FloatArray:
        """Join named arrays into the flat array."""
        parts = [np.asarray(arrays[name], dtype=np.float64).ravel() for name in self.shapes]
        return np.concatenate([np.empty(0), *parts])
