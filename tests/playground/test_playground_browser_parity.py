"""In a real browser: the numbers are the library's."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.browser


def test_loads(page: Any) -> None:
    assert page.title()
