# /// script
# requires-python = ">=3.12,<3.13"
# dependencies = ["hssm==0.5.0"]
# ///
"""The HSSM half of the inference benchmark, in an environment of its own.

Run as ``uv run --no-project --script benchmarks/peers/hssm_inference.py JOB.json``. The job names a
CSV file of trials and says which model, how many draws and where to write the result. The
likelihood is HSSM's default for the drift diffusion model, "analytical", which needs no download.
"""

import json
import sys
import time
from pathlib import Path

import arviz as az
import hssm
import pandas as pd

LINEAR = {
    "conditions": {"include": [{"name": "v", "formula": "v ~ 0 + sign"}], "z": 0.5},
    "cavanagh": {
        "include": [
            {"name": "v", "formula": "v ~ 1 + stim + (1|subj_idx)"},
            {"name": "a", "formula": "a ~ 1 + (1|subj_idx)"},
        ],
        "link_settings": "log_logit",
    },
}
NAMES = {
    "conditions": {"v": "v_sign", "a": "a", "t": "t"},
    "cavanagh": {
        "v": "v_Intercept", "v, WL": "v_stim[WL]", "v, WW": "v_stim[WW]",
        "sd of v": "v_1|subj_idx_sigma", "log a": "a_Intercept",
        "sd of log a": "a_1|subj_idx_sigma", "z": "z", "t": "t",
    },
}  # fmt: skip


def main() -> None:
    """Sample, and write figures."""
    job = json.loads(Path(sys.argv[1]).read_text())
    model = hssm.HSSM(
        data=pd.read_csv(job["data"]),
        model="ddm",
        p_outlier=None,
        lapse=None,
        **LINEAR[job["case"]],
    )
    built = time.perf_counter()
    idata = model.sample(
        sampler="pymc", draws=job["draws"], tune=job["tune"], chains=job["chains"],
        random_seed=job["seed"], idata_kwargs={"log_likelihood": False}, progressbar=False,
    )  # fmt: skip
    seconds = time.perf_counter() - built
    table = az.summary(idata, round_to="none")
    wanted = NAMES[job["case"]]
    result = {
        "sampling": seconds,
        "steps": float(idata["sample_stats"]["n_steps"].mean()),
        "divergences": int(idata["sample_stats"]["diverging"].sum()),
        "mean": {name: float(table.loc[row, "mean"]) for name, row in wanted.items()},
        "sd": {name: float(table.loc[row, "sd"]) for name, row in wanted.items()},
        "ess": {name: float(table.loc[row, "ess_bulk"]) for name, row in wanted.items()},
    }
    Path(job["result"]).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
