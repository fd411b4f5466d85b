"""`likely fit`: a posterior from trials."""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from likely.commands.messages import say
from likely.commands.model_options import ModelCommand, found, parameters
from likely.errors import LikelyError, ParameterError
from likely.quiet import quiet_sampling

if TYPE_CHECKING:
    from likely.likelihood import Likelihood
    from likely.regression import Fit

TRUSTED_R_HAT = 1.01
HELD_DOWN = 0.93  # share of the fastest response beyond which it may be all that holds t down
SAMPLERS = ("pymc", "nutpie", "numpyro", "blackjax")


def find_likelihood(words: Sequence[str]) -> Likelihood | None:
    """Return the likelihood that follows --model, if that is on the command line."""
    for word, following in pairwise([*words, ""]):
        if word in ("-m", "--model"):
            name = following
        elif word.startswith(("-m", "--model=")):
            name = word.removeprefix("--model=").removeprefix("-m")
        else:
            continue
        if name:
            from likely.likelihood import load

            return load(name)
    return None


@click.command(cls=ModelCommand, find=find_likelihood, value=click.STRING)
@click.argument("trials", type=click.Path(path_type=Path))
@click.option("-m", "--model", required=True, help="A shipped likelihood, or a .likely file.")
@click.option("--rt", default="rt", show_default=True, help="Column of response times in seconds.")
@click.option("--choice", default="choice", show_default=True, help="Column of choices.")
@click.option("--where", help="Rows to keep, such as 'subject == 1 and 0.1 < rt < 2'.")
@click.option(
    "--prior",
    "priors",
    type=(str, float, float),
    multiple=True,
    metavar="COEFFICIENT MEAN SD",
    help="Normal prior of a coefficient, such as v_coh 0 10, on the scale of its link.",
)
@click.option(
    "--lapse",
    type=float,
    default=0.0,
    show_default=True,
    help="Share of trials on which any choice is made at any time.",
)
@click.option("--draws", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--tune", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--chains", type=click.IntRange(1), default=4, show_default=True)
@click.option("--sampler", type=click.Choice(SAMPLERS), help="NUTS; by default PyMC chooses.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for posterior.nc, summary.csv, fit.json and quantiles.png.",
)
def fit(
    trials: Path,
    model: str,
    rt: str,
    choice: str,
    where: str | None,
    priors: tuple[tuple[str, float, float], ...],
    lapse: float,
    draws: int,
    tune: int,
    chains: int,
    sampler: str | None,
    seed: int,
    output: Path,
    **options: Any,
) -> None:
    """Draw from the posterior of a model's parameters, given the trials in a CSV file.

    Each parameter of the model is an option: a formula over columns of the file, such as
    --v "0 + coherence", or a number, which fixes it. Parameters left out are the same in all
    trials and estimated.

    Choices 0 and 1 are read as -1 and +1 for a model with two boundaries.

    Example: likely fit trials.csv --model ddm --v "1 + coherence" --z 0.5 -o fitted
    """
    from likely import regression
    from likely.commands.fit_folder import Record, write
    from likely.likelihood import load
    from likely.trials import read_trials, recode_choices
    from likely.writing import require_writable

    require_writable(output)
    likelihood: Likelihood = found() or load(model)
    data = read_trials(trials, rt=rt, choice=choice, where=where)
    data, recoded = recode_choices(data, likelihood.declaration.choices)
    formula, fixed = split(parameters(options))
    sample: dict[str, Any] = {"draws": draws, "tune": tune, "chains": chains}
    if sampler is not None:
        sample["nuts_sampler"] = sampler
    with _sampling():
        result = regression.fit(
            data,
            model=likelihood,
            formula=formula,
            fixed=fixed,
            priors={name: (mean, sd) for name, mean, sd in priors},
            lapse=lapse,
            seed=seed,
            **sample,
        )
    _report(result, recoded)
    write(result, output, Record(_command(), str(trials), where, sample))
    click.echo(_table(result))
    click.echo(f"\n{len(data)} trials; posterior, summary, record and figure in {output}")


def split(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, float]]:
    """Tell formulas from fixed values: whatever reads as a number is one."""
    formula: dict[str, str] = {}
    fixed: dict[str, float] = {}
    for name, text in given.items():
        try:
            fixed[name] = float(text)
        except ValueError:
            formula[name] = text
    return formula, fixed


def _report(result: Fit, recoded: Mapping[float, int]) -> None:
    """Say how choices were read, and what to be wary of."""
    if recoded:
        changes = ", ".join(f"{old:g} was read as {new:+d}" for old, new in recoded.items())
        say(f"choice {changes}.")
    _report_early_response(result)
    _report_convergence(result)


def _report_convergence(result: Fit) -> None:
    """Say so if the chains may not be trusted."""
    divergent = int(result.idata["sample_stats"]["diverging"].sum())
    if divergent:
        say(f"warning: {divergent} draws diverged; trust the posterior only after a closer look.")
    if result.idata["posterior"].sizes["chain"] == 1:
        say("warning: one chain cannot show whether it has converged; draw more (--chains).")
        return
    r_hat = float(result.summary()["r_hat"].max(skipna=False))
    if not r_hat <= TRUSTED_R_HAT:  # NaN, of a chain that stands still, is not to be trusted
        say(f"warning: r-hat is up to {r_hat:.3f}; take more draws (--draws, --tune).")


def _report_early_response(result: Fit) -> None:
    """Say so if one early response alone holds the non-decision time down."""
    name = result.likelihood.declaration.non_decision
    posterior = result.idata["posterior"]
    if name is None or name not in posterior or result.specification.lapses is not None:
        return
    fastest, estimate = float(result.data["rt"].min()), float(posterior[name].mean())
    if estimate > HELD_DOWN * fastest:
        say(
            f"warning: {name} ({estimate:.3f} s) lies just below the fastest response "
            f"({fastest:.3f} s). If that one came early by accident, allow for lapses: "
            "--lapse 0.02."
        )


@contextlib.contextmanager
def _sampling() -> Iterator[None]:
    """Keep progress bars off stdout and say in one line what stops a sampler."""
    from pymc.exceptions import SamplingError

    try:
        with quiet_sampling(), contextlib.redirect_stdout(sys.stderr):
            yield
    except SamplingError as error:
        raise ParameterError(f"sampling failed: {error}") from error
    except ImportError as error:
        advice = "Samplers other than pymc come with: pip install 'likely[samplers]'."
        raise LikelyError(f"{error}. {advice}") from error


def _command() -> str:
    return shlex.join(["likely", *sys.argv[1:]])


def _table(result: Fit) -> str:
    """Return the summary without coefficients that have a plainer name."""
    summary = result.summary()
    doubled = [
        p.priors[0].coefficient for p in result.specification.predictors if p.design.intercept_only
    ]
    columns = [c for c in summary.columns if not c.startswith("mcse") and c != "ess_tail"]
    text = summary.drop(index=doubled)[columns].to_string(float_format="{:.4g}".format)
    fixed = [f"{name} = {value:g} (fixed)" for name, value in result.specification.fixed.items()]
    return "\n".join([text, *fixed])
