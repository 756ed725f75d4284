"""The command `headrace`."""


def main() -> int:
    """Entry point of the console script."""
    return 0
