"""A certificate as tables of text."""

from __future__ import annotations

from collections.abc import Sequence

from likely.certificates.judgement import Judgement
from likely.certificates.measures import AgainstDraws, AgainstExact, PosteriorShift, Spread
from likely.certificates.record import Certificate

Row = tuple[str, ...]


def table(certificate: Certificate) -> str:
    """Return the tables of a certificate."""
    head = f"{certificate.model}: {certificate.grade.words}"
    parts = [f"{head} (seed {certificate.seed}, {certificate.seconds:.0f} s)"]
    if certificate.exact is not None:
        parts.append(_exact(certificate.exact))
        parts.append(_where(certificate.exact))
    if certificate.shift is not None:
        parts.append(_shift(certificate.shift))
    if certificate.draws is not None:
        parts.append(_draws(certificate.draws))
    parts.append(_judged(certificate.judgements))
    return "\n\n".join(parts)


def _exact(found: AgainstExact) -> str:
    measured: list[tuple[str, Spread | None]] = [
        ("log density, mean |error|", found.log_density),
        ("KL divergence, nats", found.divergence),
        ("log density, single points", found.pointwise),
        ("gradient by parameters, in box widths", found.gradient),
        ("slope in log time", found.slope),
        ("choice probability", found.choice),
        ("survival probability", found.survival),
        ("mass, |total - 1|", found.mass),
        ("mass before non-decision time", found.early_mass),
    ]
    rows = [(f"against the exact density, {found.sets:,} sets", "median", "95%", "largest")]
    rows += [(name, *_spread(spread)) for name, spread in measured]
    if found.unsolved:
        rows.append((f"sets without an exact density: {found.unsolved}", "", "", ""))
    return _aligned(rows)


def _where(found: AgainstExact) -> str:
    rows: list[Row] = [("median error by quarter of the box", "1st", "2nd", "3rd", "4th")]
    for q in found.quarters:
        shown = [f"{m:.2g}" for m in (*q.medians, *[0.0] * 4)[:4]]
        rows.append((q.parameter, *shown))
    worst = [
        f"{place.error:.2g} at " + " ".join(f"{k}={v:.3g}" for k, v in place.parameters.items())
        for place in found.worst
    ]
    return "\n".join([_aligned(rows), "", "largest errors", *worst])


def _shift(found: PosteriorShift) -> str:
    names = list(found.shifts[0].by_parameter)
    head = f"posterior shift in SDs, {found.sets} sets"
    rows: list[Row] = [(head, "median", "90%", "largest", "at least", *names)]
    for s in found.shifts:
        spread = (f"{s.median:.2g}", f"{s.high:.2g}", f"{s.largest:.2g}", str(s.at_least))
        each = (f"{s.by_parameter.get(name, 0.0):.2g}" for name in names)
        rows.append((f"{s.trials:,} trials", *spread, *each))
    reach = f"a fifth of an SD at {found.reach} trials; in the worst tenth at {found.reach_high}"
    return f"{_aligned(rows)}\n{reach}"


def _draws(found: AgainstDraws) -> str:
    rows: list[Row] = [
        (f"against draws, {found.sets:,} sets of {found.draws:,}", "median", "95%", "largest"),
        ("log score behind a kernel density", *_spread(found.behind)),
        (f"times' transforms, distance (chance: {found.band:.2g})", *_spread(found.distance)),
        ("choice probability less share", *_spread(found.choice)),
        ("mass less share of draws, beyond chance", *_spread(found.mass)),
    ]
    lines = [
        f"mean log score {found.score:.4g} +- {found.score_error:.2g}; transforms pooled: "
        f"{found.pooled:.2g} (chance: {found.pooled_band:.2g}), {found.outside} sets beyond chance",
        f"classifier: area {found.classifier:.4f} (chance: 0.5 +- {found.classifier_band:.4f})",
    ]
    if found.choice_z is not None and found.choice_z_band is not None:
        lines.append(
            f"choice z-scores: root mean square {found.choice_z:.3g} "
            f"(chance: below {found.choice_z_band:.3g})"
        )
    return "\n".join([_aligned(rows), *lines])


def _judged(judgements: Sequence[Judgement]) -> str:
    rows: list[Row] = [("measure", "value", "accurate to", "usable to", "")]
    for j in judgements:
        limits = (f"{j.value:.2g}", f"{j.accurate:.2g}", f"{j.usable:.2g}")
        rows.append((j.measure, *limits, j.grade.words))
    return _aligned(rows)


def _spread(spread: Spread | None) -> tuple[str, str, str]:
    if spread is None:
        return ("-", "-", "-")
    return (f"{spread.median:.2g}", f"{spread.high:.2g}", f"{spread.largest:.2g}")


def _aligned(rows: Sequence[Row]) -> str:
    """Return rows as text in columns, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
