"""The strategies: who is chosen, how probably, and that the reason tells the draw that was made."""

from __future__ import annotations

import math
from collections import Counter
from datetime import timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arbiter.orchestrator.routing.board import Board, Slate, Weights
from arbiter.orchestrator.routing.draws import Draws
from arbiter.orchestrator.routing.ports import Registration, Requirement
from arbiter.orchestrator.routing.propensity import probability_of_the_highest
from arbiter.orchestrator.routing.scoring import PRIOR_SUCCESS, UNKNOWN, Arms, Belief
from arbiter.orchestrator.routing.settings import RoutingSettings
from arbiter.orchestrator.routing.strategies import (
    STRATEGIES,
    EpsilonGreedy,
    LeastLoaded,
    RoundRobin,
    Strategy,
    Thompson,
    Turns,
    Ucb1,
)
from tests.orchestrator.routing.fakes import REGISTERED, FakeAgent, FakeRoster, arm_row, seeded

REVIEW = Requirement("review")
FRESH = (0, 0)
EVERY: list[Strategy] = [
    EpsilonGreedy(0),
    EpsilonGreedy(1),
    Ucb1(),
    Thompson(),
    LeastLoaded(),
    RoundRobin(Turns()),
]


def slate(
    known: dict[str, tuple[int, int]],
    load: dict[str, int] | None = None,
    weights: Weights = Weights(load=0.3),  # noqa: B008  frozen
    **more: object,
) -> Slate:
    """A slate of agents with these pulls and successes, and this many tasks of ten."""
    load = load or {}
    agents = {agent_id: FakeAgent(agent_id, active=load.get(agent_id, 0)) for agent_id in known}
    arms = Arms(arm_row(agent_id, REGISTERED, *shown) for agent_id, shown in known.items() if shown[0])
    board = Board(REVIEW)
    board.catch_up(FakeRoster(agents, REVIEW, []), arms, weights)
    return board.slate(**more)  # type: ignore[arg-type]  # keywords passed through


def chosen(strategy: Strategy, on: Slate, rng: Random) -> str:
    """The id that a strategy chooses."""
    return strategy.choose(on, rng).contender.id


def belief(pulls: int = 0, successes: int = 0) -> Belief:
    """What is believed of an agent after these outcomes."""
    arms = Arms([arm_row("a", REGISTERED, pulls, successes)] if pulls else [])
    return arms.belief(("a", REGISTERED), "review")


def test_the_settings_offer_exactly_the_strategies_there_are() -> None:
    """Whatever name the settings take is one that can be made."""
    names = RoutingSettings.model_json_schema()["properties"]["strategy"]["enum"]

    assert set(names) == set(STRATEGIES)
    assert all(STRATEGIES[name](RoutingSettings(), Turns()).name == name for name in names)


def test_the_prior_is_worth_five_observations() -> None:
    """One failure takes 0.8 to 4/6, not to nothing; a hundred successes bring it near one."""
    assert belief().expected == PRIOR_SUCCESS
    assert belief(1).expected == pytest.approx(4 / 6)
    assert belief(100, 100).expected == pytest.approx(104 / 105)


@given(pulls=st.integers(1, 10_000), share=st.floats(0, 1))
def test_expected_success_and_confidence_stay_in_bounds(pulls: int, share: float) -> None:
    """Both are probabilities, confidence never above what is expected; more of the same evidence raises it."""
    known, more = belief(pulls, int(pulls * share)), belief(pulls * 2, int(pulls * share) * 2)

    assert 0 <= known.confidence <= known.expected < 1
    assert abs(more.expected - more.confidence) <= abs(known.expected - known.confidence) + 0.05


@given(
    here=st.integers(0, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
    there=st.integers(1, 50).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))),
)
def test_what_an_agent_shows_elsewhere_moves_where_it_starts(
    here: tuple[int, int], there: tuple[int, int]
) -> None:
    """Partial pooling: the prior stands where the other task types put it, and is worth five observations still."""
    rows = [arm_row("a", REGISTERED, *there, task_type="testing")]
    rows += [arm_row("a", REGISTERED, *here)] if here[0] else []
    elsewhere = (4 + there[1]) / (5 + there[0])

    found = Arms(rows).belief(("a", REGISTERED), "review")

    assert found.expected == pytest.approx((5 * elsewhere + here[1]) / (5 + here[0]))
    assert found.alpha + found.beta == pytest.approx(5 + here[0])


def test_002_a4_load_is_a_penalty_in_the_score() -> None:
    """002 A4: at 90 % load an agent loses 0.9 times the load weight."""
    rated = slate({"a": FRESH, "b": FRESH}, {"a": 9}, Weights(load=0.5))

    assert [place[1] for place in rated.free] == ["b", "a"]
    assert [-place[0] for place in rated.free] == pytest.approx([0.8, 0.8 - 0.45])


def test_latency_and_cost_are_penalties_where_they_are_weighed() -> None:
    """Both take off their weight times a share of ten seconds, and of one unit, at most."""
    roster = FakeRoster({"a": FakeAgent("a")}, REVIEW, [])
    row = arm_row("a", REGISTERED, 5, 5, latency_ms=3000)
    board = Board(REVIEW)

    board.catch_up(roster, Arms([row]), Weights(latency=0.2))
    assert -board.slate().free[0][0] == pytest.approx(9 / 10 - 0.2 * 4000 / 10_000)
    costly = Arms([arm_row("a", REGISTERED, 5, 5)])
    costly.put(type(row)("a", REGISTERED, "review", 6, 6, 6, 6, 0, cost=12.0, costed=4.0))
    board.catch_up(roster, costly, Weights(cost=0.3))
    assert -board.slate().free[0][0] == pytest.approx(10 / 11 - 0.3)


def test_002_a2_a3_epsilon_greedy_explores_at_its_rate_and_uniformly() -> None:
    """002 A2, A3: nine of ten decisions go to the best, one of ten to any, a new one as often as every other."""
    known = {f"a{n}": (10, n) for n in range(3)} | {"new": FRESH, "best": (100, 95)}
    on, rng = slate(known), seeded(3)
    strategy, draws = EpsilonGreedy(0.1), 20_000

    choices = [strategy.choose(on, rng) for _ in range(draws)]

    explored = Counter(choice.contender.id for choice in choices if choice.explored)
    assert abs(explored.total() / draws - 0.1) < 3 * math.sqrt(0.09 / draws)
    assert all(abs(explored[agent_id] / explored.total() - 0.2) < 0.04 for agent_id in known)
    assert {choice.contender.id for choice in choices if not choice.explored} == {"best"}


@given(seed=st.integers(), rate=st.floats(0, 1))
def test_the_reason_is_true_to_the_draw(seed: int, rate: float) -> None:
    """`explored` is what the first draw of the generator says, and the reason repeats that number."""
    draw = seeded(seed).random()

    choice = EpsilonGreedy(rate).choose(slate({"a": FRESH, "b": FRESH}), seeded(seed))

    assert choice.explored is (draw < rate)
    assert choice.reason.startswith("explored" if draw < rate else "exploited")
    assert f"drew {draw:.4f}" in choice.reason


@pytest.mark.parametrize("strategy", [EpsilonGreedy(0.3), Ucb1(), Thompson(), LeastLoaded()])
def test_the_propensity_is_how_often_the_choice_is_made(strategy: Strategy) -> None:
    """Over many draws each agent is chosen as often as its propensity says."""
    on, rng, draws = slate({"a": (9, 8), "b": (9, 8), "c": (6, 4), "d": (20, 12)}, {"d": 1}), seeded(5), 4000
    stated: dict[str, float] = {}
    made: Counter[str] = Counter()
    for _ in range(draws):
        choice = strategy.choose(on, rng)
        made[choice.contender.id] += 1
        stated[choice.contender.id] = choice.propensity

    assert all(made[agent_id] / draws == pytest.approx(stated[agent_id], abs=0.03) for agent_id in made)


@pytest.mark.parametrize("seed", range(5))
def test_a_choice_can_be_made_again_from_its_seed(seed: int) -> None:
    """The seed that is kept with a decision makes the same choice from the same slate."""
    draws, on = Draws(seed), slate({f"a{n}": FRESH for n in range(50)})
    for _ in range(20):
        kept, rng = draws.next()
        for strategy in (EpsilonGreedy(0.5), Thompson(), Ucb1()):
            state = rng.getstate()
            first = strategy.choose(on, rng)
            rng.setstate(state)
            assert strategy.choose(on, seeded(kept)) == first


def test_ties_for_the_best_score_are_drawn() -> None:
    """Equal agents share the work instead of the first one getting all of it."""
    on, rng = slate({"a": FRESH, "b": FRESH, "c": (1, 0)}), seeded(1)

    assert {chosen(EpsilonGreedy(0), on, rng) for _ in range(50)} == {"a", "b"}


@pytest.mark.parametrize("strategy", EVERY, ids=lambda strategy: strategy.name)
def test_only_those_with_room_are_chosen(strategy: Strategy) -> None:
    """Whatever the strategy, an agent that was struck off is not chosen."""
    on = slate({"a": (9, 9), "b": FRESH, "c": FRESH})
    on.strike("a")
    on.strike("c")

    assert {chosen(strategy, on, seeded(n)) for n in range(10)} == {"b"}


@pytest.mark.parametrize(
    "strategy", [EpsilonGreedy(1), Ucb1(), Thompson()], ids=lambda strategy: strategy.name
)
def test_an_important_task_is_no_trial(strategy: Strategy) -> None:
    """Where trials are not allowed the best score is taken, however little is known of others."""
    on = slate({"best": (50, 49), "new": FRESH, "worse": (50, 45)}, may_explore=False)

    assert {chosen(strategy, on, seeded(n)) for n in range(20)} == {"best"}


def test_a_hurried_task_passes_over_those_that_showed_to_be_slow() -> None:
    """An agent of proven latency above the task's time is taken only where all are; a fresh one has proven nothing."""
    on = slate({"good": (50, 49), "new": FRESH}, within_ms=900)
    all_slow = slate({"good": (50, 49), "worse": (50, 40)}, within_ms=900)

    assert chosen(EpsilonGreedy(0), on, seeded(1)) == "new"
    assert chosen(EpsilonGreedy(0), all_slow, seeded(1)) == "good"


def test_least_loaded_looks_at_load_then_at_score() -> None:
    """The lowest utilisation wins; among equals the better agent."""
    known = {"a": (9, 9), "b": FRESH, "c": (9, 9)}

    assert chosen(LeastLoaded(), slate(known, {"a": 2, "b": 1, "c": 2}), seeded(1)) == "b"
    assert chosen(LeastLoaded(), slate(known, {"a": 1, "b": 1, "c": 2}), seeded(1)) == "a"


def test_round_robin_goes_on_where_it_was_whoever_comes_and_goes() -> None:
    """Turns are by id: an agent that leaves is skipped, one that joins gets its turn."""
    strategy, rng = RoundRobin(Turns()), seeded(1)
    first = [chosen(strategy, slate(dict.fromkeys("abc", FRESH)), rng) for _ in range(2)]

    then = [chosen(strategy, slate(dict.fromkeys("abd", FRESH)), rng) for _ in range(2)]

    assert (first, then) == (["a", "b"], ["d", "a"])


def test_turns_forget_the_requirement_used_longest_ago() -> None:
    """Memory is bounded."""
    turns = Turns(limit=2)
    for kind in ("x", "y", "z"):
        turns.take(Requirement(kind), "a")

    assert (turns.last(Requirement("x")), turns.last(Requirement("z"))) == ("", "a")


def test_002_a1_ucb1_takes_the_highest_bound() -> None:
    """002 A1: of five agents the one is taken whose mean and doubt together are highest, by Auer's formula."""
    known = {"a": (50, 45), "b": (10, 8), "c": (40, 30), "d": (30, 24), "e": (20, 17)}
    bounds = {
        agent_id: successes / pulls + math.sqrt(2 * math.log(150) / pulls)
        for agent_id, (pulls, successes) in known.items()
    }

    choice = Ucb1().choose(slate(known), seeded(1))

    assert choice.contender.id == max(bounds, key=bounds.__getitem__) == "b"
    assert f"bound {bounds['b']:.3f} of 5" in choice.reason
    assert (choice.explored, choice.propensity) == (True, 1.0)


def test_ucb1_tries_everyone_once_first() -> None:
    """Who has shown nothing comes before all others."""
    on = slate({"a": (50, 50), "b": FRESH, "c": FRESH})

    assert {chosen(Ucb1(), on, seeded(n)) for n in range(20)} == {"b", "c"}


def test_arms_are_kept_by_registration_and_task_type() -> None:
    """An outcome of a later registration ends what earlier ones taught; one that comes back begins anew."""
    again = REGISTERED + timedelta(seconds=1)
    arms = Arms([arm_row("a", REGISTERED, 3, 3), arm_row("b", REGISTERED, 4, 0)])

    arms.put(arm_row("a", again, 1, 0))
    assert arms.belief(Registration("a", REGISTERED), "review") == UNKNOWN
    arms.put(arm_row("a", REGISTERED, 1, 1))

    assert arms.belief(Registration("a", REGISTERED), "review").reward == 1
    assert arms.belief(Registration("a", again), "review").weight == 1
    assert arms.belief(Registration("b", REGISTERED), "review").weight == 4


def test_older_news_of_an_arm_change_nothing() -> None:
    """What holds fewer outcomes than is known already comes late, from another instance."""
    arms = Arms([arm_row("a", REGISTERED, 3, 3)])

    arms.put(arm_row("a", REGISTERED, 2, 0))

    assert arms.belief(("a", REGISTERED), "review").reward == 3


def test_a_decaying_rate_falls_with_what_is_known_and_stops_at_one_percent() -> None:
    """The rate is multiplied once for each known outcome, never falls below 0.01, and a decay of 1 keeps it."""
    fresh, seen, old = (slate({"a": (pulls, 0), "b": FRESH}) for pulls in (0, 2, 10_000))

    assert EpsilonGreedy(0.2, 0.5).rate(fresh) == 0.2
    assert EpsilonGreedy(0.2, 0.5).rate(seen) == pytest.approx(0.05)
    assert EpsilonGreedy(0.2, 0.5).rate(old) == 0.01
    assert EpsilonGreedy(0.005, 0.5).rate(old) == 0.005
    assert EpsilonGreedy(0.2).rate(old) == 0.2


def test_the_probability_of_the_highest_is_right_where_it_is_known() -> None:
    """Equal variables share it, a crowd of them too; one against one is the integral that a textbook gives."""
    assert probability_of_the_highest([(4, 1, 0)] * 1000, 7) == pytest.approx(1 / 1000)
    assert probability_of_the_highest([(1, 1, 0), (2, 1, 0)], 1) == pytest.approx(2 / 3, abs=0.01)
    assert probability_of_the_highest([(4, 1, 0), (4, 1, 1.0)], 0) == pytest.approx(1, abs=0.01)
