"""Bambi models, made where few names are known: formulas know those of where they are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import bambi
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def bambi_model(
    formula: bambi.Formula,
    trials: pd.DataFrame,
    family: bambi.Family,
    priors: Mapping[str, Any],
) -> bambi.Model:
    """Return a Bambi model, not built, whose intercepts are where covariates are 0.

    Raises:
        ParameterError: if a formula fails on these trials; it is named.
    """
    try:
        return bambi.Model(
            formula,
            trials,
            family=family,
            priors=dict(priors),
            auto_scale=False,
            center_predictors=False,
            extra_namespace={"np": np},
        )
    except Exception as error:  # formulas may call anything, which may raise anything
        from likely.errors import LikelyError
        from likely.regression.failing import failure

        if isinstance(error, LikelyError):
            raise
        raise failure(formula, family.likelihood.parent, trials, error) from error
