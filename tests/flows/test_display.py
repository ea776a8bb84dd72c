"""Showing never stands in the way of the run, and ends up with what is newest."""

import asyncio
from uuid import UUID, uuid4

from flows.display import TITLE, Display, Exhibit


def exhibit(data: str, key: str = "signals-x") -> Exhibit:
    return Exhibit(key=key, type="table", data=data)


class Gallery:
    """Takes exhibits, can refuse or hang."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str | float, UUID | None]] = []
        self.refuse = False
        self.hang = False

    async def send(self, one: Exhibit, known: UUID | None) -> UUID:
        if self.hang:
            await asyncio.Event().wait()
        if self.refuse:
            raise ConnectionError("gone")
        self.taken.append((one.key, one.data, known))
        return known or uuid4()


def test_each_key_is_created_once_and_then_brought_up_to_date() -> None:
    async def run() -> None:
        gallery = Gallery()
        display = Display(gallery.send)
        for data in ("1", "1", "2"):
            display.show(exhibit(data))
            await display.finish()
        (first, second) = gallery.taken
        assert (first[1], first[2]) == ("1", None)
        assert second[1] == "2"
        assert second[2] is not None

    asyncio.run(run())


def test_only_the_newest_is_sent() -> None:
    async def run() -> None:
        gallery = Gallery()
        display = Display(gallery.send)
        for data in ("1", "2", "3"):
            display.show(exhibit(data))
        await display.finish()
        assert [data for _, data, _ in gallery.taken] == ["3"]

    asyncio.run(run())


def test_what_was_refused_is_shown_in_the_end() -> None:
    async def run() -> None:
        gallery = Gallery()
        gallery.refuse = True
        display = Display(gallery.send)
        display.show(exhibit("1"), exhibit("a", "gates-x"))
        finishing = asyncio.create_task(display.finish("the end"))
        await asyncio.sleep(0.05)
        assert display.shown == {}
        gallery.refuse = False
        await finishing
        assert sorted(key for key, _, _ in gallery.taken) == ["gates-x", "signals-x", TITLE]

    asyncio.run(run())


def test_a_run_ends_with_what_was_last_although_the_server_came_back_late() -> None:
    async def run() -> None:
        gallery = Gallery()
        display = Display(gallery.send, limit_s=0.05)
        display.show(exhibit("healthy"))
        await display.finish()
        gallery.hang = True
        display.show(exhibit("broken"))
        finishing = asyncio.create_task(display.finish())
        await asyncio.sleep(0.1)
        assert not finishing.done()
        gallery.hang = False
        await finishing
        assert [data for _, data, _ in gallery.taken] == ["healthy", "broken"]

    asyncio.run(run())


def test_a_server_that_hangs_holds_the_end_up_no_longer_than_the_limit() -> None:
    async def run() -> None:
        gallery = Gallery()
        gallery.hang = True
        display = Display(gallery.send, limit_s=0.05, last_s=0.2)
        display.show(exhibit("1"))
        await asyncio.wait_for(display.finish(), timeout=30)
        assert display.shown == {}

    asyncio.run(run())


def test_a_look_never_waits() -> None:
    async def run() -> None:
        gallery = Gallery()
        gallery.hang = True
        display = Display(gallery.send)
        for data in ("1", "2"):
            display.show(exhibit(data))
            await asyncio.sleep(0)
        gallery.hang = False
        assert gallery.taken == []

    asyncio.run(run())
