#!/usr/bin/python3
"""Every command of `backprop` against a real server, as text and as JSON."""

import math
import pathlib
import tempfile
import unittest

import pattern_files
from processes import Client, Server

PATTERN_COUNT = 60


class CommandLineTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        pattern_files.write_all(cls.folder, PATTERN_COUNT)
        cls.client = Client(cls.enterClassContext(Server()).address, cls.folder)

    def create(self, name: str, *flags: str) -> str:
        """A session for the images; each test uses names of its own."""
        self.client.message("create", name, "--layers", "12,5,3", "--task", "multiway", "--seed", "1", *flags)
        return name

    def create_with_patterns(self, name: str, *flags: str) -> str:
        self.create(name, *flags)
        self.client.message("append", name, "images.csv", "--header", "--targets", "bright")
        return name

    def test_health_says_serving(self) -> None:
        self.assertEqual(self.client.text("health"), "SERVING\n")
        self.assertEqual(self.client.message("health"), {"status": "SERVING"})

    def test_create_answers_the_session(self) -> None:
        flags = ["--layers", "4,8,3", "--task", "multiway", "--hidden", "tanh", "--precision", "float64", "--seed", "7",
                 "--initial-weights", "uniform", "--range", "0.25", "--names", "a,b,c", "--label", "team=plants"]
        session = self.client.message("create", "made", *flags)
        self.assertEqual(session["name"], "sessions/made")
        self.assertEqual(session["parameterCount"], str(4 * 8 + 8 + 8 * 3 + 3))
        self.assertEqual(session["labels"], {"team": "plants"})
        self.assertEqual(session["network"], {
            "inputUnitCount": 4, "hiddenLayers": [{"unitCount": 8, "activation": "ACTIVATION_TANH"}],
            "outputUnitCount": 3, "task": "TASK_MULTIWAY_CLASSIFICATION", "precision": "PRECISION_FLOAT64",
            "initialWeights": {"distribution": "DISTRIBUTION_UNIFORM", "range": 0.25, "seed": "7"},
            "outputNames": ["a", "b", "c"]})
        text = self.client.text("create", "made-too", *flags)
        self.assertEqual(text, "created sessions/made-too: 4-8-3 multiway classification, 67 parameters\n")

    def test_list_and_describe_show_a_session(self) -> None:
        self.create_with_patterns("shown", "--label", "shown=yes")
        header, row = self.client.text("list", "--filter", "labels.shown=yes").splitlines()
        self.assertEqual(header.split()[0], "NAME")
        self.assertEqual(row.split()[:2], ["shown", "12-5-3"])
        session, = self.client.json("list", "--filter", "labels.shown=yes")
        self.assertIn(session["name"], [listed["name"] for listed in self.client.json("list")])
        described, pattern_set = self.client.json("describe", "shown")
        self.assertEqual(described, session)
        self.assertEqual(pattern_set["name"], "sessions/shown/patternSets/training")
        self.assertEqual(pattern_set["patternCount"], str(PATTERN_COUNT))
        self.assertRegex(self.client.text("describe", "sessions/shown"), r"output names +bottom, middle, top\n")

    def test_the_same_patterns_from_csv_idx_and_npy_measure_the_same(self) -> None:
        self.create("formats", "--names", ",".join(pattern_files.CLASSES))
        append = ["append", "formats"]
        self.client.message(*append, "images.csv", "--header", "--targets", "bright", "--set", "csv")
        self.client.message(*append, "images-idx3-ubyte.gz", "--labels", "labels-idx1-ubyte.gz", "--set", "idx")
        text = self.client.text(*append, "images.npy", "--labels", "labels.npy", "--set", "npy")
        self.assertEqual(text, "appended 60 patterns to sessions/formats/patternSets/npy (60 in all)\n")
        of_csv, of_idx, of_npy = (self.client.message("evaluate", "formats", "--set", name)
                                  for name in ("csv", "idx", "npy"))
        self.assertEqual(of_csv["patternCount"], str(PATTERN_COUNT))
        self.assertEqual(of_csv, of_idx)
        self.assertEqual(of_csv, of_npy)

    def test_append_goes_on_where_the_set_ends(self) -> None:
        self.create_with_patterns("twice")
        pattern_set = self.client.message("append", "twice", "images.csv", "--header", "--targets", "-1")
        self.assertEqual(pattern_set["patternCount"], str(2 * PATTERN_COUNT))

    def test_train_evaluate_and_predict(self) -> None:
        self.create_with_patterns("trained", "--hidden", "tanh")
        self.assertEqual(self.client.text("scale", "trained", "--min-max"),
                         "fitted the scaling of inputs of sessions/trained to pattern set training\n")
        train = ["train", "trained", "--optimizer", "adam", "--step-size", "0.05", "--validation-set", "training"]
        *epochs, end = self.client.text(*train, "--epochs", "2").splitlines()
        self.assertEqual([line.split()[:2] for line in epochs], [["epoch", "1/2"], ["epoch", "2/2"]])
        self.assertEqual(end, "sessions/trained/trainingRuns/run-1 succeeded after 2 epochs, model version 2")
        reports = self.client.json(*train, "--epochs", "60", "--schedule", "cosine", "--weight-decay", "1e-4")
        self.assertEqual(len(reports), 60)
        evaluation = self.client.message("evaluate", "trained")
        self.assertEqual(evaluation["accuracy"], 1)
        self.assertEqual(evaluation["meanLogLikelihood"], reports[-1]["validationMeanLogLikelihood"])
        self.assertRegex(self.client.text("evaluate", "trained"), r"(?s)accuracy 1\.000000\n.*confusion matrix")

        lines = self.client.text("predict", "trained", "images-idx3-ubyte.gz", "--count", "3").splitlines()
        self.assertEqual([line.split("\t")[0] for line in lines], list(pattern_files.CLASSES))
        prediction = self.client.message("predict", "trained", "images.npy")
        self.assertEqual(prediction["classNames"][:3], list(pattern_files.CLASSES))
        self.assertEqual(len(prediction["outputs"]["values"]), 3 * PATTERN_COUNT)
        self.assertEqual(prediction["modelVersion"], "62")

    def test_the_norm_of_the_gradient_is_the_vectors(self) -> None:
        self.create_with_patterns("derived", "--precision", "float64")
        text = self.client.text("gradient", "derived", "--npy", "gradient.npy")
        norm = math.hypot(*pattern_files.read_npy_vector(self.folder / "gradient.npy"))
        self.assertAlmostEqual(float(text.rpartition("gradient norm ")[2]) / norm, 1, places=8)
        total = self.client.message("gradient", "derived")
        mean = self.client.message("gradient", "derived", "--reduction", "mean")
        self.assertAlmostEqual(mean["logLikelihood"] * PATTERN_COUNT / total["logLikelihood"], 1, places=12)

    def test_figure_one_is_traced_to_the_equations_of_the_note(self) -> None:
        self.client.message("create", "figure1", "--layers", "2,2,2", "--task", "regression", "--precision", "float64")
        (self.folder / "figure1.txt").write_text("1,1,1,2, 1,1, 1,-1,1,-1, 1,1\n")
        self.client.text("parameters", "figure1", "--set-from", "figure1.txt")
        trace = self.client.message("trace", "figure1", "--pattern", "1,2", "--target", "1,0")
        h1, h2 = 1 / (1 + math.exp(-4)), 1 / (1 + math.exp(-6))
        e1, e2 = 1 - (h1 - h2 + 1), 0 - (h1 - h2 + 1)
        hidden, outputs = trace["layers"]
        self.assertEqual(hidden["weightedSums"]["doubleValues"], [4, 6])
        for actual, expected in zip(outputs["errorSignals"]["doubleValues"], [e1, e2]):
            self.assertAlmostEqual(actual, expected, places=12)
        expected = [e1 * h1, e1 * h2, e2 * h1, e2 * h2]  # (16)-(19)
        for actual, wanted in zip(trace["gradient"]["layers"][1]["weights"]["doubleValues"], expected):
            self.assertAlmostEqual(actual, wanted, places=12)
        text = self.client.text("trace", "figure1", "--pattern", "1,2", "--target", "1,0")
        self.assertRegex(text, r"layer 1, logistic units: .*\nunit  s  h .*\n1     4  0\.982014 ")

    def test_second_derivatives_agree_with_each_other(self) -> None:
        self.create_with_patterns("curved", "--precision", "float64")  # 83 parameters.
        self.client.text("gradient", "curved", "--npy", "direction.npy")
        text = self.client.text("hvp", "curved", "--gradient", "--npy", "product.npy")
        self.assertRegex(text, r"(?s)^patterns 60\nmodel version 0\n.*\ndirection v .*\ngradient ")
        self.client.text("hvp", "curved", "--direction", "direction.npy", "--npy", "again.npy")
        direction, product, again = (pattern_files.read_npy_vector(self.folder / name)
                                     for name in ("direction.npy", "product.npy", "again.npy"))
        scale = max(map(abs, product))
        self.assertLess(max(abs(a - b) for a, b in zip(product, again)), 1e-10 * scale)
        # Directions that were drawn, and given again as the rows of a matrix.
        self.client.text("hvp", "curved", "--random", "3", "--npy", "product.npy", "--directions-npy", "drawn.npy")
        self.client.text("hvp", "curved", "--direction", "drawn.npy", "--npy", "again.npy")
        self.assertEqual(set(pattern_files.read_npy_vector(self.folder / "drawn.npy")), {-1.0, 1.0})
        drawn, again = (pattern_files.read_npy_vector(self.folder / name) for name in ("product.npy", "again.npy"))
        self.assertEqual((drawn, len(drawn)), (again, 3 * len(direction)))
        self.client.text("hessian", "curved", "--npy", "hessian.npy")
        hessian = pattern_files.read_npy_vector(self.folder / "hessian.npy")
        count = len(direction)
        self.assertEqual(len(hessian), count * count)
        for row in range(count):
            multiplied = sum(hessian[row * count + column] * direction[column] for column in range(count))
            self.assertAlmostEqual(multiplied / scale, product[row] / scale, places=10)
        line = self.client.message("derivatives", "curved", "--order", "2", "--direction", "direction.npy")
        curvature = sum(a * b for a, b in zip(direction, product))
        self.assertAlmostEqual(line["derivatives"][2] / curvature, 1, places=10)
        self.assertAlmostEqual(line["derivatives"][1] / math.hypot(*direction) ** 2, 1, places=10)
        diagonal = self.client.message("hessian", "curved", "--diagonal")["hessian"]["doubleValues"]
        self.assertAlmostEqual(diagonal[-1] / hessian[-1], 1, places=10)

    def test_predictions_have_standard_deviations_where_asked_for(self) -> None:
        self.create_with_patterns("unsure")
        predict = ["predict", "unsure", "images.npy", "--count", "2"]
        text = self.client.text(*predict, "--with-uncertainty", "--prior-precision", "0.5")
        self.assertRegex(text, r"^(top|middle|bottom)\t0\.\d+ \+- \d\.\d+")
        deviations = self.client.message(*predict, "--with-uncertainty")["standardDeviations"]["values"]
        self.assertEqual(len(deviations), 6)
        self.assertGreater(min(deviations), 0)
        self.assertNotIn("standardDeviations", self.client.message(*predict))

    def test_parameters_come_back_as_they_were_saved(self) -> None:
        self.create_with_patterns("saved")
        saved = self.client.message("parameters", "saved", "--npy", "saved.npy")
        (self.folder / "saved.json").write_text(self.client.text("--output", "json", "parameters", "saved"))
        self.client.json("train", "saved", "--epochs", "1")
        self.assertNotEqual(self.client.message("parameters", "saved")["layers"], saved["layers"])
        for version, path in (("2", "saved.npy"), ("3", "saved.json")):
            published = self.client.message("parameters", "saved", "--set-from", path)
            self.assertEqual(published["modelVersion"], version)
            self.assertEqual(self.client.message("parameters", "saved")["layers"], saved["layers"])
        self.client.text("parameters", "saved", "--npy", "again.npy")
        self.assertEqual((self.folder / "again.npy").read_bytes(), (self.folder / "saved.npy").read_bytes())
        self.assertEqual(self.client.message("parameters", "saved", "--model-version", "0")["layers"], saved["layers"])
        self.assertRegex(self.client.text("parameters", "saved"), r"^model version 3\nlayer 1 +weights 5 x 12 norm")

    def test_a_copy_trains_to_the_same_bits_and_outlives_the_original(self) -> None:
        self.create_with_patterns("original")
        self.assertEqual(self.client.text("copy", "original", "copy-1"),
                         "copied sessions/original to sessions/copy-1\n")
        self.assertEqual(self.client.message("copy", "original", "copy-2")["name"], "sessions/copy-2")
        for name in ("copy-1", "copy-2"):
            self.client.json("train", name, "--epochs", "5", "--optimizer", "momentum", "--seed", "3")
        parameters = self.client.message("parameters", "copy-1")
        self.assertEqual(self.client.message("parameters", "copy-2"), parameters)
        self.assertEqual(self.client.text("delete", "original"), "deleted sessions/original\n")
        self.assertEqual(self.client.message("parameters", "copy-1"), parameters)
        self.assertEqual(self.client.message("delete", "copy-2"), {})
        self.assertIn("error: NOT_FOUND: ", self.client.error("describe", "original"))

    def test_help_is_no_error(self) -> None:
        self.assertRegex(self.client.text("--help"), r"(?s)Usage: .*\n +create .*\n +health ")


if __name__ == "__main__":
    unittest.main()
