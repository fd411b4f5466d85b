"""Chatter is kept away while sampling, and only then."""

from __future__ import annotations

import logging
import warnings

import pytest

from likely.quiet import quiet_sampling


def test_only_errors_and_other_warnings_get_through(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("pymc")
    level = logger.level
    with quiet_sampling():
        logger.warning("chatter")
        logger.error("trouble")
        warnings.warn("overflow encountered in exp", RuntimeWarning, stacklevel=1)
        with pytest.warns(RuntimeWarning, match="divide"):
            warnings.warn("divide by zero", RuntimeWarning, stacklevel=1)
    assert caplog.messages == ["trouble"]
    assert logger.level == level


def test_the_log_speaks_again_after_a_failure() -> None:
    logger = logging.getLogger("pymc")
    level = logger.level

    def fail() -> None:
        with quiet_sampling():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert logger.level == level
