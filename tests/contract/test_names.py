"""Where a host is: asked in bounded time, and remembered."""

import threading

import pytest

from orchestrator.adapters.names import Names

pytestmark = pytest.mark.timeout(30)
HOST, ADDRESS = "gateway.test", "192.0.2.7"


class Resolver:
    """Answers, fails or hangs, as it is told; counts how often it was asked."""

    def __init__(self) -> None:
        self.hangs = threading.Event()
        self.fails = False
        self.asked = 0
        self.hangs.set()

    def __call__(self, host: str) -> tuple[str, ...]:
        self.asked += 1
        self.hangs.wait(20)
        if self.fails:
            raise OSError("no name server")
        return (ADDRESS,)


def test_an_address_is_never_looked_up() -> None:
    resolver = Resolver()
    assert Names(resolver).addresses("127.0.0.1", within_s=1) == ("127.0.0.1",)
    assert resolver.asked == 0


def test_a_name_that_nobody_knows_is_an_error() -> None:
    resolver = Resolver()
    resolver.fails = True
    with pytest.raises(OSError, match="no name server"):
        Names(resolver).addresses(HOST, within_s=5)


def test_a_name_server_that_hangs_is_not_waited_for_and_asked_once() -> None:
    resolver = Resolver()
    names = Names(resolver)
    resolver.hangs.clear()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            names.addresses(HOST, within_s=0.02)
    assert resolver.asked == 1
    resolver.hangs.set()


@pytest.mark.parametrize("how", ["hangs", "fails"])
def test_the_last_good_address_is_gone_on_with(how: str) -> None:
    resolver = Resolver()
    names = Names(resolver)
    assert names.addresses(HOST, within_s=5) == (ADDRESS,)
    if how == "hangs":
        resolver.hangs.clear()
    else:
        resolver.fails = True
    assert names.addresses(HOST, within_s=0.1) == (ADDRESS,)
    resolver.hangs.set()
