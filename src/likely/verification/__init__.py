"""After the fit: a posterior judged by the exact density, or by fresh simulations near it."""

from likely.verification.judgement import Verification
from likely.verification.posterior import verify

__all__ = ["Verification", "verify"]
