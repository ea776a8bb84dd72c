"""A sentinel's hearing over fakes, for tests of what comes of an alert."""

from orchestrator.core.event import Via
from orchestrator.service.hearing import Hearing, Poll
from tests.fakes import FakeAlertSource

AM, PROM = Via.ALERTMANAGER, Via.PROMETHEUS


class Ears:
    """A sentinel's hearing over sources that a test fills."""

    def __init__(self, world, process, polled=(AM, PROM)):
        self.world, self.sentinel = world, process.sentinel
        self.sources = {via: FakeAlertSource() for via in polled}
        self.hearing = Hearing(
            world.plan,
            returns=self.sentinel.watch,
            known=process.follower,
            scribe=self.sentinel.watch.hands.scribe,
            notifier=world.notifier,
            clock=world.clock,
            polled=polled,
        )
        self.sentinel.deaf_s = self.hearing.deaf_s
        self.polls = {
            via: Poll(source, via, self.hearing, leads=lambda: self.sentinel.is_active, every_s=1.0)
            for via, source in self.sources.items()
        }

    def tell(self, *notices):
        return self.hearing.told(notices)

    def poll(self, *which):
        for via in which or self.polls:
            self.polls[via].round()

    def show(self, *notices, via=None):
        """What the sources answer from now on."""
        for name in (via,) if via else self.sources:
            self.sources[name].notices = notices
