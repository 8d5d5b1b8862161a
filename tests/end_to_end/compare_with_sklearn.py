#!/usr/bin/python3
"""Trains the same shapes on the same splits with backpropd and with scikit-learn, and fails where ours does worse.

    compare_with_sklearn.py      needs python3-sklearn, and the binaries of processes.py

Worse is: a mean score over the seeds that is lower by more than one standard error of the difference of the means.
"""

import csv
import math
import os
import pathlib
import statistics
import sys
import tempfile
import warnings

# Each side trains one network at a time; networks this small only lose by threads.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy  # pylint: disable=wrong-import-position
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

import experiments
import prepare_datasets
from experiments import EXPERIMENTS, Experiment
from processes import Client, Server

SEEDS = tuple(range(1, 6))

Part = tuple[numpy.ndarray, numpy.ndarray]


def read(path: pathlib.Path, experiment: Experiment) -> Part:
    """Inputs and targets."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    targets = [row.pop(experiment.target) for row in rows]
    inputs = numpy.array([[float(value) for value in row.values()] for row in rows])
    return inputs, numpy.array([float(value) for value in targets] if experiment.is_regression else targets)


def standardized(values: numpy.ndarray, training: numpy.ndarray) -> numpy.ndarray:
    """By the training patterns alone; what never varies there is only centred, as `backprop scale` does."""
    deviation = training.std(axis=0)
    return (values - training.mean(axis=0)) / numpy.where(deviation > 0, deviation, 1)


def matching_alpha(experiment: Experiment, pattern_count: int) -> float:
    """Their penalty is alpha/2 |w|^2 divided by the number of patterns in the batch, of which the last has fewer: the
    alpha by which the mean over an epoch's batches is our weight decay."""
    full, last = divmod(pattern_count, experiment.batch_size)
    shares = [1 / experiment.batch_size] * full + [1 / last] * (last > 0)
    return experiment.weight_decay / statistics.mean(shares)


def their_score(experiment: Experiment, training: Part, test: Part, seed: int) -> float:
    """Accuracy, or R^2 for regression: MLPRegressor.score and MLPClassifier.score."""
    network = (MLPRegressor if experiment.is_regression else MLPClassifier)(
        hidden_layer_sizes=experiment.layers[1:-1], activation=experiment.hidden, solver="adam",
        batch_size=experiment.batch_size, learning_rate_init=experiment.step_size, max_iter=experiment.epochs,
        alpha=matching_alpha(experiment, len(training[1])),
        # All epochs, as ours.
        n_iter_no_change=experiment.epochs, tol=0, random_state=seed)
    targets, test_targets = training[1], test[1]
    if experiment.is_regression:
        targets, test_targets = standardized(targets, training[1]), standardized(test_targets, training[1])
    network.fit(standardized(training[0], training[0]), targets)
    return network.score(standardized(test[0], training[0]), test_targets)


def our_score(client: Client, experiment: Experiment, data: pathlib.Path, seed: int) -> float:
    session = f"{experiment.name}-{seed}"
    experiments.train(client, experiment, data, session, seed)
    return experiments.score(client, experiment, data, session)


def is_worse(ours: list[float], theirs: list[float]) -> bool:
    error = math.sqrt((statistics.variance(ours) + statistics.variance(theirs)) / len(SEEDS))
    rounding = 1e-9
    return statistics.mean(ours) < statistics.mean(theirs) - error - rounding


def show(what: str, scores: list[float]) -> str:
    return f"{what} {statistics.mean(scores):.4f} +- {statistics.stdev(scores):.4f}"


def main() -> int:
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    worse = []
    print(f"mean and standard deviation of {len(SEEDS)} seeds on the held-out patterns: accuracy, diabetes R^2")
    with tempfile.TemporaryDirectory() as folder, Server() as server:
        data = pathlib.Path(folder)
        prepare_datasets.prepare(data)
        client = Client(server.address)
        for name, experiment in EXPERIMENTS.items():
            training, test = (read(data / f"{name}-{part}.csv", experiment) for part in ("training", "test"))
            ours = [our_score(client, experiment, data, seed) for seed in SEEDS]
            theirs = [their_score(experiment, training, test, seed) for seed in SEEDS]
            print(f"{name:9} {'-'.join(map(str, experiment.layers)):10} {show('ours', ours)}   "
                  f"{show('scikit-learn', theirs)}{'   WORSE' if is_worse(ours, theirs) else ''}", flush=True)
            if is_worse(ours, theirs):
                worse.append(name)
    if worse:
        print(f"worse than scikit-learn: {', '.join(worse)}", file=sys.stderr)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
