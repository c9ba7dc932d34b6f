"""Training data: the reward is the published formula, and no identifier leaves."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from arbiter.orchestrator.performance.training import Anonymizer, discount, reward, sample
from tests.orchestrator.performance.kit import NOW, completion

IDENTIFIERS = st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True)


@pytest.mark.parametrize(
    ("success", "latency_ms", "cost", "expected"),
    [
        (True, 0, 0, 1.0),
        (False, 10_000, 1, 0.1),
        (True, 5000, 0.5, 0.15 + 0.4 + 0.1 + 0.1),
        (False, 1e9, 1e9, 0.1),
        (True, None, None, 0.15 + 0.4 + 0.2 + 0.1),
    ],
)
def test_the_reward_is_the_formula(
    success: bool, latency_ms: float | None, cost: float | None, expected: float
) -> None:
    """0.3 latency, 0.4 success, 0.2 cost, 0.1 compliance; unknown latency counts 5 s, unknown cost nothing."""
    assert reward(completion("e", success=success, latency_ms=latency_ms, cost=cost)) == pytest.approx(
        expected
    )


def test_the_discount_is_by_the_minute() -> None:
    """0.95 for each minute of age, 1 for what is just now or still to come."""
    assert discount(completion("e"), NOW) == 1
    assert discount(completion("e"), NOW - timedelta(hours=1)) == 1
    assert discount(completion("e"), NOW + timedelta(minutes=2)) == pytest.approx(0.9025)


@given(IDENTIFIERS, IDENTIFIERS)
def test_a_hash_stands_for_one_identifier(one: str, other: str) -> None:
    """Equal ids have equal hashes, different ones different; an agent's and a task's never agree."""
    names = Anonymizer("key")

    assert (names.agent(one) == names.agent(other)) == (one == other)
    assert names.agent(one) != names.task(one)


@given(IDENTIFIERS)
def test_a_hash_depends_on_the_key(identifier: str) -> None:
    """Under another key everything is called otherwise, and so is the key."""
    names, others = Anonymizer("key"), Anonymizer("other")

    assert names.agent(identifier) != others.agent(identifier)
    assert names.key_id != others.key_id
    assert Anonymizer("key").agent(identifier) == names.agent(identifier)


def test_without_a_key_each_anonymizer_has_its_own() -> None:
    """Batches of two runs cannot be joined unless the deployment wants it."""
    assert Anonymizer("").agent("a") != Anonymizer("").agent("a")


SECRETS = st.from_regex(r"[A-Za-z][A-Za-z0-9._-]{11,60}", fullmatch=True)


@given(
    st.builds(
        PerformanceEvent,
        id=SECRETS,
        type=st.just(EventType.TASK_EXECUTION_COMPLETE),
        timestamp=st.datetimes(timezones=st.just(UTC)),
        agent_id=SECRETS,
        task_id=SECRETS,
        metadata=st.dictionaries(st.sampled_from(["user", "propensity", "explored", "trace"]), SECRETS),
    )
)
def test_004_a5_whatever_names_an_event_has_they_are_not_in_its_sample(event: PerformanceEvent) -> None:
    """The event's, the agent's and the task's id, and every text of its metadata, whatever its key is called."""
    text = sample(event, Anonymizer("key"), NOW).model_dump_json()

    names = [event.id, event.agent_id, event.task_id, *event.metadata.values()]
    assert not [name for name in names if str(name) in text]


def test_what_the_router_says_of_its_choice_stays_in_a_sample() -> None:
    """Whether it explored and how probable the choice was; not what anybody else writes there."""
    told = completion("e1").model_copy(update={"metadata": {"explored": True, "propensity": 0.25}})
    other = completion("e2").model_copy(update={"metadata": {"explored": "bob", "propensity": 7.5}})

    made, unknown = (sample(event, Anonymizer("key"), NOW) for event in (told, other))

    assert (made.explored, made.propensity) == (True, 0.25)
    assert (unknown.explored, unknown.propensity) == (None, None)


def test_004_a5_a_sample_holds_no_name_and_no_metadata() -> None:
    """Neither id nor free text is in it, and its time is cut to the minute."""
    made = sample(completion("e1", agent_id="agent-secret"), Anonymizer("key"), NOW)

    text = made.model_dump_json()
    assert not [word for word in ("agent-secret", "task-e1", "private", 'e1"') if word in text]
    assert made.timestamp == NOW.replace(second=0, microsecond=0)
    assert len(made.agent) == len(made.task) == 64
