"""What the tests of faults share."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="module", autouse=True)
def faults_are_not_looked_for_in_figures(figures_are_not_drawn: None) -> None:
    """A module that looks for them there has a fixture of its own in place of that one."""
