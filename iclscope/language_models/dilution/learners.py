"""Classical learners on the same demonstrations: when is the language model worth asking?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

KNN, LOGISTIC = "knn", "logistic"
LEARNERS = (KNN, LOGISTIC)
NEIGHBOURS = 3


def learned_answers(
    shown: Float[np.ndarray, "demonstration channel"],
    labels: Sequence[str],
    queries: Float[np.ndarray, "query channel"],
) -> dict[str, list[str]]:
    """What k-nearest neighbours and logistic regression answer, fitted to the demonstrations of one prompt.

    Both see hidden states of the model itself, less their mean over the demonstrations and scaled to length 1:
    three neighbours by cosine (fewer where there are fewer demonstrations), and logistic regression with scikit-learn's
    usual penalty, C = 1, on states of squared length equal to the number of channels' square root.

    Args:
        shown: hidden states of the demonstrations.
        labels: of the demonstrations, as they are shown.
        queries: hidden states of the queries.

    Returns:
        Learner → a label per query.
    """
    if len(set(labels)) == 1:
        return dict.fromkeys(LEARNERS, [labels[0]] * len(queries))
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    mean = shown.mean(axis=0)
    x, asked = (_directions(states - mean) for states in (shown, queries))
    near = KNeighborsClassifier(min(NEIGHBOURS, len(labels)), metric="cosine").fit(x, list(labels))
    scale = x.shape[1] ** 0.25
    line = LogisticRegression(max_iter=500).fit(scale * x, list(labels))
    return {
        KNN: [str(one) for one in near.predict(asked)],
        LOGISTIC: [str(one) for one in line.predict(scale * asked)],
    }


def _directions(states: Float[np.ndarray, "text channel"]) -> Float[np.ndarray, "text channel"]:
    norms = np.linalg.norm(states, axis=1, keepdims=True)
    found: Float[np.ndarray, "text channel"] = states / np.where(norms > 0, norms, 1)
    return found
