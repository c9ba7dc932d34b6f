"""The chain: nothing in it can be changed, dropped, put in between or moved unseen."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.performance.chain import GENESIS, Head, Link, first_break, link
from arbiter.orchestrator.performance.models import EventType, PerformanceEvent
from tests.orchestrator.performance.kit import NOW

EVENTS = st.lists(
    st.builds(
        PerformanceEvent,
        type=st.sampled_from(EventType),
        timestamp=st.just(NOW),
        agent_id=st.none() | st.sampled_from(["a", "b"]),
        success=st.none() | st.booleans(),
        latency_ms=st.none() | st.floats(0, 1e9),
        metadata=st.dictionaries(
            st.sampled_from(["k1", "k2"]), st.booleans() | st.integers(0, 9) | st.floats(0, 1)
        ),
    ),
    min_size=2,
    max_size=12,
)


def chained(events: list[PerformanceEvent]) -> list[Link]:
    """The links of a chain of `events`."""
    return list(link(Head("chain"), events))


@given(EVENTS)
def test_a_chain_as_it_was_written_holds(events: list[PerformanceEvent]) -> None:
    """Each link carries the hash before it, from 64 zeros on, and nothing is found broken."""
    links = chained(events)

    assert first_break(links) is None
    assert [one.sequence for one in links] == list(range(1, len(events) + 1))
    assert links[0].previous_hash == GENESIS
    assert [one.head.integrity_hash for one in links[:-1]] == [one.previous_hash for one in links[1:]]


@given(EVENTS, st.data())
def test_a_changed_event_is_found(events: list[PerformanceEvent], data: st.DataObject) -> None:
    """One other latency anywhere, and that event is named."""
    links = chained(events)
    place = data.draw(st.integers(0, len(links) - 1))
    other = (links[place].event.latency_ms or 0.0) + 1
    links[place] = links[place]._replace(event=links[place].event.model_copy(update={"latency_ms": other}))

    assert first_break(links) is links[place]


@given(EVENTS, st.data())
def test_a_dropped_event_is_found(events: list[PerformanceEvent], data: st.DataObject) -> None:
    """An event that is missing between others shows at the one after it."""
    links = chained(events)
    place = data.draw(st.integers(0, len(links) - 2))
    del links[place]

    expected = (
        None if place == 0 else links[place]
    )  # the oldest may go by age: the rest is verified from there on
    assert first_break(links) is expected


@given(EVENTS, st.data())
def test_two_events_that_changed_places_are_found(
    events: list[PerformanceEvent], data: st.DataObject
) -> None:
    """The order is part of what is hashed."""
    links = chained(events)
    place = data.draw(st.integers(0, len(links) - 2))
    links[place], links[place + 1] = links[place + 1], links[place]

    assert first_break(links) is not None


@given(EVENTS, st.integers(1, 5))
def test_a_chain_may_be_written_in_portions(events: list[PerformanceEvent], size: int) -> None:
    """Linking portion after portion gives the chain that linking all at once gives."""
    head, links = Head("chain"), list[Link]()
    for start in range(0, len(events), size):
        links += link(head, events[start : start + size])
        head = links[-1].head

    assert links == chained(events)
