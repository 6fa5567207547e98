"""The learned statistic: what is missing, what counts in one direction, and how it is stored."""

from __future__ import annotations

import pytest
import torch

from dfd.bundle.networks.masked_predictor import MaskedPredictor
from dfd.prediction.learned_statistic import (
    COPIES,
    COPY,
    COPY_START,
    FORMS,
    WEIGHED,
    LearnedStatistic,
    fitting,
    log_ratio,
)


@pytest.fixture
def statistic() -> LearnedStatistic:
    torch.manual_seed(3)
    return LearnedStatistic()


def numbers(count: int = 7) -> torch.Tensor:
    return torch.randn(
        count, WEIGHED + COPIES, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )


def test_each_form_has_odds(statistic: LearnedStatistic) -> None:
    assert statistic(numbers()).shape == (7, len(FORMS))


def test_a_region_has_the_same_odds_whatever_is_weighed_beside_it(
    statistic: LearnedStatistic,
) -> None:
    given = numbers(50)
    assert torch.equal(statistic(given)[3], statistic(given[3:4])[0])


def test_what_was_not_measured_is_an_input(statistic: LearnedStatistic) -> None:
    given = numbers()
    without = given.clone()
    without[:, 5] = torch.nan
    zero = given.clone()
    zero[:, 5] = 0.0
    odds = statistic(without)
    assert torch.isfinite(odds).all()
    assert not torch.allclose(odds, statistic(zero))


def test_before_training_a_copy_counts_from_where_genuine_regions_end() -> None:
    numbers = torch.zeros(2, WEIGHED + COPIES)
    numbers[:, WEIGHED] = torch.tensor([1.1, COPY_START + 0.25])
    numbers[:, WEIGHED + 1] = torch.nan
    without = numbers.clone()
    without[:, WEIGHED] = torch.nan
    untrained = LearnedStatistic()
    raised = (untrained(numbers) - untrained(without))[:, COPY]
    assert float(raised[0].detach()) < 0.1
    assert float(raised[1].detach()) == pytest.approx(5.0, abs=0.3)


def test_copies_raise_the_odds_of_a_copy_and_no_others(statistic: LearnedStatistic) -> None:
    given = numbers()
    given[:, WEIGHED:] = 1.0
    before = statistic(given)
    for place in range(WEIGHED, WEIGHED + COPIES):
        found = given.clone()
        found[:, place] = 6.0
        after = statistic(found)
        assert (after[:, COPY] > before[:, COPY]).all()
        others = [number for number in range(len(FORMS)) if number != COPY]
        assert torch.equal(after[:, others], before[:, others])
        assert (log_ratio(after) > log_ratio(before)).all()


def test_missing_numbers_leave_gradients_finite(statistic: LearnedStatistic) -> None:
    given = numbers()
    given[:, ::3] = torch.nan
    given[:, -1] = torch.nan
    statistic(given).sum().backward()
    assert all(
        parameter.grad is None or torch.isfinite(parameter.grad).all()
        for parameter in statistic.parameters()
    )


def test_inputs_are_put_in_units_of_genuine_regions(statistic: LearnedStatistic) -> None:
    given = 5.0 + 3.0 * numbers(4000)
    given[:, 2] = torch.nan
    statistic.standardise(given)
    assert statistic.get_buffer("middle")[0] == pytest.approx(5.0, abs=0.3)
    assert statistic.get_buffer("width")[0] == pytest.approx(3.0, abs=0.3)
    assert statistic.get_buffer("middle")[2] == 0.0
    assert statistic.get_buffer("width")[2] == 1.0


def test_it_travels_with_the_weights_of_its_network(statistic: LearnedStatistic) -> None:
    network = MaskedPredictor(channels=(4, 6, 8, 8), filters=3)
    assert network.statistic is None
    bare = {name: value.clone() for name, value in network.state_dict().items()}
    network.statistic = statistic
    kept = network.state_dict()
    assert any(name.startswith("statistic.") for name in kept)
    other = MaskedPredictor(channels=(4, 6, 8, 8), filters=3)
    other.load_state_dict(kept)
    assert other.statistic is not None
    assert torch.equal(other.statistic(numbers()), statistic(numbers()))
    other.load_state_dict(bare)
    assert other.statistic is None
    assert fitting(bare, "statistic.") is None
