"""What a decision is: capable, reserved, durable, explained."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from arbiter.errors import LifecycleStateError, Rejected
from arbiter.orchestrator.routing.errors import (
    NoCapableAgent,
    NoCapacity,
    RoutingUnavailable,
    TaskExists,
    TaskUnknown,
)
from arbiter.orchestrator.routing.models import Task
from arbiter.protocols import Status
from tests.orchestrator.routing.fakes import REGISTERED, FakeAgent, bench, outcome, seeded

REVIEW = Task(task_id="t", task_type="review")


async def test_a_decision_says_who_and_why() -> None:
    """Agent, strategy, confidence, reason and every alternative with its score are in the decision."""
    async with bench(FakeAgent("a"), FakeAgent("b"), FakeAgent("c")) as here:
        decision = await here.router.route(REVIEW)

    others = {"a", "b", "c"} - {decision.selected_agent}
    assert {alternative.agent_id for alternative in decision.alternatives} == others
    assert all(alternative.score == 0.8 for alternative in decision.alternatives)
    assert (decision.task_id, decision.strategy, decision.explored) == ("t", "epsilon-greedy", False)
    assert decision.reason.startswith("exploited: drew 0.1344, not below the rate 0.1; best score 0.800 of 3")
    assert 0.6 < decision.confidence < 0.7


async def test_only_the_ten_best_alternatives_are_named() -> None:
    """Of many candidates a decision names ten besides the chosen one."""
    async with bench(*(FakeAgent(f"a{n}") for n in range(30))) as here:
        decision = await here.router.route(REVIEW)

    assert len(decision.alternatives) == 10
    assert decision.selected_agent not in {alternative.agent_id for alternative in decision.alternatives}


async def test_the_chosen_agent_carries_one_task_more() -> None:
    """Routing reserves load, and the score of a loaded agent falls behind that of a free one."""
    async with bench(FakeAgent("a"), FakeAgent("b"), exploration_rate=0) as here:
        first, second = await here.route(), await here.route()

        assert {first, second} == {"a", "b"}
        assert here.registry.active == 2


async def test_a_decision_is_durable_and_offered_before_it_is_told() -> None:
    """It is in routing's own store and among the tracker's events when the call returns."""
    async with bench(FakeAgent("a")) as here:
        decision = await here.router.route(REVIEW)

        assert here.store.records["t"].decision == decision
        event = here.tracker.events[f"{decision.decision_id}.decision"]
        assert (event.type, event.agent_id, event.task_id) == ("routing_decision", "a", "t")


async def test_a_tracker_that_fails_hinders_no_decision() -> None:
    """The event is lost, the decision is not."""
    async with bench(FakeAgent("a")) as here:
        here.tracker.failure = Rejected("tracker.offer")

        assert await here.route() == "a"


@pytest.mark.parametrize(
    ("task", "field", "missing"),
    [
        (Task(task_type="nursing"), "task_type", ("nursing",)),
        (Task(task_type="review", languages=("Python", "Rust")), "languages", ("Rust",)),
        (Task(task_type="review", specializations=("AST",)), "specializations", ("AST",)),
        (Task(task_type="review", languages=("Go",)), "languages", ("review", "Go")),
    ],
)
async def test_002_a5_a_missing_capability_is_named(task: Task, field: str, missing: tuple[str, ...]) -> None:
    """No capable agent is an error that names what nobody has, or what nobody has together."""
    async with bench(FakeAgent("a", languages=("Python",)), FakeAgent("b", ("testing",), ("Go",))) as here:
        with pytest.raises(NoCapableAgent) as caught:
            await here.router.route(task)

    assert (caught.value.field, caught.value.missing, caught.value.status) == (field, missing, 422)
    assert all(word in str(caught.value) for word in missing)


async def test_full_agents_are_passed_over() -> None:
    """An agent at its limit is not chosen, though its score were the best, not even to explore."""
    async with bench(FakeAgent("a", limit=1), FakeAgent("b"), exploration_rate=1) as here:
        chosen = [await here.route() for _ in range(20)]

    assert chosen.count("a") == 1


async def test_no_capacity_says_when_to_come_again() -> None:
    """When all capable agents are full the error tells the seconds until the next lease ends, at most five."""
    async with bench(FakeAgent("a", limit=1)) as here:
        await here.route(timeout_ms=3000)

        with pytest.raises(NoCapacity) as caught:
            await here.route()

    assert caught.value.retry_after_s == 3.0


async def test_an_agent_that_fills_up_meanwhile_is_passed_over() -> None:
    """Where the reservation fails although the query showed room, the next best agent is taken."""
    async with bench(FakeAgent("a", limit=2), FakeAgent("b"), exploration_rate=0, load_weight=0) as here:
        here.registry.refusing = {"a"}

        assert {await here.route() for _ in range(5)} == {"b"}


async def test_an_agent_that_another_instance_has_filled_is_passed_over() -> None:
    """Where the store counts as many leases as the agent takes, the next best is taken, and nothing stays reserved."""
    async with bench(FakeAgent("a", limit=2), FakeAgent("b"), exploration_rate=0, load_weight=0) as here:
        here.store.full_elsewhere = {"a"}

        assert {await here.route() for _ in range(5)} == {"b"}
        assert (here.registry.agents["a"].active, here.registry.active) == (0, 5)


async def test_the_same_task_again_gets_the_same_decision() -> None:
    """A repeated request reserves nothing and decides nothing."""
    async with bench(FakeAgent("a"), FakeAgent("b")) as here:
        first, *again = await asyncio.gather(*(here.router.route(REVIEW) for _ in range(5)))

        assert all(decision == first for decision in again)
        assert here.registry.active == 1


async def test_another_task_under_the_same_id_is_refused() -> None:
    """An id names one task for good."""
    async with bench(FakeAgent("a")) as here:
        await here.router.route(REVIEW)

        with pytest.raises(TaskExists):
            await here.router.route(REVIEW.model_copy(update={"priority": 9}))


async def test_a_seed_makes_decisions_repeatable() -> None:
    """Two routers of equal seed choose alike."""
    sequences = []
    for _ in range(2):
        async with bench(*(FakeAgent(f"a{n}") for n in range(5)), seed=7) as here:
            sequences.append([await here.route() for _ in range(50)])

    assert sequences[0] == sequences[1]


async def test_settings_are_read_at_each_decision() -> None:
    """A changed strategy holds from the next decision on."""
    async with bench(FakeAgent("a"), FakeAgent("b"), load_weight=0) as here:
        here.settings.current = here.settings.current.model_copy(update={"strategy": "round-robin"})

        decisions = [await here.router.route(Task(task_type="review")) for _ in range(4)]

    assert [decision.selected_agent for decision in decisions] == ["a", "b", "a", "b"]
    assert {decision.strategy for decision in decisions} == {"round-robin"}


async def test_a_registry_that_hangs_is_not_waited_for() -> None:
    """Past the routing time the fallback takes the agents known from before in turn, and says so."""
    async with bench(FakeAgent("a"), FakeAgent("b"), max_routing_time_ms=1) as here:
        await here.route()
        here.registry.hang = asyncio.Event()

        decisions = [await here.router.route(Task(task_type="review")) for _ in range(3)]
        check = await here.router.check()

    assert [decision.selected_agent for decision in decisions] == ["a", "b", "a"]
    assert {decision.strategy for decision in decisions} == {"round-robin"}
    assert "fallback, since the registry did not answer within 1 ms" in decisions[0].reason
    assert check.status is Status.WARN


@pytest.mark.parametrize("failure", [Rejected("registry.query", 7.0), OSError("disk"), TimeoutError()])
async def test_a_registry_that_fails_is_fallen_back_from(failure: Exception) -> None:
    """An open breaker or a failing registry leads to the fallback as well."""
    async with bench(FakeAgent("a")) as here:
        await here.route()
        here.registry.failure = failure

        decision = await here.router.route(Task(task_type="review"))

    assert (decision.selected_agent, decision.strategy) == ("a", "round-robin")


async def test_an_agent_known_from_before_that_was_registered_anew_is_not_held() -> None:
    """The decision would be about an agent that is gone; nothing is known of the one that has its id."""
    async with bench(FakeAgent("a")) as here:
        await here.route()
        here.registry.agents["a"] = FakeAgent("a", registered_at=REGISTERED + timedelta(seconds=1))
        here.registry.failure = OSError("disk")

        with pytest.raises(NoCapacity):
            await here.route()

        assert here.registry.agents["a"].active == 0


async def test_without_known_candidates_routing_is_unavailable() -> None:
    """The fallback knows only agents of tasks with the same requirements; the breaker's time is passed on."""
    async with bench(FakeAgent("a", kinds=("review", "testing"))) as here:
        await here.route("testing")
        here.registry.failure = Rejected("registry.query", 7.0)

        with pytest.raises(RoutingUnavailable) as caught:
            await here.route("review")

    assert caught.value.retry_after_s == 7.0


async def test_a_router_that_is_not_started_refuses() -> None:
    """Before start and after stop nothing is routed and no outcome is taken."""
    async with bench(FakeAgent("a")) as here:
        pass

    with pytest.raises(LifecycleStateError):
        await here.router.route(REVIEW)
    with pytest.raises(LifecycleStateError):
        await here.router.report_outcome("t", outcome())


async def test_the_current_span_tells_the_decision() -> None:
    """Task type, candidates, strategy, exploration and score are attributes; the decision carries the trace's id."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    async with bench(FakeAgent("a"), FakeAgent("b")) as here:
        with provider.get_tracer("test").start_as_current_span("router.route"):
            decision = await here.router.route(REVIEW)
    provider.shutdown()

    (span,) = exporter.get_finished_spans()
    told = dict(span.attributes or {})
    assert told["arbiter.router.task_type"] == "review"
    assert told["arbiter.router.candidates"] == 2
    assert (told["arbiter.router.strategy"], told["arbiter.router.explored"]) == ("epsilon-greedy", False)
    assert told["arbiter.router.score"] == 0.8
    assert decision.trace_id == f"{span.context.trace_id:032x}" if span.context else False


async def test_the_figures_add_up() -> None:
    """Decisions by strategy and exploration, fallbacks, outcomes, open leases and time are measured."""
    async with bench(FakeAgent("a"), exploration_rate=1) as here:
        decision = await here.router.route(REVIEW)
        await here.route()
        await here.router.report_outcome(decision.task_id, outcome())
        found = {m.name: (m.value, m.attributes) for m in here.router.measurements()}

    explored = (("strategy", "epsilon-greedy"), ("explored", "true"))
    assert found["arbiter.router.decisions"] == (2, explored)
    assert found["arbiter.router.outcomes"] == (1, (("success", "true"), ("late", "false")))
    assert found["arbiter.router.leases"] == (1, ())
    timed = next(m for m in here.router.measurements() if m.name == "arbiter.router.decision.duration")
    assert sum(timed.counts) == 2
    assert found["arbiter.router.fallbacks"] == (0, ())


async def test_what_was_refused_counts_apart_and_in_no_rate() -> None:
    """A task that nobody can do, and one that nobody has room for, are refusals by their reason, and no decisions."""
    async with bench(FakeAgent("a", limit=1)) as here:
        await here.route()
        with pytest.raises(NoCapacity):
            await here.router.route(REVIEW.model_copy(update={"task_id": "second"}))
        with pytest.raises(NoCapableAgent):
            await here.router.route(Task(task_type="singing"))
        found = [(m.name, m.value, m.attributes) for m in here.router.measurements()]

    refused = {
        dict(attributes)["reason"]: value for name, value, attributes in found if name.endswith("refusals")
    }
    assert refused == {"no-capacity": 1, "no-capable-agent": 1}
    assert sum(value for name, value, _ in found if name == "arbiter.router.decisions") == 1


async def test_a_decision_can_be_explained_and_made_again() -> None:
    """By its id or its task's it tells the grounds, with which the same draw can be made again, and the outcome."""
    async with bench(*(FakeAgent(f"a{n}") for n in range(5)), exploration_rate=0.5, seed=7) as here:
        await here.route()
        decision = await here.router.route(REVIEW)
        told = await here.router.explain("t")
        assert (told.outcome, told.candidates, told.state_sequence) == (None, 5, 0)
        await here.router.report_outcome("t", outcome())
        again = await here.router.explain(decision.decision_id)

        with pytest.raises(TaskUnknown):
            await here.router.explain("nothing")

    assert (told.decision, again.decision) == (decision, decision)
    assert f"drew {seeded(told.seed).random():.4f}" in decision.reason
    assert decision.explored is (seeded(told.seed).random() < 0.5)
    assert 0 < told.propensity < 1
    assert again.outcome is not None
    assert again.outcome.success
