"""The strategies: who is chosen, and that the reason tells the draw that was made."""

from __future__ import annotations

import math
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.routing.ports import Registration, Requirement
from arbiter.orchestrator.routing.scoring import Arm, Arms, Slate
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.strategies import STRATEGIES, EpsilonGreedy, LeastLoaded, RoundRobin, Turns
from tests.orchestrator.routing.fakes import REGISTERED, FakeAgent, FakeLoad, FakeMatch, seeded

REVIEW = Requirement("review")


def slate(known: dict[str, Arm], load: dict[str, int] | None = None, *, load_weight: float = 0.3) -> Slate:
    """A slate of agents with these arms and this many tasks of ten."""
    load = load or {}
    agents = [FakeAgent(agent_id, current_load=FakeLoad(load.get(agent_id, 0))) for agent_id in known]
    arms = {(agent_id, REGISTERED): arm for agent_id, arm in known.items()}
    return Slate.rated(REVIEW, [FakeMatch(agent) for agent in agents], arms, load_weight)


def chosen(strategy: object, on: Slate, rng: Random) -> str:
    """The id that a strategy chooses."""
    assert isinstance(strategy, EpsilonGreedy | LeastLoaded | RoundRobin)
    return on.agents[strategy.choose(on, rng).position].id


def test_the_settings_offer_exactly_the_strategies_there_are() -> None:
    """Whatever name the settings take is one that can be made."""
    names = RoutingSettings.model_json_schema()["properties"]["strategy"]["enum"]

    assert set(names) == set(STRATEGIES)
    assert all(STRATEGIES[name](RoutingSettings(), Turns()).name == name for name in names)


def test_the_prior_is_worth_five_observations() -> None:
    """One failure takes 0.8 to 4/6, not to nothing; a hundred successes bring it near one."""
    assert Arm().expected == 0.8
    assert Arm(pulls=1).expected == pytest.approx(4 / 6)
    assert Arm(pulls=100, successes=100).expected == pytest.approx(104 / 105)


@given(pulls=st.integers(0, 10_000), share=st.floats(0, 1))
def test_expected_success_and_confidence_stay_in_bounds(pulls: int, share: float) -> None:
    """Both are probabilities, confidence never above what is expected; more of the same evidence raises it."""
    arm, more = Arm(pulls, int(pulls * share)), Arm(pulls * 2, int(pulls * share) * 2)

    assert 0 <= arm.confidence <= arm.expected < 1
    assert (
        more.pulls == 0 or abs(more.expected - more.confidence) <= abs(arm.expected - arm.confidence) + 0.05
    )


def test_load_is_a_penalty_in_the_score() -> None:
    """At 90 % load an agent loses 0.9 times the load weight (acceptance A4 of component 002)."""
    rated = slate({"a": Arm(), "b": Arm()}, {"a": 9}, load_weight=0.5)

    assert rated.scores[0] == pytest.approx(0.8 - 0.45)
    assert rated.scores[1] == 0.8


def test_epsilon_greedy_explores_at_its_rate_and_uniformly() -> None:
    """Over many draws the share of explorations is the rate, and each agent gets its share of them."""
    known = {f"a{n}": Arm(10, n) for n in range(4)}
    on, rng = slate(known), seeded(3)
    strategy, draws = EpsilonGreedy(0.1), 20_000

    choices = [strategy.choose(on, rng) for _ in range(draws)]

    explored = [choice for choice in choices if choice.explored]
    assert abs(len(explored) / draws - 0.1) < 3 * math.sqrt(0.09 / draws)
    for position in range(4):
        assert abs(sum(c.position == position for c in explored) / len(explored) - 0.25) < 0.04
    assert {choice.position for choice in choices if not choice.explored} == {3}


@given(seed=st.integers(), rate=st.floats(0, 1))
def test_the_reason_is_true_to_the_draw(seed: int, rate: float) -> None:
    """`explored` is what the first draw of the generator says, and the reason repeats that number."""
    draw = seeded(seed).random()

    choice = EpsilonGreedy(rate).choose(slate({"a": Arm(), "b": Arm()}), seeded(seed))

    assert choice.explored is (draw < rate)
    assert choice.reason.startswith("explored" if draw < rate else "exploited")
    assert f"drew {draw:.4f}" in choice.reason


def test_ties_for_the_best_score_are_drawn() -> None:
    """Equal agents share the work instead of the first one getting all of it."""
    on, rng = slate({"a": Arm(), "b": Arm(), "c": Arm(1, 0)}), seeded(1)

    assert {chosen(EpsilonGreedy(0), on, rng) for _ in range(50)} == {"a", "b"}


def test_only_free_positions_are_chosen() -> None:
    """Whatever the strategy, an agent that was struck off is not chosen."""
    for strategy in (EpsilonGreedy(0), EpsilonGreedy(1), LeastLoaded(), RoundRobin(Turns())):
        on = slate({"a": Arm(9, 9), "b": Arm(), "c": Arm()})
        on.free = [1]

        assert {chosen(strategy, on, seeded(n)) for n in range(10)} == {"b"}


def test_least_loaded_looks_at_load_then_at_score() -> None:
    """The lowest utilisation wins; among equals the better agent."""
    known = {"a": Arm(9, 9), "b": Arm(), "c": Arm(9, 9)}

    assert chosen(LeastLoaded(), slate(known, {"a": 2, "b": 1, "c": 2}), seeded(1)) == "b"
    assert chosen(LeastLoaded(), slate(known, {"a": 1, "b": 1, "c": 2}), seeded(1)) == "a"


def test_round_robin_goes_on_where_it_was_whoever_comes_and_goes() -> None:
    """Turns are by id: an agent that leaves is skipped, one that joins gets its turn."""
    strategy, rng = RoundRobin(Turns()), seeded(1)
    first = [chosen(strategy, slate(dict.fromkeys("abc", Arm())), rng) for _ in range(2)]

    then = [chosen(strategy, slate(dict.fromkeys("abd", Arm())), rng) for _ in range(2)]

    assert (first, then) == (["a", "b"], ["d", "a"])


def test_turns_forget_the_requirement_used_longest_ago() -> None:
    """Memory is bounded."""
    turns = Turns(limit=2)
    for kind in ("x", "y", "z"):
        turns.take(Requirement(kind), "a")

    assert (turns.last(Requirement("x")), turns.last(Requirement("z"))) == ("", "a")


def test_arms_are_kept_by_registration_and_task_type() -> None:
    """An outcome says nothing of other task types; it ends what earlier registrations taught, and nothing else."""
    first, other = Registration("a", REGISTERED), Registration("b", REGISTERED)
    again = Registration("a", REGISTERED + timedelta(seconds=1))
    arms = Arms()
    for agent in (first, other, again):
        arms.count(agent, "review", success=True)
    arms.count(again, "testing", success=True)
    arms.count(first, "testing", success=False)

    assert set(arms.all_of("review")) == {again, other}
    assert arms.all_of("testing") == {again: Arm(1, 1), first: Arm(1, 0)}


def test_an_arm_of_another_registration_counts_as_fresh() -> None:
    """A candidate is looked up by its id and by when it was registered."""
    known = {("a", REGISTERED - timedelta(seconds=1)): Arm(9, 0)}

    rated = Slate.rated(REVIEW, [FakeMatch(FakeAgent("a"))], known, load_weight=0)

    assert rated.scores == [0.8]


def test_a_decaying_rate_falls_with_what_is_known_and_stops_at_one_percent() -> None:
    """The rate is multiplied once for each known outcome, never falls below 0.01, and a decay of 1 keeps it."""
    fresh, seen, old = (slate({"a": Arm(pulls, 0), "b": Arm()}) for pulls in (0, 2, 10_000))

    assert EpsilonGreedy(0.2, 0.5).rate(fresh) == 0.2
    assert EpsilonGreedy(0.2, 0.5).rate(seen) == pytest.approx(0.05)
    assert EpsilonGreedy(0.2, 0.5).rate(old) == 0.01
    assert EpsilonGreedy(0.005, 0.5).rate(old) == 0.005
    assert EpsilonGreedy(0.2).rate(old) == 0.2
