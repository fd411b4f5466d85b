"""JAX is imported where it is used alone; each test is a process of its own."""

from __future__ import annotations

import subprocess
import sys
from textwrap import dedent

START = """
import sys
import numpy as np
import pymc as pm
import likely as lk

def in_jax():
    return [name for name in sys.modules if name.startswith(("jax.", "pytensor.link.jax.dispatch"))]

def ddm_model():
    trials = np.array([[0.6, 1.0], [0.9, -1.0], [0.7, 1.0]])
    with pm.Model() as model:
        lk.load("ddm")("trials", v=pm.Normal("v"), a=1.2, z=0.5, t=0.3, observed=trials)
    return model

POINT = {"v": np.array(0.7)}
"""


def _run(code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", START + dedent(code)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_models_on_the_default_backend_do_without_it() -> None:
    """Sampling too needs a value and its gradient alone."""
    _run("""
        model = ddm_model()
        assert np.isfinite(model.compile_logp()(POINT))
        assert np.isfinite(model.compile_dlogp()(POINT)).all()
        assert not in_jax(), in_jax()
    """)


def test_networks_of_all_kinds_load_without_it() -> None:
    """Closed forms of accumulators alone are defined in JAX when they are imported."""
    _run("""
        for name in ("full_ddm", "ddm_normal_st", "ddm_par2_no_bias", "race_3", "lca_no_bias_3"):
            lk.load(name)
            assert not in_jax(), (name, in_jax())
    """)


def test_jax_is_told_of_likelihoods_when_it_compiles_them() -> None:
    """Without optional rewrites, too, and after another backend."""
    _run("""
        import pytensor
        from pytensor.compile.mode import Mode

        model = ddm_model()
        expected = model.compile_logp()(POINT)
        assert not in_jax(), in_jax()
        mode = Mode("jax", optimizer=None)
        function = pytensor.function(model.value_vars, model.logp(), mode=mode)
        np.testing.assert_allclose(function(0.7), expected, rtol=1e-9)
    """)


def test_what_has_no_compiled_code_is_of_double_precision() -> None:
    """JAX rounds to 32 bits until it is told not to."""
    _run("""
        from likely.networks.mixture import MixtureDensity

        expected = ddm_model().compile_logp()(POINT)
        MixtureDensity.compilable = False
        found = ddm_model().compile_logp(mode="FAST_COMPILE")(POINT)
        np.testing.assert_allclose(found, expected, rtol=1e-10)
    """)
