"""Networks that stand for densities of (response time, choice)."""
