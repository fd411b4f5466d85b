"""The certificate of a likelihood: its measured errors, judged."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from likely.certificates.judgement import Grade, Judgement, of_draws, of_exact, of_shift
from likely.certificates.measures import AgainstDraws, AgainstExact, PosteriorShift
from likely.certificates.record_json import record_from_json, record_to_json
from likely.typing import FloatArray


def fingerprint(weights: FloatArray) -> str:
    """Return a hexadecimal fingerprint of weights."""
    return hashlib.sha256(np.ascontiguousarray(weights, dtype=np.float64).tobytes()).hexdigest()


@dataclass(frozen=True)
class Certificate:
    """The measured error of a likelihood.

    `print(certificate)` shows it as a table with a verdict.

    Args:
        model: name of the model.
        weights: fingerprint of the weights that were judged.
        box: parameter name -> (lower, upper): where parameter sets were drawn from.
        seed: of the check.
        seconds: how long it took.
        version: version of `likely`.
        exact: errors against the exact density, if the model has one.
        shift: posterior shifts, if the model has an exact density.
        draws: errors against fresh draws, if they were made.
    """

    model: str
    weights: str
    box: dict[str, tuple[float, float]]
    seed: int
    seconds: float
    version: str
    exact: AgainstExact | None = None
    shift: PosteriorShift | None = None
    draws: AgainstDraws | None = None

    def __post_init__(self) -> None:
        """Refuse a certificate of nothing."""
        if self.exact is None and self.draws is None:
            raise ValueError("a certificate holds errors against an exact density or draws")
        if not self.box or not all(
            math.isfinite(low) and math.isfinite(high) and low < high
            for low, high in self.box.values()
        ):
            raise ValueError("the box of a certificate is finite and not empty")
        if self.exact is not None and any(len(row) != len(self.box) for row in self.exact.theta):
            raise ValueError("a certificate's parameter sets need a value a parameter")

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """Every measure with its thresholds."""
        given: tuple[Judgement, ...] = ()
        if self.exact is not None:
            given += of_exact(self.exact)
        if self.shift is not None:
            given += of_shift(self.shift)
        if self.draws is not None:
            given += of_draws(self.draws)
        return given

    @property
    def grade(self) -> Grade:
        """The worst grade of any measure."""
        return min(judgement.grade for judgement in self.judgements)

    @property
    def trusted(self) -> bool:
        """Whether the likelihood is accurate by every measure."""
        return self.grade is Grade.ACCURATE

    @property
    def verdict(self) -> str:
        """A few sentences for a paper, with the numbers in them."""
        from likely.certificates.verdict import verdict

        return verdict(self)

    def __str__(self) -> str:
        """Return tables of measures and the verdict."""
        from likely.certificates.table import table

        return f"{table(self)}\n\n{self.verdict}"

    def __repr__(self) -> str:
        """Show the model and the grade."""
        return f"<Certificate of {self.model}: {self.grade.words}>"

    def to_json(self) -> dict[str, Any]:
        """Return the certificate as JSON values."""
        return record_to_json(self)

    @classmethod
    def from_json(cls, given: Any) -> Certificate:
        """Return the certificate that JSON values describe.

        Raises:
            LookupError: if something is missing.
            TypeError: if a value is of another type.
            ValueError: if values do not belong together.
        """
        certificate: Certificate = record_from_json(cls, given)
        return certificate
