"""The same small images as CSV, IDX and .npy files, and .npy vectors back again."""

import array
import csv
import gzip
import pathlib
import random
import struct

CLASSES = ("top", "middle", "bottom")
ROWS, COLUMNS = 3, 4
PIXEL_SCALE = 1 / 255

Image = bytes


def images(count: int, seed: int = 1) -> tuple[list[Image], list[int]]:
    """Images of 3 x 4 pixels with one bright row, and which row it is."""
    draw = random.Random(seed)
    classes = [index % ROWS for index in range(count)]
    return [bytes(draw.randrange(128, 256) if row == bright else draw.randrange(0, 160)
                  for row in range(ROWS) for _ in range(COLUMNS)) for bright in classes], classes


def write_csv(path: pathlib.Path, pixels: list[Image], classes: list[int]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([f"pixel{index}" for index in range(ROWS * COLUMNS)] + ["bright"])
        for image, index in zip(pixels, classes):
            writer.writerow([pixel * PIXEL_SCALE for pixel in image] + [CLASSES[index]])


def write_idx(path: pathlib.Path, dimensions: tuple[int, ...], content: bytes) -> None:
    """Unsigned bytes, compressed."""
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(f">BBBB{len(dimensions)}I", 0, 0, 8, len(dimensions), *dimensions) + content)


def write_npy(path: pathlib.Path, descriptor: str, shape: tuple[int, ...], content: bytes) -> None:
    header = repr({"descr": descriptor, "fortran_order": False, "shape": shape})
    header += " " * (-(len(header) + 11) % 64) + "\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + content)


def write_all(folder: pathlib.Path, count: int) -> None:
    """images.csv, images-idx3-ubyte.gz with labels-idx1-ubyte.gz, images.npy with labels.npy."""
    pixels, classes = images(count)
    write_csv(folder / "images.csv", pixels, classes)
    write_idx(folder / "images-idx3-ubyte.gz", (count, ROWS, COLUMNS), b"".join(pixels))
    write_idx(folder / "labels-idx1-ubyte.gz", (count,), bytes(classes))
    scaled = array.array("d", (pixel * PIXEL_SCALE for image in pixels for pixel in image))
    write_npy(folder / "images.npy", "<f8", (count, ROWS * COLUMNS), scaled.tobytes())
    write_npy(folder / "labels.npy", "<i8", (count,), array.array("q", classes).tobytes())


def read_npy_vector(path: pathlib.Path) -> list[float]:
    """A .npy vector of doubles or floats, as `backprop` writes them."""
    content = path.read_bytes()
    start = 10 + struct.unpack("<H", content[8:10])[0]
    return list(array.array("d" if b"'<f8'" in content[:start] else "f", content[start:]))
