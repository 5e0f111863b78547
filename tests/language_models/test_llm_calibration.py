"""Contextual calibration by hand."""

from __future__ import annotations

import numpy as np

from iclscope.language_models.prompts.calibration import calibrated


def test_each_content_free_query_counts_as_much_whatever_its_labels_weigh() -> None:
    """Shares (0.8, 0.2) and (1/3, 2/3) have mean (0.567, 0.433); masses of 0.1 and 0.9 would make it (0.19, 0.31)."""
    content_free = np.log(np.asarray([[0.08, 0.02], [0.3, 0.6]]))
    scores = np.log(np.asarray([[0.05, 0.05], [0.6, 0.3]]))
    found = calibrated(scores, content_free)
    bias = np.asarray([(0.8 + 1 / 3) / 2, (0.2 + 2 / 3) / 2])
    expected = np.log(np.asarray([[0.5, 0.5], [2 / 3, 1 / 3]]) / bias)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert found.argmax(axis=1).tolist() == [1, 0]


def test_what_all_labels_share_changes_nothing() -> None:
    scores, content_free = np.log([[0.2, 0.1, 0.3]]), np.log([[0.3, 0.3, 0.1], [0.1, 0.2, 0.2]])
    plain = calibrated(scores, content_free)
    np.testing.assert_allclose(calibrated(scores - 7.0, content_free - [[2.0], [5.0]]), plain, rtol=1e-12)
