# /// script
# requires-python = ">=3.12,<3.13"
# dependencies = ["hssm==0.5.0"]
# ///
"""The HSSM half of the gradient benchmark, in an environment of its own.

Run as ``uv run --no-project --script benchmarks/peers/hssm_gradient.py JOB.json``. The job names a
CSV file with rt, response and covariates, and formulas of parameters; the result leaves on the
last line of stdout. The network has as many layers, and as wide, as HSSM's (three of 100, tanh);
its weights are random, which changes nothing in the time of a gradient, and nothing is downloaded.
"""

import json
import sys
import time
from pathlib import Path

import hssm
import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

LAYERS = (6, 100, 100, 100, 1)


def network(path: Path) -> None:
    """Write a network of the published shape."""
    rng = np.random.default_rng(0)
    nodes, constants, last = [], [], "input"
    for i, (m, n) in enumerate(zip(LAYERS[:-1], LAYERS[1:], strict=True)):
        for name, shape in ((f"w{i}", (m, n)), (f"b{i}", (n,))):
            values = rng.normal(size=shape) / np.sqrt(m)
            constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        output = f"y{i}" if i < len(LAYERS) - 2 else "output"
        nodes.append(helper.make_node("Gemm", [last, f"w{i}", f"b{i}"], [output]))
        last = output
        if i < len(LAYERS) - 2:
            nodes.append(helper.make_node("Tanh", [output], [f"t{i}"]))
            last = f"t{i}"
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, width])
        for name, width in (("input", LAYERS[0]), ("output", LAYERS[-1]))
    ]
    graph = helper.make_graph(nodes, "lan", ends[:1], ends[1:], constants)
    onnx.save(helper.make_model(graph), path)


def seconds(function: object, point: np.ndarray, repeats: int) -> list[float]:
    """Time a gradient, after the first, which compiles."""
    found = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        np.asarray(function(point)[1])  # type: ignore[operator]  # waits for JAX
        found.append(time.perf_counter() - began)
    return found[1:]


def main() -> None:
    """Time gradients of the joint log density."""
    job = json.loads(Path(sys.argv[1]).read_text())
    path = Path(sys.argv[1]).with_suffix(".onnx")
    network(path)
    model = hssm.HSSM(
        data=pd.read_csv(job["data"]), model="ddm", loglik_kind="approx_differentiable",
        loglik=str(path), p_outlier=None, lapse=None, process_initvals=False,
        include=[{"name": n, "formula": f} for n, f in job["formulas"].items()],
    )  # fmt: skip
    result = {}
    for mode in (None, "JAX"):
        function = model.pymc_model.logp_dlogp_function(ravel_inputs=True, mode=mode)
        function.set_extra_values({})
        start = model.pymc_model.initial_point()
        point = np.concatenate([np.ravel(start[v.name]) for v in model.pymc_model.value_vars])
        point += job["moved"]  # of the point from the start, where the covariate has no effect
        result[mode or "default"] = seconds(function, point, job["repeats"])
    print(json.dumps(result))


if __name__ == "__main__":
    main()
