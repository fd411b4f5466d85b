"""Figures of a certificate: where a likelihood is wrong, by how much, and what that does."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from likely.certificates.measures import AgainstDraws, AgainstExact, PosteriorShift
from likely.certificates.record import Certificate
from likely.errors import ParameterError
from likely.likelihood import Likelihood
from likely.model import Model
from likely.plots.style import (
    COLOURS,
    INK,
    PALE,
    SHADE,
    axes_or_new,
    choice_colours,
    choice_label,
    house_style,
)
from likely.reference import require_twin
from likely.typing import FloatArray

ACCURATE = 0.005  # median error of the log density of an accurate likelihood
FIFTH = 0.2  # posterior standard deviations of bias that still do no harm
SMALLEST = 1e-5  # errors below it are drawn at it
COLUMNS = 4


@house_style()
def certificate_summary(certificate: Certificate) -> Figure:
    """Draw everything a certificate knows in one figure.

    Args:
        certificate: what `likely.check` returned.

    Returns:
        A figure; save it with `figure.savefig(...)`.
    """
    drawn = [
        draw
        for known, draw in (
            (certificate.exact, certificate_errors),
            (certificate.shift, certificate_shift),
            (certificate.draws, certificate_transforms),
        )
        if known is not None
    ]
    figure = Figure(figsize=(5.2 * len(drawn), 4.2), layout="constrained")
    for draw, ax in zip(drawn, np.atleast_1d(figure.subplots(1, len(drawn))), strict=True):
        draw(certificate, ax=ax)
    figure.suptitle(f"{certificate.model}: {certificate.grade.words}", color=INK)
    return figure


@house_style()
def certificate_errors(certificate: Certificate, *, ax: Axes | None = None) -> Axes:
    """Draw how errors of the log density are distributed over the box.

    Args:
        certificate: of a model with an exact density.
        ax: axes to draw into; new ones by default.

    Raises:
        ParameterError: if the certificate holds no such errors.
    """
    found, ax = _exact(certificate), axes_or_new(ax)
    errors = _visible(found.errors)
    edges = np.geomspace(errors.min() / 1.1, errors.max() * 1.1, 30).tolist()
    ax.hist(errors, edges, color=COLOURS[1], alpha=0.85)
    for value, label, style in (
        (found.log_density.median, f"median {found.log_density.median:.2g}", "-"),
        (found.log_density.high, f"95% {found.log_density.high:.2g}", "--"),
    ):
        ax.axvline(max(value, SMALLEST), color=INK, ls=style, lw=1.4, label=label)
    ax.set(xscale="log", xlabel="mean error of the log density", ylabel="parameter sets")
    ax.legend(loc="upper left")
    return ax


@house_style()
def certificate_by_parameter(certificate: Certificate) -> Figure:
    """Draw the errors of the log density over each parameter that shapes the density.

    Args:
        certificate: of a model with an exact density.

    Returns:
        A figure with a panel a parameter: sets as points, medians of quarters of the box as lines.

    Raises:
        ParameterError: if the certificate holds no such errors.
    """
    found = _exact(certificate)
    shown = [q.parameter for q in found.quarters if q.parameter in certificate.box]
    columns = min(len(shown), COLUMNS) or 1
    lines = -(-len(shown) // columns) or 1
    figure = Figure(figsize=(3.4 * columns, 3.2 * lines), layout="constrained")
    axes = np.ravel(figure.subplots(lines, columns, sharey=True, squeeze=False))
    theta, errors = np.array(found.theta), _visible(found.errors)
    names = list(certificate.box)
    for ax, quarter in zip(axes, [q for q in found.quarters if q.parameter in shown], strict=False):
        low, high = certificate.box[quarter.parameter]
        ax.plot(theta[:, names.index(quarter.parameter)], errors, ".", color=PALE, ms=3)
        ax.stairs(_visible(quarter.medians), np.linspace(low, high, len(quarter.medians) + 1),
                  color=COLOURS[0], lw=2.2, baseline=None)  # fmt: skip
        ax.axhline(ACCURATE, color=INK, lw=1, ls=":")
        ax.set(xlabel=quarter.parameter, yscale="log")
    for ax in axes[::columns]:
        ax.set_ylabel("error of the log density")
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    return figure


@house_style()
def certificate_shift(certificate: Certificate, *, ax: Axes | None = None) -> Axes:
    """Draw the standardised posterior shift over the number of trials.

    Args:
        certificate: of a model with an exact density.
        ax: axes to draw into; new ones by default.

    Raises:
        ParameterError: if the certificate holds no posterior shifts.
    """
    if certificate.shift is None:
        raise ParameterError(f"the certificate of '{certificate.model}' has no posterior shifts.")
    found: PosteriorShift = certificate.shift
    ax = axes_or_new(ax)
    trials = np.array([s.trials for s in found.shifts], dtype=np.float64)
    values = np.maximum(np.array([s.values for s in found.shifts]), 1e-3)
    ax.plot(trials, values, "-", color=SHADE, lw=1, zorder=1)
    ax.plot(trials, values, "o", color=PALE, ms=3, zorder=2)
    ax.plot(trials, np.median(values, axis=1), "o-", color=COLOURS[1], label="median data set")
    ax.plot(trials, np.maximum([s.high for s in found.shifts], 1e-3), "s-", color=COLOURS[0],
            label="90% of data sets")  # fmt: skip
    ax.axhline(FIFTH, color=INK, lw=1, ls=":", label="a fifth of an SD")
    ax.set(xscale="log", yscale="log", xlabel="trials", ylabel="posterior shift (SD)")
    ax.set_xticks(trials, [f"{n:,.0f}" for n in trials])
    ax.minorticks_off()
    ax.legend(loc="lower right")
    return ax


@house_style()
def certificate_transforms(certificate: Certificate, *, ax: Axes | None = None) -> Axes:
    """Draw the distribution of probability integral transforms, less the uniform one, with a band.

    Args:
        certificate: with measures against fresh draws.
        ax: axes to draw into; new ones by default.

    Raises:
        ParameterError: if the certificate holds no such measures.
    """
    if certificate.draws is None:
        raise ParameterError(f"the certificate of '{certificate.model}' has no fresh draws.")
    found: AgainstDraws = certificate.draws
    ax = axes_or_new(ax)
    levels = np.linspace(0.0, 1.0, len(found.transform))
    ax.axhspan(-found.pooled_band, found.pooled_band, color=SHADE, label="95% by chance")
    ax.axhline(0.0, color=PALE, lw=1)
    ax.plot(levels, found.transform, color=COLOURS[1], label="all sets")
    limit = 1.3 * max(found.pooled_band, float(np.max(np.abs(found.transform))))
    ax.set(xlim=(0, 1), ylim=(-limit, limit), xlabel="quantile of the decision time")
    ax.set_ylabel("share of draws before it, less quantile")
    ax.legend(loc="upper right")
    return ax


@house_style()
def network_against_exact(likelihood: Likelihood, model: Model) -> Figure:
    """Draw the likelihood's density and the exact one at the median and the worst sets.

    Args:
        likelihood: with a certificate.
        model: its model, with an exact density.

    Raises:
        ModelError: if the model has no exact density.
        ParameterError: if the likelihood has no certificate with errors against one.
    """
    if likelihood.certificate is None:
        raise ParameterError(f"likelihood '{likelihood.declaration.name}' has no certificate.")
    found = _exact(likelihood.certificate)
    ordered = np.argsort(found.errors)
    chosen = [int(ordered[len(ordered) // 2]), *(int(i) for i in ordered[::-1][:2])]
    titles = ["median set", "worst set", "second worst set"]
    figure = Figure(figsize=(4.6 * len(chosen), 4.0), layout="constrained")
    axes = np.atleast_1d(figure.subplots(1, len(chosen)))
    for ax, index, title in zip(axes, chosen, titles, strict=True):
        _compare(ax, likelihood, model, np.array(found.theta[index]))
        ax.set_title(f"{title}, error {found.errors[index]:.2g}")
    axes[0].set_ylabel("density")
    curves, labels = axes[0].get_legend_handles_labels()
    figure.legend(curves, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _compare(ax: Axes, likelihood: Likelihood, model: Model, row: FloatArray) -> None:
    from likely.densities.quadrature import quadrature

    passage = require_twin(model).solve(row)
    nodes, weights = quadrature(passage)
    mass = weights * np.exp(passage.log_density(nodes)).sum(axis=1)
    latest = float(np.interp(0.995 * mass.sum(), np.cumsum(mass), nodes))
    times = np.linspace(0.0, latest, 400)[1:]
    rt = times + model.declaration.onset(row[None])[0]
    exact = np.exp(passage.log_density(times))
    for k, (choice, colour) in enumerate(choice_colours(model.choices).items()):
        trials = np.stack([rt, np.full_like(rt, choice)], axis=1)
        label = choice_label(choice, model.choices)
        ax.plot(times, exact[:, k], color=colour, lw=4, alpha=0.35, label=f"{label} exact")
        ax.plot(times, np.exp(likelihood.logp(row, trials)), color=colour, lw=1.2,
                label=f"{label} network")  # fmt: skip
    at = ", ".join(
        f"{name}={value:.2g}"
        for name, value in zip(model.declaration.names, row, strict=True)
        if name != model.declaration.non_decision
    )
    ax.set(xlabel=f"decision time (s)\n{at}", ylim=(0, None))


def _exact(certificate: Certificate) -> AgainstExact:
    if certificate.exact is None:
        raise ParameterError(
            f"the certificate of '{certificate.model}' has no errors against an exact density."
        )
    return certificate.exact


def _visible(errors: tuple[float, ...]) -> FloatArray:
    return np.maximum(np.array(errors), SMALLEST)
