"""Classical classifiers that see one prompt's context and nothing else, like in-context learning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float
from joblib import Parallel, delayed
from numpy.typing import NDArray

from iclscope.core.arguments import list_of, whole_number
from iclscope.core.errors import one_of_these, require
from iclscope.tasks import SignedPrompts


# Importing scikit-learn takes more than a second, and most commands do without: it is imported where it is used.
def _logistic_regression() -> Any:
    from sklearn.linear_model import LogisticRegression

    # The default solver's minimum, and in these few dimensions found sooner.
    return LogisticRegression(solver="newton-cholesky")


def _support_vectors(kernel: str) -> Any:
    from sklearn.svm import SVC

    return SVC(kernel=kernel)


def _nearest_neighbours(count: int) -> Any:
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(n_neighbors=count)


CLASSIFIERS: dict[str, Callable[[], Any]] = {
    "logistic regression": _logistic_regression,
    "SVM, Gaussian kernel": partial(_support_vectors, "rbf"),
    "SVM, linear kernel": partial(_support_vectors, "linear"),
    "1-NN": partial(_nearest_neighbours, 1),
    "3-NN": partial(_nearest_neighbours, 3),
}
"""scikit-learn's classifiers at its default settings, but for a solver that finds the same minimum in less time; the
paper names the methods, not their settings."""

_PROMPTS_PER_JOB = 256

Inputs = NDArray[np.float64]


def classifier_outputs(
    names: Sequence[str], prompts: SignedPrompts, *, processes: int = 2
) -> dict[str, Float[np.ndarray, "run batch"]]:
    """Fit classifiers to each prompt's context and predict the query.

    A context whose labels are all equal is answered with that label. 3-NN needs three examples; with fewer it asks
    all there are.

    Args:
        names: keys of `CLASSIFIERS`.
        prompts: a batch per run, all of one length.
        processes: how many to fit in at a time.

    Returns:
        Predicted labels, +1 or −1, for each classifier.
    """
    names = list_of("names", names, "names of baselines")
    processes = whole_number("processes", processes, least=1)
    for name in names:
        require(name in CLASSIFIERS, "names", name, one_of_these(CLASSIFIERS))
    examples = prompts.examples()
    length = examples.one_length()
    runs, batch, _, d_X = examples.inputs.shape
    inputs = examples.inputs[:, :, :length].double().cpu().numpy().reshape(runs * batch, length, d_X)
    labels = prompts.signs[:, :, :length].cpu().numpy().astype(np.int64).reshape(runs * batch, length)
    queries = examples.query().double().cpu().numpy().reshape(runs * batch, d_X)
    parts = [slice(start, start + _PROMPTS_PER_JOB) for start in range(0, runs * batch, _PROMPTS_PER_JOB)]
    answers = Parallel(n_jobs=processes)(
        delayed(_fit_and_answer)(tuple(names), inputs[p], labels[p], queries[p]) for p in parts
    )
    joined = np.concatenate(answers, axis=1).reshape(len(names), runs, batch)
    return dict(zip(names, joined, strict=True))


def _fit_and_answer(names: Sequence[str], inputs: Inputs, labels: NDArray[np.int64], queries: Inputs) -> Inputs:
    """Predictions [classifier, prompt] of some prompts; scikit-learn fits one data set at a time."""
    import sklearn

    answers = np.empty((len(names), len(queries)))
    # The inputs are finite by construction, and checking them costs as much as fitting twenty points.
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for i, (x, y, query) in enumerate(zip(inputs, labels, queries, strict=True)):
            if (y == y[0]).all():
                answers[:, i] = y[0]
                continue
            for j, name in enumerate(names):
                classifier = CLASSIFIERS[name]()
                if hasattr(classifier, "n_neighbors"):
                    classifier.n_neighbors = min(classifier.n_neighbors, len(y))
                answers[j, i] = classifier.fit(x, y).predict(query[None])[0]
    return answers
