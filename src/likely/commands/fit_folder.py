"""What `likely fit` leaves behind: the folder of the fit, a report, and a figure."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from likely.results import Request, Results, save_fit
from likely.results.folder import QUANTILES, REPORT
from likely.writing import written_whole

if TYPE_CHECKING:
    from likely.regression import Fit


def write(result: Fit, folder: Path, request: Request) -> Results:
    """Write the files of `likely.results.folder`, quantiles.png and report.html; return results."""
    from likely.reporting import report

    results = save_fit(result, folder, request=request)
    with written_whole(folder / QUANTILES) as path:
        path.write_bytes(_quantiles(results))
    report(results, folder / REPORT)
    return results


def _quantiles(results: Results) -> bytes:
    """Draw observed and predicted quantiles of response times by condition."""
    from likely.plots import quantile_probability
    from likely.reporting.design import groupings, used_columns
    from likely.results.record import png

    assert results.predicted is not None
    design = used_columns(results.formula, results.data)
    first = groupings(design, results.data)[0]
    observed, predicted = first.of(results.data), first.of(results.predicted)
    return png(quantile_probability(observed, predicted, by=first.name).figure)
