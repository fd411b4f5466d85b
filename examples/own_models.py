"""Models of your own: a diffusion from two functions, and any simulator of trials.

uv run python examples/own_models.py
"""

import likely as lk

# A diffusion whose boundary falls as a hyperbola. Arguments are matched to parameters by name; t is
# the non-decision time, z the relative starting point.
hyperbolic = lk.Diffusion(
    "hyperbolic",
    parameters=dict(v=(-6, 6), a=(0.2, 4), z=(0.05, 0.95), k=(0, 2), t=(0, 2)),
    drift=lambda x, s, v: v,
    boundary=lambda s, a, k: a / (1 + k * s),
)


def one_trial(rng, v0, v1, t):
    """Race of two inverse Gaussian times; code on numpy arrays works with vectorized=True."""
    first, second = rng.wald(1 / v0, 1), rng.wald(1 / v1, 1)
    return (first + t, 0) if first < second else (second + t, 1)


race = lk.Simulator(
    "race",
    parameters=dict(v0=(0.5, 3), v1=(0.5, 3), t=(0, 1)),
    choices=(0, 1),
    simulate=one_trial,
    non_decision="t",
)

if __name__ == "__main__":
    for model in (hyperbolic, race):
        likelihood = lk.train(model, seconds=60)
        print(likelihood.save(f"{model.name}.likely"), likelihood)
