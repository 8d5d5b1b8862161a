#!/usr/bin/python3
"""Writes five small real data sets as CSV files with a header, split into training and test patterns.

    prepare_datasets.py FOLDER      FOLDER/iris-training.csv, FOLDER/iris-test.csv, ... wine, cancer, digits, diabetes

They come from Debian's package python3-sklearn: its files where it is installed, otherwise out of the downloaded
package, without installing it or what it depends on. Every run writes the same bytes.
"""

import csv
import dataclasses
import gzip
import pathlib
import random
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path("usr/lib/python3/dist-packages/sklearn/datasets/data")
CACHE = ROOT / "build/datasets"
SPLIT_SEED = 1
TEST_SHARE = 0.25

Row = list[str]


@dataclasses.dataclass
class Table:
    """Patterns in the caller's units; `target` is the column that is to be learned."""
    header: Row
    rows: list[Row]
    target: str
    # Whether the target is a class, by which the split is stratified.
    classes: bool = True


def package_data(cache: pathlib.Path = CACHE) -> pathlib.Path:
    """The folder of scikit-learn's data files; downloads the package at most once."""
    for root in (pathlib.Path("/"), cache / "python3-sklearn"):
        if (root / DATA / "iris.csv").exists():
            return root / DATA
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        # As whoever runs this: apt's own user cannot write into the folder.
        download = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", "python3-sklearn"]
        if subprocess.run(download, cwd=folder, check=False, timeout=120).returncode != 0:
            # Machines made from images often know no packages until they are told to ask; it takes root.
            subprocess.run(["apt-get", "-qq", "update"], check=True, timeout=300)
            subprocess.run(download, cwd=folder, check=True, timeout=120)
        package = next(pathlib.Path(folder).glob("*.deb"))
        content = pathlib.Path(folder) / "content"
        subprocess.run(["dpkg", "-x", package, content], check=True, timeout=60)
        try:
            # At once or not at all, for tests that run at the same time.
            content.rename(cache / "python3-sklearn")
        except OSError:
            if not (cache / "python3-sklearn" / DATA).exists():
                raise
    return cache / "python3-sklearn" / DATA


def read_csv(path: pathlib.Path, delimiter: str = ",") -> list[Row]:
    opened = gzip.open(path, "rt") if path.suffix == ".gz" else open(path, encoding="utf-8")
    with opened as file:
        return [row for row in csv.reader(file, delimiter=delimiter) if row]


def columns(count: int) -> Row:
    return [f"x{index}" for index in range(count)]


def named_classes(path: pathlib.Path, target: str) -> Table:
    """A file whose first line is `patterns,inputs,names of the classes...`, with the index of the class last."""
    (_, input_count, *names), *rows = read_csv(path)
    return Table(columns(int(input_count)) + [target], [row[:-1] + [names[int(row[-1])]] for row in rows], target)


def digits(path: pathlib.Path) -> Table:
    """8 x 8 pixels of 0 to 16, then the digit. Its class is its index: it needs no names."""
    rows = [[str(int(float(value))) for value in row] for row in read_csv(path)]
    return Table(columns(64) + ["digit"], rows, "digit")


def diabetes(data: pathlib.Path) -> Table:
    inputs = read_csv(data / "diabetes_data_raw.csv.gz", delimiter=" ")
    targets = read_csv(data / "diabetes_target.csv.gz", delimiter=" ")
    rows = [row + target for row, target in zip(inputs, targets, strict=True)]
    return Table(columns(len(inputs[0])) + ["progression"], rows, "progression", classes=False)


def class_first(table: Table) -> Table:
    """The same patterns with the target column in front: a file that needs its target named."""
    return dataclasses.replace(table, header=table.header[-1:] + table.header[:-1],
                               rows=[row[-1:] + row[:-1] for row in table.rows])


def split(table: Table) -> tuple[list[Row], list[Row]]:
    """Training and test patterns in a random order, with the classes in equal shares."""
    order = random.Random(SPLIT_SEED)
    column = table.header.index(table.target)
    groups: dict[str, list[Row]] = {}
    for row in table.rows:
        groups.setdefault(row[column] if table.classes else "", []).append(row)
    training: list[Row] = []
    test: list[Row] = []
    for group in groups.values():
        order.shuffle(group)
        test_count = round(len(group) * TEST_SHARE)
        test += group[:test_count]
        training += group[test_count:]
    order.shuffle(training)
    order.shuffle(test)
    return training, test


def tables(data: pathlib.Path) -> dict[str, Table]:
    return {
        "iris": named_classes(data / "iris.csv", "species"),
        "wine": class_first(named_classes(data / "wine_data.csv", "cultivar")),
        "cancer": named_classes(data / "breast_cancer.csv", "diagnosis"),
        "digits": digits(data / "digits.csv.gz"),
        "diabetes": diabetes(data),
    }


def prepare(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables(package_data()).items():
        for part, rows in zip(("training", "test"), split(table)):
            with open(folder / f"{name}-{part}.csv", "w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([table.header] + rows)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    prepare(pathlib.Path(sys.argv[1]))
