"""The sections of a report, each from the results of a fit."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from likely.certificates.judgement import Grade
from likely.certificates.verdict import verdict
from likely.likelihood import Training
from likely.page import Code, Item, Listing, Notice, Paragraph, Section, Table
from likely.plots.style import number
from likely.reporting import figures
from likely.reporting.checks import Check, check_table, predictive_checks, tallies
from likely.reporting.design import Design, groupings
from likely.reporting.diagnostics import ESS, R_HAT, Diagnosis
from likely.reporting.numbers import heading, interval_of, moments
from likely.reporting.summary import choice_table, trial_facts
from likely.results.folder import FILES
from likely.results.record import Results
from likely.results.reproduce import call, imports

MOST_ROWS = 30  # of the posterior's table; elements of large families are left out beyond
LARGE = 9


def data(r: Results, design: Design) -> Section:
    """Tell what the trials are."""
    head, *rows = choice_table(r.data, r.likelihood.declaration.choices)
    items: list[Item] = [Listing(trial_facts(r.data, design))]
    if rows:
        items.append(Table(head, rows))
    if r.description:
        items.append(Code(r.description))
    times = figures.response_times(r)
    return Section("Data", items if times is None else [*items, times])


def model(r: Results) -> Section:
    """Tell what was estimated."""
    declaration = r.likelihood.declaration
    links = {row["parameter"]: row["link"] for row in r.priors.to_dict(orient="records")}
    lines = [f"{name} ~ {text}" + _link(links.get(name)) for name, text in r.formula.items()]
    lines += [f"{name} = {number(value)} (fixed)" for name, value in r.fixed.items()]
    if r.lapses:
        lines.append(f"lapses: {r.lapses}")
    rows = [
        (p.name, p.description, p.unit, f"{number(p.lower)} to {_limit(p.upper)}")
        for p in declaration.parameters
    ]
    items: list[Item | None] = [
        Paragraph(
            f"The model is '{declaration.name}'. Each parameter is a formula over columns of the "
            "trials, on the scale of its link; the box is what the likelihood was trained on."
        ),
        Code("\n".join(lines)),
        Listing(rows, ("parameter", "meaning", "unit", "box")),
        figures.cartoon(r),
        figures.graph(r),
    ]
    return Section("Model", [item for item in items if item is not None])


def priors(r: Results) -> Section:
    """Tell what was assumed before the trials were seen."""
    shown = [c for c in r.priors.columns if c != "parameter"]
    rows = [tuple(row[shown]) for _, row in r.priors.iterrows()]
    items: list[Item] = [Listing(_merged(rows), shown)]
    figure = figures.priors(r)
    return Section("Priors", items if figure is None else [*items, figure])


def _merged(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows with those of a family, such as v[1] to v[13], made one where they are alike."""
    families: dict[tuple[str, ...], list[str]] = {}
    for name, *rest in rows:
        stem, bracket, _ = name.rpartition("[")
        families.setdefault((stem if bracket else name, *rest), []).append(name)
    return [
        (
            names[0]
            if len(names) == 1
            else f"{stem}[\N{HORIZONTAL ELLIPSIS}], {len(names)} of them",
            *rest,
        )
        for (stem, *rest), names in families.items()
    ]


def diagnostics(r: Results, d: Diagnosis) -> Section:
    """Tell whether the draws may be trusted."""
    rows = [
        ("draws", d.sizes),
        ("largest r-hat", f"{d.r_hat:.3f} (at most {R_HAT})" if d.chains > 1 else "one chain"),
        (
            "smallest effective sample size",
            f"{d.ess_bulk:,.0f} in the bulk, {d.ess_tail:,.0f} in the tails (at least {ESS:.0f})",
        ),
        ("divergent draws", _known(d.divergences, ",d")),
        ("smallest E-BFMI", _known(d.bfmi, ".2f")),
        ("draws at the largest tree depth", _known(d.deep, ".1%")),
        ("draws outside the box of the likelihood", f"{d.outside:.1%}"),
    ]
    items: list[Item] = [*notices(d), Listing(rows), figures.trace(r)]
    ranks = figures.ranks(r)
    return Section("Diagnostics", items if ranks is None else [*items, ranks])


def notices(d: Diagnosis) -> list[Notice]:
    """Return the warnings of a diagnosis, or the news that there are none."""
    if not d.warnings:
        return [Notice("No warnings.", "By these measures the draws may be trusted.", good=True)]
    return [Notice(w.what, w.remedy) for w in d.warnings]


def posterior(r: Results) -> Section:
    """Tell what was found of the coefficients, on the scales of their links."""
    large = figures.elements(r, LARGE)
    table = r.summary.drop(index=list(figures.doubled(r)))
    if len(table) > MOST_ROWS:
        table = table.drop(index=[name for name in table.index if name in large])
    interval = interval_of(table.columns)
    head = ("", "mean", "sd", heading(interval), "ESS", "r-hat")
    rows = table.to_dict(orient="index")
    about = (
        "Coefficients of the formulas, each on the scale of its link, and parameters that are the "
        "same in all trials."
    )
    coefficients = Table(head, [_row(str(n), row, interval) for n, row in rows.items()])
    items: list[Item] = [Paragraph(about), coefficients]
    left = len(r.summary) - len(figures.doubled(r)) - len(table)
    if left:
        items.append(
            Paragraph(f"{left} effects of groups are in the figures below and in summary.csv.")
        )
    pairs = figures.pairs(r)
    items += [] if pairs is None else [pairs]
    return Section("Posterior", [*items, *figures.caterpillars(r)])


def predictions(r: Results, design: Design) -> Section:
    """Tell whether the model describes the trials."""
    if r.predicted is None:
        text = "The run was interrupted before predictions were drawn."
        return Section("Predictive checks", [Paragraph(text)])
    choices = r.likelihood.declaration.choices
    checks = [
        check
        for way in groupings(design, r.data)
        for check in predictive_checks(way.of(r.data), way.of(r.predicted), way.name, choices)
    ]
    head, *rows = check_table(checks, choices)
    return Section(
        "Predictive checks",
        [
            _judged_fit(checks),
            *figures.predictive(r, design),
            Table(head, rows),
        ],
    )


def certificate(r: Results) -> Section:
    """Tell how wrong the likelihood can be."""
    found, training = r.likelihood.certificate, r.likelihood.training
    source = (
        f"{_source(training)}, by likely {training.version}, seed {training.seed}; fingerprint "
        f"{r.likelihood.digest[:12]}."
    )
    if found is None:
        notice = Notice(
            "The likelihood has no certificate: how wrong it is has not been measured.",
            "Measure it with lk.check(likelihood), or likely check.",
        )
        return Section("Likelihood", [notice, Paragraph(source), _box_paragraph(r)])
    grade = Notice(
        f"Certificate: {found.grade.words}.", verdict(found), good=found.grade is Grade.ACCURATE
    )
    return Section("Likelihood", [grade, _box_paragraph(r), Paragraph(source)])


def reproduction(r: Results) -> Section:
    """Tell how to do it again."""
    items: list[Item] = []
    if r.request.command is not None:
        items += [Paragraph("The command:"), Code(r.request.command)]
    else:
        known = {"formula": r.formula, "fixed": r.fixed, "seed": r.seed, "request": r.request}
        python = call(known, r.likelihood.declaration.name)
        items += [Paragraph("In Python:"), Code(f"{imports(python)}\n\n{python}")]
    items += [
        Paragraph(
            f"The folder of the fit, if it was saved, holds {', '.join(FILES)}; likely report "
            "writes this page from it."
        ),
        Listing([("seed", str(r.seed)), *r.versions.items()]),
    ]
    return Section("How to reproduce", items)


def _source(training: Training) -> str:
    if training.labels == "exact":
        return f"Trained on {training.sets:,} exact densities"
    if training.draws:
        return f"Trained on {training.draws:,} {training.labels}"
    return "Not trained"


def _judged_fit(checks: Sequence[Check]) -> Notice:
    if not checks:
        return Notice(
            "Nothing was checked.",
            "There are too few responses to compare with predictions in numbers.",
        )
    outside = sum(check.outside for check in checks)
    text = (
        f"{outside} of {len(checks)} observed numbers lie outside their 94% predictive intervals."
    )
    found = tallies(checks)
    worst = max(found, key=lambda tally: tally.excess)
    here = f" by {worst.by} ({worst.outside} of {worst.checks})" if len(found) > 1 else ""
    chance = f"Chance alone would give about {sum(tally.expected for tally in found):.1f}"
    good = worst.excess <= 0
    advice = (
        f"{chance}, and seldom more than {worst.most}{here}."
        if good
        else f"{chance}, and seldom more than {worst.most}{here}: the model misses something. Look "
        "where, in figures and table; a covariate, another boundary, variability over trials or "
        "lapses may account for it."
    )
    return Notice(text, advice, good=good)


def _box_paragraph(r: Results) -> Paragraph:
    return Paragraph(
        f"{r.outside:.1%} of the posterior draws have a parameter of some trial outside the box "
        "that the likelihood was trained on, where nothing is known of its accuracy."
        if r.outside
        else "No posterior draw has a parameter outside the box that the likelihood was trained on."
    )


def _row(name: str, row: Mapping[Hashable, Any], interval: Sequence[str]) -> tuple[str, ...]:
    return (name, *moments(row, interval), f"{row['ess_bulk']:,.0f}", f"{row['r_hat']:.3f}")


def _link(link: object) -> str:
    return "" if link in (None, "", "identity") else f"    ({link})"


def _limit(value: float) -> str:
    return number(value) if np.isfinite(value) else "endless"


def _known(value: float | None, form: str) -> str:
    return "not recorded by the sampler" if value is None else f"{value:{form}}"
