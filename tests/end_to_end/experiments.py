"""What is trained on which data set, and how: for real_data_test.py here and compare_with_sklearn.py in CI."""

import csv
import dataclasses
import pathlib
import statistics

from processes import Client


@dataclasses.dataclass(frozen=True)
class Experiment:
    name: str
    target: str
    task: str
    layers: tuple[int, ...]
    hidden: str
    epochs: int
    batch_size: int
    step_size: float
    weight_decay: float

    @property
    def is_regression(self) -> bool:
        return self.task == "regression"


EXPERIMENTS = {experiment.name: experiment for experiment in (
    Experiment("iris", "species", "multiway", (4, 8, 3), "logistic", 150, 16, 0.01, 1e-3),
    Experiment("wine", "cultivar", "multiway", (13, 16, 3), "tanh", 60, 16, 0.01, 1e-2),
    Experiment("cancer", "diagnosis", "binary", (30, 16, 1), "relu", 50, 32, 0.01, 1e-2),
    Experiment("digits", "digit", "multiway", (64, 64, 10), "tanh", 40, 32, 0.002, 1e-3),
    Experiment("diabetes", "progression", "regression", (10, 16, 1), "relu", 60, 32, 0.003, 3e-2),
)}


def read_targets(path: pathlib.Path, target: str) -> list[str]:
    with open(path, encoding="utf-8", newline="") as file:
        return [row[target] for row in csv.DictReader(file)]


def train(client: Client, experiment: Experiment, data: pathlib.Path, session: str, seed: int,
          *create_flags: str) -> list[dict]:
    """Makes the session, streams both parts of the data into it and trains; answers the reports of the epochs."""
    client.message("create", session, "--layers", ",".join(map(str, experiment.layers)), "--task", experiment.task,
                   "--hidden", experiment.hidden, "--seed", str(seed), *create_flags)
    for part in ("training", "test"):
        client.message("append", session, str(data / f"{experiment.name}-{part}.csv"), "--set", part,
                       "--header", "--targets", experiment.target)
    client.message("scale", session, "--standardize")
    return client.json("train", session, "--epochs", str(experiment.epochs), "--batch-size", str(experiment.batch_size),
                       "--optimizer", "adam", "--step-size", str(experiment.step_size),
                       "--weight-decay", str(experiment.weight_decay), "--seed", str(seed))


def score(client: Client, experiment: Experiment, data: pathlib.Path, session: str) -> float:
    """On the held-out patterns: accuracy, or R^2 for regression."""
    evaluation = client.message("evaluate", session, "--set", "test")
    if not experiment.is_regression:
        return evaluation["accuracy"]
    targets = [float(value) for value in read_targets(data / f"{experiment.name}-test.csv", experiment.target)]
    return 1 - evaluation["meanSquaredError"] / statistics.pvariance(targets)
