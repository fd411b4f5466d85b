"""The full diffusion model: drift, start and non-decision time all vary from trial to trial."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from likely.densities.delayed import Delayed
from likely.densities.twin import TOLERANCE, ExactTwin, FirstPassage
from likely.densities.variability import wiener_passage
from likely.errors import ModelError, ParameterError
from likely.typing import FloatArray

NAMES = ("v", "a", "z", "t", "sz", "sv", "st")


@dataclass(frozen=True)
class FullTwin(ExactTwin):
    """The exact density of the full diffusion model, and of those with fewer of its parameters.

    The parameters mean what they do in ssm-simulators:

    - v, a, z, t: mean drift, half the boundary separation, mean relative start, mean non-decision
      time. Decision times count from the earliest non-decision time, t - st.
    - sv: standard deviation of the drift, which is normal.
    - sz: half the range of the start, which is uniform, in units of evidence: the start is within
      sz of (2z - 1)a. In units of z that is sz/(2a) to both sides. (HDDM's sz is the whole range
      in units of z, ours divided by a.)
    - st: half the range of the non-decision time, which is uniform: within st of t. (HDDM's st is
      the whole range.)

    Args:
        names: the model's parameters in order; v, a and z, and any of t, sz, sv and st. What is
            not named does not vary.

    Raises:
        ModelError: if a name is none of these, or v, a or z is missing.

    Source: Ratcliff and Tuerlinckx (2002), Psychonomic Bulletin & Review 9, 438-481.
    """

    names: tuple[str, ...] = NAMES

    def __post_init__(self) -> None:
        """Refuse names that mean nothing here."""
        if not {"v", "a", "z"} <= set(self.names) <= set(NAMES):
            raise ModelError(
                f"parameters {self.names} of a full diffusion model: name v, a and z, and any of "
                "t, sz, sv and st."
            )

    def solve(self, row: FloatArray, tolerance: float = TOLERANCE) -> FirstPassage:
        """Return the distribution at a parameter row; its error is about 1e-9.

        Raises:
            ParameterError: if a parameter is outside its support, or sz takes the start beyond a
                boundary.
        """
        values = self._named(row)
        sv, sz, st = (values.get(name, 0.0) for name in ("sv", "sz", "st"))
        passage = wiener_passage(values["v"], values["a"], values["z"], sz, sv)
        if st < 0.0:
            raise ParameterError(f"st = {st:g} must be at least 0.")
        return Delayed(passage, 0.0, 2.0 * st) if st > 0.0 else passage

    def _named(self, row: Sequence[float] | FloatArray) -> dict[str, float]:
        return {name: float(value) for name, value in zip(self.names, row, strict=True)}
