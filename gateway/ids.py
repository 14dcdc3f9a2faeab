"""Random parts of names that must be unique, but need not be hard to guess."""

import random

_random = random.Random()  # noqa: S311  seeded by the system once a process; asking it each time is a system call


def hex_digits(count: int) -> str:
    """Make so many hexadecimal digits."""
    return f"{_random.getrandbits(4 * count):0{count}x}"
