"""The report of a fit: one HTML file that a colleague can open."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from likely.page import Page, Section, render
from likely.progress import Progress
from likely.reporting import sections
from likely.reporting.design import used_columns
from likely.reporting.diagnostics import Diagnosis, diagnose, forewarned, held_down, unfinished
from likely.reporting.estimates import estimates
from likely.results.folder import REPORT, open_fit
from likely.results.record import Results, results_of
from likely.writing import written_whole

if TYPE_CHECKING:
    from likely.regression import Fit


def report(
    fit: Fit | Results | str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    progress: bool = True,
) -> Path:
    """Write the report of a fit: one HTML file that needs no other.

    It tells what the data are, what was assumed and estimated, whether the draws may be trusted,
    what was found, whether the model describes the data, how wrong the likelihood can be, and how
    to do it again.

    Args:
        fit: what `likely.fit` or `likely.open_fit` returned, or the folder of a fit.
        path: of the file to write, or of a folder, in which it is report.html.
        progress: whether a bar is shown once it takes more than two seconds.

    Returns:
        The path.

    Raises:
        LikelyError: if it is no fit, or the folder is not one of a fit.
        OSError: if the file cannot be written.
    """
    results = _results(fit)
    path = Path(path)
    if path.is_dir():
        path = path / REPORT
    text = render(page(results, progress=progress))
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def page(r: Results, *, progress: bool = False) -> Page:
    """Return the report as a page."""
    design = used_columns(r.formula, r.data)
    diagnosis = diagnosis_of(r)
    parts: list[Callable[[], Section]] = [
        lambda: sections.data(r, design),
        lambda: sections.model(r),
        lambda: sections.priors(r),
        lambda: sections.diagnostics(r, diagnosis),
        lambda: estimates(r),
        lambda: sections.posterior(r),
        lambda: sections.predictions(r, design),
        lambda: sections.certificate(r),
        lambda: sections.reproduction(r),
    ]
    made = []
    with Progress("writing the report", len(parts), show=progress) as bar:
        for part in parts:
            made.append(part())
            bar.advance(1, made[-1].heading)
    name = r.likelihood.declaration.name
    return Page(
        title=f"{name}: {len(r.data):,} trials",
        lead=_lead(r, diagnosis),
        sections=made,
        footer=_footer(r),
        contents=True,
    )


def diagnosis_of(r: Results) -> Diagnosis:
    """Return the health of the draws of these results."""
    found = diagnose(r.idata, r.summary, outside=r.outside)
    early = held_down(r.idata, r.likelihood.declaration, r.data, lapses=bool(r.lapses))
    short = unfinished(r.idata, r.request.sample)
    before = forewarned(r.forewarned)
    return replace(found, warnings=(*short, *found.warnings, *before, *early))


def _results(fit: Fit | Results | str | os.PathLike[str]) -> Results:
    if isinstance(fit, Results):
        return fit
    if isinstance(fit, str | os.PathLike):
        return open_fit(os.fspath(fit))
    return results_of(fit)


def _lead(r: Results, d: Diagnosis) -> str:
    health = (
        "no diagnostic warns"
        if not d.warnings
        else f"{len(d.warnings)} warning{'s' if len(d.warnings) > 1 else ''} below"
    )
    return (
        f"A posterior of {len(r.priors)} coefficients of the model "
        f"'{r.likelihood.declaration.name}', from {d.sizes} draws; {health}."
    )


def _footer(r: Results) -> str:
    return (
        f"Written by likely {r.versions.get('likely', '')}. Times in seconds; noise of 1 per "
        "square root of a second; a is half the boundary separation (boundaries at "
        "\N{MINUS SIGN}a and +a)."
    )
