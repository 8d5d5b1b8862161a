#!/usr/bin/python3
"""Real data from file to score, over a real socket: create, append, scale, train, evaluate, predict."""

import pathlib
import tempfile
import unittest

import experiments
import prepare_datasets
from experiments import EXPERIMENTS
from processes import Client, Server

SEED = 1


class RealDataTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.data = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        prepare_datasets.prepare(cls.data)
        cls.client = Client(cls.enterClassContext(Server()).address)

    def train_and_score(self, name: str, *create_flags: str) -> float:
        experiment = EXPERIMENTS[name]
        reports = experiments.train(self.client, experiment, self.data, name, SEED, *create_flags)
        self.assertEqual([int(report["epoch"]) for report in reports], list(range(1, experiment.epochs + 1)))
        return experiments.score(self.client, experiment, self.data, name)

    def predictions(self, name: str, field: str) -> list:
        """That field of the predictions of the held-out patterns."""
        path = str(self.data / f"{name}-test.csv")
        messages = self.client.json("predict", name, path, "--header", "--targets", EXPERIMENTS[name].target)
        return [value for message in messages for value in message[field]]

    def targets(self, name: str) -> list[str]:
        return experiments.read_targets(self.data / f"{name}-test.csv", EXPERIMENTS[name].target)

    def assert_right_as_often(self, predicted: list[str], targets: list[str], accuracy: float) -> None:
        right = sum(a == b for a, b in zip(predicted, targets, strict=True))
        self.assertAlmostEqual(right / len(targets), accuracy, places=12)

    # Beside each threshold: what scikit-learn's networks of the same shape reach on the same split, as mean and
    # standard deviation of ten seeds by compare_with_sklearn.py; ours do the same. Of few patterns
    # one is much: 1/36 of iris is 0.028, 1/45 of wine 0.022, 1/142 of cancer 0.007.

    def test_iris_learns_the_names_of_its_classes_from_the_file(self) -> None:
        accuracy = self.train_and_score("iris")
        self.assertGreaterEqual(accuracy, 0.94)  # scikit-learn 0.969 +- 0.009
        self.assert_right_as_often(self.predictions("iris", "classNames"), self.targets("iris"), accuracy)
        names = self.client.json("describe", "iris")[0]["network"]["outputNames"]
        self.assertEqual(names, ["setosa", "versicolor", "virginica"])

    def test_wine_has_its_class_in_the_first_column_and_names_given_at_creation(self) -> None:
        accuracy = self.train_and_score("wine", "--names", "class_2,class_1,class_0")
        self.assertGreaterEqual(accuracy, 0.95)  # scikit-learn 0.978 +- 0.000
        predicted = self.predictions("wine", "classNames")
        self.assert_right_as_often(predicted, self.targets("wine"), accuracy)
        self.assertEqual([f"class_{2 - index}" for index in self.predictions("wine", "classes")], predicted)

    def test_cancer_is_binary_with_two_names_for_one_output_unit(self) -> None:
        accuracy = self.train_and_score("cancer", "--names", "malignant,benign")
        self.assertGreaterEqual(accuracy, 0.95)  # scikit-learn 0.980 +- 0.006
        self.assert_right_as_often(self.predictions("cancer", "classNames"), self.targets("cancer"), accuracy)

    def test_digits_are_classes_by_index(self) -> None:
        accuracy = self.train_and_score("digits")
        self.assertGreaterEqual(accuracy, 0.96)  # scikit-learn 0.971 +- 0.003
        predicted = [str(index) for index in self.predictions("digits", "classes")]
        self.assert_right_as_often(predicted, self.targets("digits"), accuracy)

    def test_diabetes_is_predicted_in_the_units_of_the_file(self) -> None:
        determination = self.train_and_score("diabetes")
        self.assertGreaterEqual(determination, 0.4)  # scikit-learn R^2 0.449 +- 0.008
        targets = [float(value) for value in self.targets("diabetes")]
        outputs = [output for message in self.client.json(
            "predict", "diabetes", str(self.data / "diabetes-test.csv"), "--header", "--targets", "progression")
                   for output in message["outputs"]["values"]]
        squares = sum((target - output) ** 2 for target, output in zip(targets, outputs, strict=True))
        evaluation = self.client.message("evaluate", "diabetes", "--set", "test")
        # Single precision on the way.
        self.assertAlmostEqual(squares / len(targets) / evaluation["meanSquaredError"], 1, places=4)


if __name__ == "__main__":
    unittest.main()
