"""What became of a posterior when its draws were weighed by a reference, in numbers and words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from likely.verification.importance import Weights

if TYPE_CHECKING:
    import xarray as xr

SHIFT = 0.2  # posterior SDs by which a mean may be off before it matters
NARROW, WIDE = 0.8, 1.25  # factors by which an SD may be off before it matters


@dataclass(frozen=True, eq=False, repr=False)
class Verification:
    """How far a posterior is from that of a reference density.

    Args:
        reference: what the draws were judged by.
        trials: number of trials.
        weights: importance weight of each draw used, and the Pareto k-hat of them.
        table: one row a parameter: mean and sd of the draws used, corrected_mean and corrected_sd
            by their weights, shift (corrected_mean - mean, in units of sd) and shift_error (its
            standard error; of chance in the draws, not of the reference).
        outside: parameter -> share of draws in which it is outside the box of the likelihood in
            any trial.
        corrected: a posterior like the one given, of one chain, resampled by the weights; None
            where they cannot be relied on.
    """

    reference: str
    trials: int
    weights: Weights
    table: pd.DataFrame
    outside: Mapping[str, float]
    corrected: xr.DataTree | None

    def __repr__(self) -> str:
        """Show the verdict."""
        return f"<Verification: {self.verdict}>"

    def __str__(self) -> str:
        """Return verdict and numbers, as a scientist reads them."""
        leaving = {name: share for name, share in self.outside.items() if share > 0}
        outside = ", ".join(f"{name} in {share:.1%} of draws" for name, share in leaving.items())
        return "\n".join(
            [
                f"{self.draws} posterior draws of {self.trials:,} trials, judged by "
                f"{self.reference}",
                self.verdict,
                f"Pareto k-hat {self.k_hat:.2f} (good below {self.weights.limit:.2f}), worth "
                f"{self.weights.effective:.0f} draws",
                f"outside the likelihood's box: {outside or 'nothing'}",
                self.table.to_string(float_format=lambda x: f"{x:.3g}"),
            ]
        )

    @property
    def draws(self) -> int:
        """Number of posterior draws that were judged."""
        return len(self.weights.values)

    @property
    def k_hat(self) -> float:
        """Pareto k-hat of the importance weights."""
        return self.weights.k_hat

    @property
    def largest_shift(self) -> float:
        """Largest shift of a posterior mean, in posterior SDs, whatever its sign."""
        return float(np.abs(self.table["shift"]).max())

    @property
    def trusted(self) -> bool:
        """Whether the weights can be relied on, and say that means and SDs are right."""
        return self.weights.reliable and not self._moved and not self._rescaled

    @property
    def verdict(self) -> str:
        """Whether to trust the posterior, and if not, what to do."""
        if not self.weights.reliable:
            return (
                "Do not trust this posterior: the network differs so much from the reference that "
                f"the draws cannot even be reweighted (Pareto k-hat {self.k_hat:.2f}). Train the "
                "likelihood for longer or on the region of the posterior, and sample again."
            )
        if not self.trusted:
            return (
                f"Do not trust this posterior as it is: {self._faults()}. The corrected posterior "
                f"can be used (Pareto k-hat {self.k_hat:.2f})."
            )
        return (
            "The posterior can be trusted: no mean is off by more than "
            f"{max(self.largest_shift, 0.01):.2f} posterior SDs."
        )

    @property
    def _moved(self) -> list[str]:
        shift = self.table["shift"].abs()
        return [str(name) for name in shift.index[shift >= SHIFT]]

    @property
    def _rescaled(self) -> list[str]:
        ratio = self.table["corrected_sd"] / self.table["sd"]
        wrong = ~ratio.fillna(1.0).between(NARROW, WIDE)
        return [str(name) for name in ratio.index[wrong]]

    def _faults(self) -> str:
        """Say what is wrong with means and SDs."""
        faults = []
        if self._moved:
            size = f"{self.largest_shift:.2f} posterior SDs"
            faults.append(f"the network moves the mean of {', '.join(self._moved)} (by {size})")
        if self._rescaled:
            faults.append(f"the SD of {', '.join(self._rescaled)} is wrong")
        return " and ".join(faults)


def compare(names: list[str], draws: np.ndarray, weights: Weights) -> pd.DataFrame:
    """Return means and SDs without and with weights; see `Verification`.

    Args:
        names: of the parameters.
        draws: (n, parameters).
        weights: of the draws.
    """
    w = weights.values[:, None]
    mean, sd = draws.mean(axis=0), draws.std(axis=0)
    corrected = (w * draws).sum(axis=0)
    spread = np.sqrt((w * np.square(draws - corrected)).sum(axis=0))
    scale = np.where(sd > 0, sd, 1.0)
    noise = np.square((w - 1.0 / len(draws)) * (draws - mean)).sum(axis=0)
    return pd.DataFrame(
        {
            "mean": mean,
            "sd": sd,
            "corrected_mean": corrected,
            "corrected_sd": spread,
            "shift": (corrected - mean) / scale,
            "shift_error": np.sqrt(noise) / scale,
        },
        index=pd.Index(names, name="parameter"),
    )
