"""Numbers as arguments of a command, refused in words where they are out of bounds."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from typing import TypeVar

Number = TypeVar("Number", int, float)


def within(kind: type[Number], least: float, most: float) -> Callable[[str], Number]:
    """What an argument parser takes as the type of a number between two, least >= 0."""

    def parse(text: str) -> Number:
        try:
            value = kind(text)
        except ValueError:
            value = kind(-1)
        if not least <= value <= most:
            raise ArgumentTypeError(f"expected a number from {least:g} to {most:g}, found {text!r}")
        return value

    return parse
