"""The page of a model: Markdown beside its figure."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from likely.declaration import Declaration
from likely.handbook.contents import HEAD, LEGEND, families, line
from likely.handbook.facts import about, parameter_table, written_choices
from likely.handbook.standing import standing
from likely.likelihood import Likelihood
from likely.model import Model
from likely.paths import sample_paths
from likely.plots.cartoon import cartoon
from likely.plots.parameters import effects_size, parameter_effects
from likely.plots.style import house_style
from likely.plots.typical import typical_row
from likely.writing import written_whole

DPI = 90
CARTOON = (8.0, 4.6)  # inches
TRIALS = 50_000  # in histograms
ADVICE = (
    "What is accurate may be used as it is. What is usable with care calls for a second look: "
    "`lk.verify(fit)` weighs a posterior by the exact density, or by a likelihood trained near it. "
    "Of what is not to be used `lk.fit` warns; train on a narrower box instead, such as "
    '`lk.train(lk.models["conflict_stimflex"].with_box(v=(-2, 2)), seconds=600)`. Each page says '
    "what keeps its likelihood from being accurate."
)


def write_page(model: Model, folder: Path, likelihood: Likelihood | None = None) -> Path:
    """Write NAME.md and NAME.png to a folder and return the path of the former.

    Args:
        model: what the page is about.
        folder: made if it is not there.
        likelihood: whose density the figure shows; by default the shipped one.

    Raises:
        OSError: if the files cannot be written.
    """
    buffer = io.BytesIO()
    model_figure(model, likelihood).savefig(buffer, format="png", dpi=DPI)
    with written_whole(folder / f"{model.name}.png") as temporary:
        temporary.write_bytes(buffer.getvalue())
    path = folder / f"{model.name}.md"
    with written_whole(path) as temporary:
        temporary.write_text(markdown(model), encoding="utf-8")
    return path


@house_style()
def model_figure(model: Model, likelihood: Likelihood | None = None) -> Figure:
    """Return a figure of what the model does, and beneath it of what each parameter does."""
    width, height = effects_size(model)
    width = max(width, CARTOON[0])
    figure = Figure(figsize=(width, CARTOON[1] + height), layout="constrained")
    ratios = [CARTOON[1], height]
    parts = figure.subfigures(2, 1, height_ratios=ratios, hspace=0.03, squeeze=False)
    above, below = parts[:, 0]
    cartoon(model, likelihood=likelihood, n=TRIALS, ax=above.add_subplot())
    parameter_effects(model, likelihood=likelihood, n=TRIALS, figure=below)
    return figure


def markdown(model: Model) -> str:
    """Return the page of a model; its figure is NAME.png beside it."""
    found, declaration = about(model), model.declaration
    parts = [f"# {model.name}"]
    if found.purpose:
        parts.append(found.purpose)
    if found.equations:
        parts.append("\n".join(["```text", *found.equations, "```"]))
    parts.append(f"Choices: {written_choices(model)}. {_delay(declaration)}".strip())
    parts.append(markdown_table(parameter_table(model)))
    if declaration.constraints:
        parts.append("Where " + " and ".join(f"`{c}`" for c in declaration.constraints) + ".")
    shown = "Sample paths, response times" if _has_paths(model) else "Response times"
    parts.append(f"![{shown} and parameters of {model.name}]({model.name}.png)")
    parts.append(_caption(model))
    parts += ["## Likelihood", standing(model).sentences, _example(model)]
    if found.hard:
        parts.append("## Hard to recover")
        parts.append("\n".join(f"- `{name}`: {why}" for name, why in found.hard.items()))
    if found.source:
        parts += ["## Source", found.source]
    return "\n\n".join(parts) + "\n"


def index(models: Mapping[str, Model]) -> str:
    """Return the page that lists all models and links their pages."""
    parts = [
        "# Models",
        "Seconds everywhere; noise of 1 per square root of a second. `likely models NAME` prints "
        f"the card of a model. {LEGEND}",
        ADVICE,
    ]
    for family, members in families(models).items():
        rows: list[tuple[str, ...]] = [HEAD]
        for model in members:
            name, *rest = line(model)
            rows.append((f"[{name}]({name}.md)", *rest))
        parts += [f"## {family}", markdown_table(rows)]
    return "\n\n".join(parts) + "\n"


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows, the first of which is the head, as a table in Markdown."""
    head, *body = rows
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


def _delay(declaration: Declaration) -> str:
    t, spread = declaration.non_decision, declaration.spread
    if t is None:
        return ""
    if spread is None:
        return f"`{t}` is added to every decision time."
    between = f"from `{t} - {spread}` to `{t} + {spread}`"
    return f"Decision times are delayed by a time that is uniform {between}."


def _caption(model: Model) -> str:
    top = "response times of each choice"
    if _has_paths(model):
        stands = "above and below" if len(model.choices) == 2 else "above"
        top = f"evidence in a few simulated trials, and {top} {stands}"
    return f"*Top: {top}. Bottom: what each parameter does; the others are as at the top.*"


def _has_paths(model: Model) -> bool:
    row = typical_row(model.declaration)
    return sample_paths(model, row, until=1.0, n=1, seed=0) is not None


def _example(model: Model) -> str:
    row = typical_row(model.declaration).tolist()
    theta = ", ".join(f"{n}={v:.2g}" for n, v in zip(model.declaration.names, row, strict=True))
    return f'```py\ntrials = lk.simulate("{model.name}", dict({theta}), n=1000, seed=1)\n```'
