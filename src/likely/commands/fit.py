"""`likely fit`: a posterior from trials."""

from __future__ import annotations

import contextlib
import shlex
import sys
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from likely.commands.exit_codes import INTERRUPTED, SUCCESS
from likely.commands.interruption import ends_with
from likely.commands.messages import say
from likely.commands.model_options import ModelCommand, found, parameters
from likely.errors import (
    LikelyError,
    ParameterError,
    RecodedWarning,
    SamplingInterrupted,
)
from likely.quiet import quiet_sampling
from likely.text_table import aligned

if TYPE_CHECKING:
    from likely.likelihood import Likelihood
    from likely.regression import Fit, Lapses
    from likely.regression.specification import Specification
    from likely.results import Results

ESTIMATED = "estimated"
TOO_EARLY = "interrupted before there were draws to keep; nothing was written to"
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
            with ends_with("interrupted before there were draws; nothing was written."):
                from likely.likelihood import load

                return load(name)
    return None


@click.command(cls=ModelCommand, find=find_likelihood, value=click.STRING)
@click.argument("trials", type=click.Path(path_type=Path))
@click.option("-m", "--model", required=True, help="A shipped likelihood, or a .likely file.")
@click.option("--rt", default="rt", show_default=True, help="Column of response times in seconds.")
@click.option("--choice", default="choice", show_default=True, help="Column of choices.")
@click.option("--no-rt", is_flag=True, help="No times were observed, but choices alone.")
@click.option("--no-choice", is_flag=True, help="No choices were observed, but times alone.")
@click.option(
    "--code",
    "codes",
    multiple=True,
    metavar="VALUE=CHOICE",
    help="What a value of that column stands for, such as left=-1; by default it is recognised.",
)
@click.option("--deadline", help="Column of deadlines, or that of all trials, in seconds.")
@click.option("--where", help="Rows to keep, such as 'subject == 1 and 0.1 < rt < 2'.")
@click.option(
    "--prior",
    "priors",
    type=(str, float, float),
    multiple=True,
    metavar="COEFFICIENT MEAN SD",
    help="Mean and sd of a normal prior: of a coefficient, such as v_coh 0 10, on the scale of its "
    "link; of a parameter that is the same in all trials, such as t 0.3 0.1, on its own.",
)
@click.option(
    "--lapse",
    default="0",
    show_default=True,
    metavar="SHARE",
    help="Share of trials on which any choice is made at any time, or 'estimated'.",
)
@click.option(
    "--centred/--non-centred",
    default=None,
    help="How group effects are drawn; by default centred where groups have 100 trials or more.",
)
@click.option("--draws", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--tune", type=click.IntRange(1), default=1000, show_default=True)
@click.option("--chains", type=click.IntRange(1), default=4, show_default=True)
@click.option(
    "--sampler", type=click.Choice(SAMPLERS), help="NUTS; by default nutpie, if it is installed."
)
@click.option(
    "--target-accept",
    type=click.FloatRange(0.0, 1.0, min_open=True, max_open=True),
    help="Share of steps that NUTS is to accept: larger for smaller steps.",
)
@click.option(
    "--threads",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Threads of each chain, of use where there are more cores than chains.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of everything drawn.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder for report.html, posterior.nc, summary.csv, fit.json and more.",
)
def fit(
    trials: Path,
    model: str,
    rt: str,
    choice: str,
    no_rt: bool,
    no_choice: bool,
    codes: tuple[str, ...],
    deadline: str | None,
    where: str | None,
    priors: tuple[tuple[str, float, float], ...],
    lapse: str,
    centred: bool | None,
    draws: int,
    tune: int,
    chains: int,
    sampler: str | None,
    target_accept: float | None,
    threads: int,
    seed: int,
    output: Path,
    **options: Any,
) -> int:
    """Draw from the posterior of a model's parameters, given the trials in a CSV file.

    Each parameter of the model is an option: a formula over columns of the file, such as
    --v "0 + coherence + (1|subject)", or a number, which fixes it. Parameters left out are the same
    in all trials and estimated.

    Choices 0 and 1, error and correct, left and right and the like are recognised for a model with
    two boundaries; others are stated with --code.

    Example: likely fit trials.csv --model ddm --v "1 + coherence" --z 0.5 -o fitted
    """
    with ends_with(f"{TOO_EARLY} {output}."):
        from likely import regression
        from likely.checks import require_seed
        from likely.commands.fit_folder import write
        from likely.likelihood import load
        from likely.results.folder import REPORT
        from likely.results.record import Request
        from likely.trial_files import read_trials
        from likely.writing import require_writable

        require_writable(output)
        require_seed(seed)
        likelihood: Likelihood = (found() or load(model)).on_threads(threads)
        times, chosen = None if no_rt else rt, None if no_choice else choice
        data = read_trials(trials, rt=times, choice=chosen, where=where)
        formula, fixed = split(parameters(options))
        with _recoding_said_once():
            specification = regression.specify(
                data,
                model=likelihood,
                formula=formula,
                fixed=fixed,
                priors={name: (mean, sd) for name, mean, sd in priors},
                lapse=_lapses(lapse),
                noncentered=None if centred is None else not centred,
                rt=times,
                choice=chosen,
                deadline=None if deadline is None else _number_or_text(deadline),
                coding=_coding(codes),
            )
        click.echo(f"{specification.description}\n\n{_priors(specification)}\n", err=True)
        sample: dict[str, Any] = {"draws": draws, "tune": tune, "chains": chains}
        if sampler is not None:
            sample["nuts_sampler"] = sampler
        if target_accept is not None:
            sample["nuts"] = {"target_accept": target_accept}
        result, finished = _drawn(specification, seed, sample)
    with ends_with(f"interrupted while results were written; {output} keeps what was finished."):
        request = Request(_command(), str(trials), where, sample, again=_again())
        results = write(result, output, request)
    _warn(results)
    click.echo(f"{_table(result)}\n\n{_estimates(results)}")
    if not finished:
        say(f"interrupted; the draws until then are in {output}, with {REPORT}.")
        return INTERRUPTED
    click.echo(f"\n{len(data)} trials; open {output / REPORT}, written from the files beside it.")
    return SUCCESS


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


def _number_or_text(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _lapses(text: str) -> float | Lapses:
    """Return the share of lapses, or lapses of which it is estimated."""
    from likely.regression import Lapses

    share = _number_or_text(text)
    if isinstance(share, float):
        return share
    if text != ESTIMATED:
        raise ParameterError(f"--lapse is {text!r}; it must be a number or '{ESTIMATED}'.")
    return Lapses()


def _coding(codes: Sequence[str]) -> dict[Hashable, int] | None:
    """Return value -> choice of words such as left=-1."""
    coding: dict[Hashable, int] = {}
    for code in codes:
        value, equals, choice = code.rpartition("=")
        try:
            coding[value] = int(choice if equals else "")
        except ValueError as error:
            raise ParameterError(
                f"--code {code} is not VALUE=CHOICE with a whole number, such as left=-1."
            ) from error
    return coding or None


def _priors(specification: Specification) -> str:
    """Return the priors as a table."""
    table = specification.priors.astype(str)
    rows = [("prior of", "link", "")]
    rows += zip(table["coefficient"], table["link"], table["prior"], strict=True)
    if specification.lapses is not None:
        rows.append(("lapses", "", str(specification.lapses)))
    return aligned(rows)


@contextlib.contextmanager
def _recoding_said_once() -> Iterator[None]:
    """Leave it to the summary of the trials to say how choices were read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecodedWarning)
        yield


def _warn(results: Results) -> None:
    """Say what the report warns of, but for what was said before sampling."""
    from likely.reporting.writing import diagnosis_of

    for warned in diagnosis_of(replace(results, forewarned=())).warnings:
        say(f"warning: {warned.what} {warned.remedy}")


def _drawn(specification: Specification, seed: int, sample: dict[str, Any]) -> tuple[Fit, bool]:
    """Return the fit, and whether sampling went on to its end."""
    from likely import regression

    try:
        with _sampling():
            return regression.draw(specification, seed=seed, **sample), True
    except SamplingInterrupted as error:
        return error.fit, False


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
        advice = "Samplers other than pymc come with likely's extra 'samplers'."
        raise LikelyError(f"{error}. {advice}") from error


def _command() -> str:
    return shlex.join(["likely", *sys.argv[1:]])


def _again() -> str:
    """Return the command line that fits the same with the files of the fit's folder."""
    from likely.results.folder import LIKELIHOOD, TRIALS

    given = click.get_current_context().params
    words = ["likely", "fit", TRIALS, "--model", LIKELIHOOD]
    words += [f"--{name}={text}" for name, text in parameters(given).items()]
    words += [f"--{flag.replace('_', '-')}" for flag in ("no_rt", "no_choice") if given[flag]]
    for prior in given["priors"]:
        words += ["--prior", *map(str, prior)]
    if given["centred"] is not None:
        words.append("--centred" if given["centred"] else "--non-centred")
    numbers = ("lapse", "draws", "tune", "chains", "sampler", "target_accept", "seed")
    words += [
        f"--{name.replace('_', '-')}={given[name]}" for name in numbers if given[name] is not None
    ]
    return shlex.join([*words, "-o", "again"])


def _table(result: Fit) -> str:
    """Return what matters most of the summary."""
    summary = result.summary()
    columns = [c for c in summary.columns if not c.startswith("mcse") and c != "ess_tail"]
    return summary[columns].to_string(float_format="{:.4g}".format)


def _estimates(results: Results) -> str:
    """Return parameters in their own units by condition, without effects of groups."""
    from likely.reporting.estimates import MOST_ROWS, estimate_table, of_population
    from likely.results.folder import ESTIMATES

    assert results.estimates is not None
    rows = of_population(results.estimates)
    more = len(rows) - MOST_ROWS
    text = aligned(estimate_table(rows.head(MOST_ROWS)))
    return f"{text}\n{more:,} more rows are in {ESTIMATES}." if more > 0 else text
