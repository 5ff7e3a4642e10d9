"""The provider's books: rules, credits, the rate limit, outages and what was counted.

*Belongs here*: state that a real provider would keep about its customer.
*Does not belong here*: HTTP, and the world, which is not kept but computed.
"""

import time
from typing import Literal, get_args

import msgspec

from ingest.standin.clock import Clock
from ingest.standin.push import PushCounters
from ingest.standin.render import Renderer
from ingest.standin.rules import Rule, default_rules, fault_in, rule_id
from ingest.standin.settings import StandinSettings
from ingest.standin.world import World

OutageKind = Literal["http_500", "timeout", "empty", "error"]
OUTAGE_KINDS: tuple[OutageKind, ...] = get_args(OutageKind)
CREDITS_PER_TWEET = 15
CREDITS_PER_PROFILE = 18
CREDITS_PER_PROFILE_IN_BULK = 10
PROFILES_IN_BULK = 100
LEAST_CREDITS = 15


class RuleError(ValueError):
    """A change of rules that the provider does not make; the message is its answer's *msg*."""


class Provider:
    """One provider with one customer."""

    def __init__(self, settings: StandinSettings | None = None, clock: Clock | None = None) -> None:
        self.settings = settings or StandinSettings()
        self.clock = clock or Clock(self.settings.speed)
        self.world = World(self.settings.seed, self.settings.world())
        self.renderer = Renderer(self.world)
        self.credits = self.settings.credits
        self.calls: dict[str, int] = {}
        self.pushed = PushCounters()
        self.rules: dict[str, Rule] = {}
        if self.settings.default_rules:
            known = default_rules(self.settings.seed, self.world.people, self.clock.now_ms())
            self.rules = {rule.rule_id: rule for rule in known}
        self._rules_made = len(self.rules)
        self._outage: OutageKind | None = None
        self._outage_until_ms = 0
        self._tokens = self.settings.calls_per_second
        self._tokens_at = time.monotonic()

    # Rules.

    def add_rule(self, tag: str, value: str, interval_seconds: float) -> Rule:
        """Keep a new rule, inactive, or raise RuleError."""
        self._check(tag, value, interval_seconds)
        number = self._rules_made
        self._rules_made += 1
        identity = rule_id(self.settings.seed, number)
        rule = Rule(identity, tag, value, interval_seconds, created_at_ms=self.clock.now_ms())
        self.rules[identity] = rule
        return rule

    def update_rule(self, identity: str, tag: str, value: str, interval_seconds: float, *, is_effect: bool) -> Rule:
        """Replace every field of a rule, or raise RuleError; an active rule that would stay as it is is an error."""
        before = self._rule(identity)
        self._check(tag, value, interval_seconds)
        rule = msgspec.structs.replace(
            before, tag=tag, value=value, interval_seconds=interval_seconds, is_effect=is_effect
        )
        if rule == before and before.is_effect:
            raise RuleError("update rule failed")
        self.rules[identity] = rule
        return rule

    def delete_rule(self, identity: str) -> None:
        """Forget a rule, or raise RuleError."""
        del self.rules[self._rule(identity).rule_id]

    def active_rules(self) -> list[Rule]:
        """Return the rules that deliver."""
        return [rule for rule in self.rules.values() if rule.is_effect]

    def _rule(self, identity: str) -> Rule:
        try:
            return self.rules[identity]
        except KeyError:
            raise RuleError(f"rule {identity!r} not found") from None

    def _check(self, tag: str, value: str, interval_seconds: float) -> None:
        fault = fault_in(tag, value, interval_seconds)
        if fault:
            raise RuleError(fault)

    # Money and limits.

    def charge(self, amount: int) -> None:
        """Take credits, at least the price of one call, also where they run into debt."""
        self.credits -= max(LEAST_CREDITS, amount)

    def seconds_to_wait(self) -> float:
        """Return 0 and count the call, or the seconds until the rate limit allows one."""
        rate = self.settings.calls_per_second
        if not rate:
            return 0.0
        now = time.monotonic()
        self._tokens = min(max(rate, 1.0), self._tokens + (now - self._tokens_at) * rate)
        self._tokens_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / rate
        self._tokens -= 1
        return 0.0

    # Outages.

    @property
    def outage(self) -> OutageKind | None:
        """Return how the provider is failing now, by its own clock, or None."""
        return self._outage if self.clock.now_ms() < self._outage_until_ms else None

    def fail_for(self, seconds: float, kind: OutageKind) -> int:
        """Begin an outage and return when it ends (Unix milliseconds); 0 seconds end one."""
        self._outage = kind
        self._outage_until_ms = self.clock.now_ms() + int(seconds * 1000)
        return self._outage_until_ms
