"""Any simulator of response times and choices as a model."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba.core.errors import NumbaError

from likely.about import About
from likely.declaration import Declaration
from likely.declaring import Limits, choices_of, parameters_of
from likely.densities.twin import ExactTwin
from likely.errors import ModelError
from likely.kernels import compiled
from likely.model import Model, require_passages, set_fields
from likely.model_functions import arguments, require_known, require_plain, require_used
from likely.typing import FirstPassages, FloatArray


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Simulator(Model):
    """Any simulator of (response time, choice).

    Args:
        name: what the model is called.
        parameters: name -> (lower, upper) of the box, or a Parameter.
        choices: the values a choice may take, ascending.
        simulate: function(rng, **parameters) -> (rt, choice), one trial a call, in Python that
            numba can compile; rng is a numpy Generator. A trial that never ends returns rt = nan
            or inf. With `vectorized`, a numpy function of arrays that returns two arrays.
        vectorized: whether `simulate` takes and returns arrays (n,), one value a trial.
        non_decision: name of a parameter that `simulate` does nothing with but add it to rt. It is
            then a pure shift, which makes the likelihood's support exact.
        spread: name of the half range of a non-decision time that varies uniformly from trial to
            trial. `simulate` then draws it, from non_decision - spread to non_decision + spread.
        twin: the exact density, where one is known; likelihoods are then trained on it and judged
            by it.
        constraints: inequalities between parameters that must hold, such as "A < b".
        about: what a page about the model says.

    Raises:
        ModelError: if arguments and parameters do not match. When first simulated: if numba cannot
            compile the function, it returns times that are not positive or choices not declared,
            takes randomness from elsewhere than rng, or the non-decision parameter is not a pure
            shift.
    """

    simulate: Callable[..., Any]
    vectorized: bool
    known_twin: ExactTwin | None

    def __init__(
        self,
        name: str,
        *,
        parameters: Limits,
        choices: tuple[int, ...],
        simulate: Callable[..., Any],
        vectorized: bool = False,
        non_decision: str | None = None,
        spread: str | None = None,
        twin: ExactTwin | None = None,
        constraints: tuple[str, ...] = (),
        about: About | None = None,
    ) -> None:
        given, values = parameters_of(parameters), choices_of(choices)
        declaration = Declaration(name, given, values, non_decision, spread, tuple(constraints))
        used = set(arguments(simulate))
        if not vectorized:
            require_plain(simulate, name)
        if not vectorized or used - {"rng"}:
            require_known(simulate, set(declaration.names) | {"rng"}, name)
            require_used(set(declaration.names) - used, name)
        set_fields(
            self,
            declaration,
            about,
            simulate=simulate,
            vectorized=vectorized,
            known_twin=twin,
        )

    @property
    def twin(self) -> ExactTwin | None:
        """The exact density that the simulator was declared with, if it was."""
        return self.known_twin

    @functools.cached_property
    def first_passages(self) -> FirstPassages:
        """The sampler; compiled, and tried once, when first asked for."""
        wrap = compiled.vectorized_trials if self.vectorized else compiled.compile_trials
        fill = _explaining(wrap(self.simulate, self.declaration.names), self.name)
        self._try(fill)
        return fill

    def _try(self, fill: FirstPassages) -> None:
        """Run one trial at 64 points of the box and check what comes back."""
        rows = self.declaration.shaping_rows(np.random.default_rng(0), 64)
        column = self.declaration.non_decision_column
        trials = _one_each(fill, rows)
        require_passages(self.declaration, *trials)
        if not _agree(_one_each(fill, rows), trials):
            raise ModelError(
                f"model '{self.name}': the same seed gives different trials; every random number "
                "must come from the argument rng."
            )
        if column is not None:
            rows[:, column] += 0.25
            times, choices = _one_each(fill, rows)
            if not _agree((times - 0.25, choices), trials):
                raise ModelError(
                    f"model '{self.name}': '{self.declaration.non_decision}' is declared as the "
                    "non-decision time but does more, or less, than being added to rt."
                )


def _one_each(fill: FirstPassages, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    times, choices = np.empty(len(rows)), np.empty(len(rows))
    fill(rows, 1, 0, 0, math.inf, times, choices)
    return times, choices


def _agree(one: tuple[FloatArray, FloatArray], other: tuple[FloatArray, FloatArray]) -> bool:
    return all(np.allclose(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def _explaining(fill: FirstPassages, name: str) -> FirstPassages:
    """Return the sampler of a user's simulator, which says what failed in it."""

    def passages(
        rows: FloatArray, draws: int, first: int, seed: int, limit: float,
        times: FloatArray, choices: FloatArray,
    ) -> None:  # fmt: skip
        try:
            fill(rows, draws, first, seed, limit, times, choices)
        except ModelError:
            raise
        except NumbaError as error:
            raise ModelError(
                f"model '{name}': numba cannot compile the simulator: {compiled.reason(error)} "
                "Numpy code on arrays needs vectorized=True."
            ) from error
        except Exception as error:
            raise ModelError(
                f"model '{name}': the simulator failed: {type(error).__name__}: "
                f"{compiled.reason(error)}"
            ) from error

    return passages
