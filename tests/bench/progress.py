"""That a bench is still at work, for whoever waits for it."""

from collections.abc import Iterator

from orchestrator.cli.output import say


def counted(what: str, times: int) -> Iterator[int]:
    """The numbers of so many measurements; each tenth of them is said when it is done."""
    for number in range(times):
        yield number
        if (number + 1) % max(1, times // 10) == 0:
            say(f"bench: {what}: {number + 1} of {times}")
