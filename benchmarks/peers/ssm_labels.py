# /// script
# requires-python = ">=3.12,<3.13"
# dependencies = ["ssm-simulators==0.15.0"]
# ///
"""The ssm-simulators half of the labels benchmark, in an environment of its own.

Run as ``uv run --no-project --script benchmarks/peers/ssm_labels.py``. A JSON job comes on stdin
and its seconds leave on stdout; the training data are written to the ``.npz`` file the job names.

The peer is called as its users call it: ``TrainingDataGenerator`` with its own configuration for
LANs, of which only the amounts are set. It shuffles the kinds of points within a set, so that a job
which wants one kind alone asks for it by the mixture probabilities.
"""

import json
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from ssms.config.generator_config.data_generator_config import get_lan_kde_config
from ssms.dataset_generators.lan_mlp import TrainingDataGenerator


@dataclass(frozen=True)
class Job:
    """What to generate.

    Args:
        file: where the data go: ``theta`` (sets, 4), ``data`` (rows, 6) and ``labels`` (rows,).
        sets: parameter sets.
        draws: simulated trials a set.
        points: labelled points a set.
        mixture: shares of points from the density, uniform ones, and ones at negative times.
        first: number of the first parameter set, which decides what the parameters are.
        processes: worker processes; one means none beside this.
        displaced: whether the density is estimated of rt - t; the peer's default is of rt.
        seed: makes the simulations reproducible.
    """

    file: str
    sets: int
    draws: int
    points: int
    mixture: tuple[float, float, float]
    first: int
    processes: int
    displaced: bool
    seed: int


def configuration(job: Job, folder: str) -> dict[str, Any]:
    """Return the peer's configuration for the ddm with the job's amounts."""
    config = get_lan_kde_config(model="ddm")
    config["pipeline"].update(
        n_parameter_sets=job.sets,
        n_subruns=1,  # each subrun starts its processes anew
        n_cpus=job.processes,
        parameter_sampler_index_offset=job.first,
    )
    config["simulator"]["n_samples"] = job.draws
    config["training"].update(
        n_samples_per_param=job.points, mixture_probabilities=list(job.mixture)
    )
    if job.displaced:
        config["estimator"]["displace_t"] = True
    config["output"]["folder"] = folder
    return config


def generate(job: Job) -> tuple[dict[str, Any], float]:
    """Return the peer's training data and the seconds they took."""
    np.random.seed(job.seed)  # the peer draws the seeds of its simulations from here
    with tempfile.TemporaryDirectory() as folder:
        generator = TrainingDataGenerator(configuration(job, folder))
        began = time.perf_counter()
        made = generator.generate_data_training()
        return made, time.perf_counter() - began


def main() -> None:
    """Answer the job on stdin."""
    job = Job(**json.load(sys.stdin))
    generate(replace(job, sets=job.processes))  # imports, and starts processes, before the clock
    made, seconds = generate(job)
    np.savez(job.file, theta=made["theta"], data=made["lan_data"], labels=made["lan_labels"])
    json.dump({"seconds": seconds}, sys.stdout)
    print()


if __name__ == "__main__":
    main()
