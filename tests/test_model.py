"""Declaring diffusions and simulators, and what is refused, when, and in which words."""

from __future__ import annotations

import functools
import math

import numba
import numpy as np
import pytest

from likely.declaration import Parameter
from likely.diffusions import Diffusion
from likely.errors import LikelyError, ModelError, ParameterError
from likely.kernels import compiled
from likely.model import require_passages
from likely.simulation import simulate
from likely.simulators import Simulator
from likely.zoo import models, resolve

PLAIN = {"v": (-2, 2), "a": (0.5, 2), "z": (0.2, 0.8), "t": (0, 1)}
FIXED = {"v": 1.0, "a": 1.0, "z": 0.5, "t": 0.2}


def drift(v):
    return v


def boundary(a):
    return a


def diffusion(**changed):
    return Diffusion("m", **{"parameters": PLAIN, "drift": drift, "boundary": boundary} | changed)


def arrays(function, *, choices=(0, 1), non_decision=None, **limits):
    parameters = limits or {"v": (0.5, 2)}
    return Simulator(
        "m",
        parameters=parameters,
        choices=choices,
        simulate=function,
        vectorized=True,
        non_decision=non_decision,
    )


def one_trial(model):
    centre = {name: max(lower, min(upper, 1.0)) for name, (lower, upper) in model.box.items()}
    return simulate(model, centre, seed=1)


class TestDiffusion:
    def test_keeps_parameters_in_order_and_knows_their_meaning(self):
        model = diffusion()
        assert model.name == "m"
        assert model.declaration.names == ("v", "a", "z", "t")
        assert model.choices == (-1, 1)
        assert model.declaration.non_decision == "t"
        assert model.parameters[2].support == (0, 1)
        assert model.parameters[3].support == (0, math.inf)

    def test_a_t_that_a_function_uses_is_no_non_decision_time(self):
        model = diffusion(drift=lambda v, t: v * t)
        assert model.declaration.non_decision is None

    def test_a_z_that_a_function_uses_is_no_starting_point(self):
        model = diffusion(drift=lambda v, z: v * z)
        assert model.start() == 0.0
        assert diffusion().start(0.75) == 0.5

    def test_a_parameter_may_bring_its_own_description(self):
        threshold = Parameter("a", 0.5, 2, (0, math.inf), description="threshold")
        model = diffusion(parameters={**PLAIN, "a": threshold})
        assert model.parameters[1] is threshold

    def test_functions_already_compiled_are_welcome(self):
        assert diffusion(drift=numba.njit(drift)).declaration == diffusion().declaration

    def test_records_are_frozen(self):
        with pytest.raises(AttributeError):
            diffusion().drift = drift

    def test_with_box_keeps_the_functions(self):
        wider = models["ddm"].with_box(a=(0.1, 9))
        assert wider.drift is models["ddm"].drift
        assert wider.box["a"] == (0.1, 9)
        assert models["ddm"].box["a"] == (0.2, 4)
        assert isinstance(wider, Diffusion)

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"drift": lambda x, vv: vv}, "'<lambda>': unknown argument 'vv'. Did you mean 'v'"),
            ({"drift": lambda rng, v: v}, "unknown argument 'rng'"),
            ({"boundary": lambda x, a: a}, "unknown argument 'x'"),
            ({"start": lambda s, z: z}, "unknown argument 's'"),
            ({"drift": lambda: 1.0}, "no function uses parameter 'v'"),
            ({"drift": lambda v, k=3: v}, "unknown argument 'k'"),
            ({"drift": lambda *values: 1.0}, r"'<lambda>': it takes \*args, \*\*kwargs or"),
            ({"drift": lambda **values: 1.0}, r"it takes \*args, \*\*kwargs or"),
            ({"drift": lambda x, *, v: v}, "keyword-only arguments; name each argument"),
            ({"drift": 1.0}, "1.0 is not a plain Python function"),
            ({"drift": functools.partial(drift, 1)}, "is not a plain Python function"),
            ({"drift": None}, "None is not a plain Python function"),
            ({"drift": lambda v: v / 0}, "'<lambda>' failed at v=0: .*division by zero"),
            ({"drift": lambda v: None}, "'<lambda>' failed at v=0"),
            ({"drift": lambda v: undefined * v}, "name 'undefined' is not defined"),  # noqa: F821
            ({"boundary": lambda a: -a}, r"boundary\(s=0\) is -1.25 at v=0, a=1.25.*must be > 0"),
            ({"boundary": lambda a: a - 0.5}, r"boundary\(s=0\) is 0 at v=0, a=0.5"),
            ({"boundary": lambda a: a * math.nan}, r"boundary\(s=0\) is nan"),
            ({"start": lambda z: 2 * z}, r"start is 1 at .*it must be in \(-1, 1\)"),
            ({"parameters": {**PLAIN, "z": (0, 1)}}, "start is -1 at v=0, a=0.5, z=0"),
            ({"parameters": {**PLAIN, "z": (-1, 1)}}, "'z': the box .* leaves the support"),
            ({"parameters": {**PLAIN, "t": (-1, 1)}}, "'t': the box .* leaves the support"),
            ({"parameters": {**PLAIN, "a": (2, 1)}}, "'a': the box"),
            ({"parameters": {**PLAIN, "a": 2}}, r"'a': 2 is not a pair \(lower, upper\)"),
            ({"parameters": {**PLAIN, "a": (1, math.inf)}}, "only a non-decision time may"),
            ({"parameters": {**PLAIN, "k": (0, 1)}}, "no function uses parameter 'k'"),
            ({"parameters": {**PLAIN, "x": (0, 1)}}, "'x' cannot name a parameter"),
            ({"parameters": {**PLAIN, "b c": (0, 1)}}, "'b c' is not a Python identifier"),
            ({"parameters": {**PLAIN, "a": Parameter("A", 1, 2)}}, "'a' is given as .* 'A'"),
            ({"parameters": ["v", "a"]}, r"parameters is \['v', 'a'\]; give a dict"),
            ({"parameters": {}, "drift": lambda: 1.0, "boundary": lambda: 1.0}, "no parameters"),
        ],
    )
    def test_refuses_what_cannot_work(self, changed, message):
        with pytest.raises(ModelError, match=message):
            diffusion(**changed)

    def test_a_function_numba_cannot_compile_gives_one_readable_line(self):
        model = diffusion(drift=lambda v: np.polyfit([1.0, 2.0], [v, v], 1)[1])
        with pytest.raises(ModelError, match="numba cannot compile the model's functions: ") as e:
            model.first_passages  # noqa: B018
        assert "\n" not in str(e.value)
        assert len(str(e.value)) < 300

    def test_parameters_at_which_the_functions_fail_are_named_when_simulated(self):
        model = diffusion(
            drift=lambda s, v: v if s * v < 1e-3 else math.nan,
            boundary=lambda a, z: -a if 0.4 < z < 0.45 else a,
            start=lambda z: 2 * z - 1,
        )
        assert len(simulate(model, {**FIXED, "v": -1}, 10, seed=1).dropna()) == 10
        for change, where in (({"z": [0.3, 0.42]}, "v=-1, a=1, z=0.42, t=0"), ({"v": 1}, "v=1, a")):
            message = f"at {where}.* does not start between the boundaries, or the drift or the"
            with pytest.raises(ModelError, match=message):
                simulate(model, {**FIXED, "v": -1, **change}, 10, seed=1)


class TestSimulator:
    def test_knows_its_declaration(self):
        model = arrays(lambda rng, v, t: (t + v, v > 0), t=(0, 1), v=(1, 2), non_decision="t")
        assert model.declaration.names == ("t", "v")
        assert model.choices == (0, 1)
        assert model.declaration.non_decision == "t"
        assert arrays(lambda rng, **p: p, choices=np.array([0, 2])).choices == (0, 2)
        assert type(arrays(lambda rng, **p: p, choices=np.array([0, 2])).choices[0]) is int

    def test_a_declaration_alone_runs_nothing(self):
        def explode(rng, v):
            raise AssertionError

        arrays(explode)

    @pytest.mark.parametrize("function", [lambda v, rng: (v, 0 * v), lambda *, rng, v: (v, 0 * v)])
    def test_arguments_go_by_name_not_by_place(self, function):
        assert one_trial(arrays(function)).rt[0] == 1

    def test_a_function_of_any_keywords_is_given_all_parameters(self):
        model = arrays(lambda rng, **p: (p["v"] + p["w"], 0 * p["v"]), v=(1, 2), w=(1, 2))
        assert one_trial(model).rt[0] == 2

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"simulate": lambda rng, w: (w, 0)}, "unknown argument 'w'.*Known: rng, v"),
            ({"simulate": lambda rng: (1.0, 0)}, "no function uses parameter 'v'"),
            ({"simulate": lambda rng, **p: (1.0, 0)}, r"\*args, \*\*kwargs"),
            ({"simulate": 3}, "3 is not a plain Python function"),
            ({"simulate": np.exp}, "is not a plain Python function"),
            ({"choices": 2}, r"choices is 2; list the values, such as \(0, 1\)"),
            ({"choices": (1, 0)}, "must be ascending whole numbers"),
            ({"choices": ("left", "right")}, "must be ascending whole numbers"),
            ({"choices": ()}, "must be ascending whole numbers"),
            ({"non_decision": "t0"}, "unknown non-decision parameter 't0'"),
            ({"parameters": {"v": (0,)}}, "is not a pair"),
        ],
    )
    def test_refuses_a_declaration_that_cannot_work(self, arguments, message):
        given = {
            "parameters": {"v": (0, 1)},
            "choices": (0, 1),
            "simulate": lambda rng, v: (v, 0),
        }
        with pytest.raises(ModelError, match=message):
            Simulator("m", **given | arguments)

    @pytest.mark.parametrize(
        ("function", "message"),
        [
            (lambda rng, v: (v, v * 0 + 2), r"'m': the simulator returned choice 2, .* \(0, 1\)"),
            (lambda rng, v: (v, v * 0 + 0.5), "returned choice 0.5"),
            (lambda rng, v: (v, v * math.nan), "returned choice nan"),
            (lambda rng, v: (v - 9, v * 0), "returned rt = -8.49.*positive seconds"),
            (lambda rng, v: (v * 0, v * 0), "returned rt = 0; response times are positive"),
            (lambda rng, v: v, "two numeric arrays: rt, choice"),
            (lambda rng, v: None, "two numeric arrays: rt, choice"),
            (lambda rng, v: (v, ["left"] * len(v)), "two numeric arrays: rt, choice"),
            (lambda rng, v: (1.0, 0.0), r"shape \(64,\) and returned rt of shape \(\)"),
            (lambda rng, v: (v[:-1], v * 0), r"returned rt of shape \(63,\)"),
            (lambda rng, v: (v, v[:, None]), r"choice of shape \(64, 1\)"),
            (lambda rng, v: (v / 0, v["x"]), "'m': the simulator failed: IndexError: only integer"),
            (lambda rng, v: (np.random.rand(len(v)), v * 0), "must come from the argument rng"),
            (lambda v: (v, v * 0), "unexpected keyword argument 'rng'"),
        ],
    )
    @pytest.mark.filterwarnings("ignore:divide by zero")
    def test_refuses_results_that_make_no_sense(self, function, message):
        with pytest.raises(ModelError, match=message):
            one_trial(arrays(function))

    def test_failing_later_is_a_model_error_too(self):
        def fails_at_one(rng, v):
            if (v == 1).any():
                raise RuntimeError("no\nway")
            return v, v * 0

        with pytest.raises(ModelError, match="'m': the simulator failed: RuntimeError: no$"):
            one_trial(arrays(fails_at_one))

    @pytest.mark.parametrize(
        "function",
        [
            lambda rng, v, t: (v + 2 * t, v * 0),
            lambda rng, v, t: (v, v * 0 + 0 * t),
            lambda rng, v, t: (v + t, (t > 0) * 1.0),
            lambda rng, v, t: (np.where(v + t > 1, np.nan, v + t), v * 0),
        ],
    )
    def test_a_non_decision_time_that_is_no_pure_shift_is_refused(self, function):
        model = arrays(function, v=(0.5, 1), t=(0, 1), non_decision="t")
        with pytest.raises(ModelError, match="'t' is declared as the non-decision time but does"):
            one_trial(model)

    def test_a_pure_shift_is_taken_out_and_put_back(self):
        model = arrays(
            lambda rng, v, t: (t + v, v * 0), v=(0.5, 1), t=(0, math.inf), non_decision="t"
        )
        assert simulate(model, {"v": 0.75, "t": 100}, seed=1).rt[0] == pytest.approx(100.75)

    def test_never_ending_trials_are_undecided_whatever_their_choice(self):
        model = arrays(lambda rng, v: (np.where(v > 1, np.inf, np.nan), v * 0 + 7))
        assert simulate(model, {"v": [0.7, 1.3]}, seed=1).isna().all(axis=None)

    def test_array_code_without_saying_so_gets_the_advice(self):
        model = Simulator(
            "m",
            parameters={"v": (0, 1)},
            choices=(0, 1),
            simulate=lambda rng, v: (np.cumsum(rng.normal(v, 1.0, (v.size, 9)), axis=1)[:, 0], v),
        )
        with pytest.raises(ModelError, match="numba cannot compile the simulator") as caught:
            one_trial(model)
        assert str(caught.value).endswith("Numpy code on arrays needs vectorized=True.")
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 400

    def test_randomness_beside_rng_is_refused_in_compiled_code_too(self):
        model = Simulator(
            "m",
            parameters={"v": (0.5, 1)},
            choices=(0, 1),
            simulate=lambda rng, v: (v + np.random.random(), 0),
        )
        with pytest.raises(ModelError, match="must come from the argument rng"):
            one_trial(model)


class TestZoo:
    def test_is_a_mapping_in_order(self):
        assert list(models) == [m.name for m in models.values()]
        assert {"ddm", "angle"} <= set(models)
        assert len(models) == len(list(models))
        assert "ddm" in models
        assert "dmd" not in models
        assert repr(models).startswith("Zoo(ddm, ")

    def test_a_misspelt_name_is_answered(self):
        with pytest.raises(ModelError, match="unknown model 'agnle'. Did you mean 'angle'"):
            models["agnle"]
        with pytest.raises(ModelError, match="unknown model 'agnle'. Did you mean 'angle'"):
            simulate("agnle", FIXED, seed=1)

    @pytest.mark.parametrize("wrong", [None, 3, Diffusion, FIXED])
    def test_what_is_no_model_is_refused(self, wrong):
        with pytest.raises(ModelError, match="is neither a model nor the name of one"):
            resolve(wrong)

    def test_a_model_is_itself(self):
        assert resolve(models["ddm"]) is models["ddm"]


def test_every_error_is_a_value_error():
    for error in (ModelError, ParameterError):
        assert issubclass(error, LikelyError)
        assert issubclass(error, ValueError)


def test_undecided_trials_pass_the_check_of_results():
    nothing = np.array([np.nan])
    require_passages(models["ddm"].declaration, nothing, nothing)


def test_the_telling_line_of_a_long_message():
    assert compiled.reason(ValueError("")) == "unknown reason"
    assert compiled.reason(ValueError("Failed in nopython\nTyping: no\nFile x")) == "Typing: no"
