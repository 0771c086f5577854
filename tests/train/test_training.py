"""The training loop: what it reports, that a seed determines it, and that it learns."""

import dataclasses

import allumette_core as al
import numpy as np
import pytest
from allumette_train import (
    MLP,
    SGD,
    Adam,
    DivergedError,
    Plan,
    Preprocessing,
    Report,
    Rows,
    evaluate,
    fit,
    make,
    minibatches,
)


def points(name: str = "xor", rows: int = 200, seed: int = 0) -> Rows:
    data = make(name, rows, seed)
    x = Preprocessing.learn(data.features).apply(data.features)
    return Rows.place(x, data.labels, binary=True, device="numpy")


def network(*sizes: int, seed: int = 0) -> MLP:
    return MLP.init(al.random.key(seed, "numpy"), sizes or (2, 8, 1))


def weights(model: MLP) -> list[list[float]]:
    return [np.asarray(leaf).ravel().tolist() for leaf in al.tree.leaves(model)]


@dataclasses.dataclass
class Notes:
    until: int = 10**9
    steps: list[int] = dataclasses.field(default_factory=list)
    reports: list[Report] = dataclasses.field(default_factory=list)

    def step(self, iteration: int) -> bool:
        self.steps.append(iteration)
        return iteration < self.until

    def report(self, report: Report) -> None:
        self.reports.append(report)


def by_hand(model: MLP, rows: Rows, rates: list[float]) -> tuple[list[float], list[list[float]]]:
    """The same network trained in float64 with derivatives written out."""
    params = [np.asarray(leaf).astype(np.float64) for leaf in al.tree.leaves(model)]
    x, y = np.asarray(rows.x).astype(np.float64), np.asarray(rows.y).astype(np.float64)
    losses = []
    for rate in rates:
        w1, b1, w2, b2 = params
        h = np.maximum(x @ w1 + b1, 0)
        z = (h @ w2 + b2)[:, 0]
        losses.append(np.mean(np.logaddexp(0, z) - y * z))
        d2 = ((1 / (1 + np.exp(-z)) - y) / len(y))[:, None]
        d1 = (d2 @ w2.T) * (h > 0)
        slopes = [x.T @ d1, d1.sum(0), h.T @ d2, d2.sum(0)]
        params = [p - rate * g for p, g in zip(params, slopes, strict=True)]
    return losses, [p.ravel().tolist() for p in params]


def test_agrees_with_derivatives_written_out() -> None:
    rows, notes = points(), Notes()
    losses, params = by_hand(network(), rows, [0.5] * 20)
    outcome = fit(network(), SGD(0.5), rows, Plan(20, reports=20), watcher=notes)
    assert [r.train.loss for r in notes.reports] == pytest.approx(losses, rel=1e-5)
    for found, expected in zip(weights(outcome.network), params, strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


def test_reports() -> None:
    rows, notes = points(), Notes()
    outcome = fit(
        network(), SGD(0.1), rows, Plan(50, reports=5), validation=points(seed=1), watcher=notes
    )
    assert [r.iteration for r in notes.reports] == [10, 20, 30, 40, 50]
    assert [r.epoch for r in notes.reports] == [10, 20, 30, 40, 50]
    assert all(r.validation is not None for r in notes.reports)
    assert notes.steps == list(range(1, 51))
    assert outcome.iterations == 50
    assert outcome.rows == 50 * 200
    assert 0 < outcome.first_seconds <= outcome.seconds
    assert outcome.rows_per_second > 0
    seconds = [r.seconds for r in notes.reports]
    assert seconds == sorted(seconds)


def test_minibatch_reports_are_means_since_the_last() -> None:
    rows, notes = points(rows=10), Notes()
    model = network()
    before = evaluate(model, rows)
    # So slow a learner that every row of the epoch is judged by the same network.
    fit(model, SGD(1e-12), rows, Plan(3, 4, reports=1), watcher=notes)
    (report,) = notes.reports
    assert report.train.loss == pytest.approx(before.loss, rel=1e-6)
    assert report.train.accuracy == pytest.approx(before.accuracy)
    assert report.epoch == 1


def test_a_report_forgets_what_came_before() -> None:
    rows, notes, model = points(rows=10), Notes(), network()
    expected = []
    for batch in minibatches(10, 5, seed=0, epoch=0):
        part = Rows(rows.x[batch], rows.y[batch])
        expected.append(evaluate(model, part).loss)
    fit(model, SGD(1e-12), rows, Plan(2, 5, reports=2), watcher=notes)
    assert [r.train.loss for r in notes.reports] == pytest.approx(expected, rel=1e-6)
    assert expected[0] != pytest.approx(expected[1], rel=1e-3)


def test_full_batch_reports_are_of_the_latest_update() -> None:
    often, seldom = Notes(), Notes()
    fit(network(), SGD(0.5), points(), Plan(20, reports=20), watcher=often)
    fit(network(), SGD(0.5), points(), Plan(20, reports=2), watcher=seldom)
    assert seldom.reports[0].train == often.reports[9].train
    assert seldom.reports[1].train == often.reports[19].train


def test_reports_in_between() -> None:
    notes = Notes()
    fit(network(), SGD(0.1), points(), Plan(10, reports=1, report_seconds=0.0), watcher=notes)
    assert [r.iteration for r in notes.reports] == list(range(1, 11))


def test_what_is_trained_is_used_up() -> None:
    model = network()
    weight = model.layers[0].weight
    fit(model, SGD(0.1), points(), Plan(2))
    with pytest.raises(al.DeviceError, match="donated"):
        weight.numpy()


def test_validation_is_looked_at_once_an_epoch() -> None:
    notes = Notes()
    plan = Plan(iterations=40, batch_size=20, reports=20)
    fit(network(), SGD(0.1), points(), plan, validation=points(seed=1), watcher=notes)
    looked = [r.iteration for r in notes.reports if r.validation is not None]
    assert looked == [10, 20, 30, 40]


def test_evaluate_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, model = points(), network()
    whole = evaluate(model, rows)
    monkeypatch.setattr("allumette_train.scoring._EVALUATED_AT_ONCE", 64)
    pieces = evaluate(model, rows)
    assert pieces.accuracy == whole.accuracy
    assert pieces.loss == pytest.approx(whole.loss, rel=1e-6)
    logits = np.asarray(model(rows.x))[:, 0]
    assert whole.accuracy == np.mean((logits > 0) == np.asarray(rows.y))


def test_watcher_ends_the_training() -> None:
    notes = Notes(until=7)
    outcome = fit(network(), SGD(0.1), points(), Plan(100), watcher=notes)
    assert outcome.iterations == 7
    assert outcome.rows == 7 * 200
    same = fit(network(), SGD(0.1), points(), Plan(7))
    assert weights(outcome.network) == weights(same.network)


@pytest.mark.parametrize("batch", [None, 32])
def test_seed_determines_everything(batch: int | None) -> None:
    def run(seed: int) -> list[list[float]]:
        plan = Plan(30, batch, seed)
        return weights(fit(network(seed=seed), Adam(), points(seed=seed), plan).network)

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_order_of_rows_comes_from_the_seed() -> None:
    def run(seed: int) -> list[list[float]]:
        return weights(fit(network(), SGD(0.1), points(), Plan(10, 32, seed)).network)

    assert run(1) != run(2)


def test_how_often_it_is_looked_at_changes_nothing() -> None:
    def run(reports: int) -> list[list[float]]:
        plan = Plan(30, 32, reports=reports)
        return weights(fit(network(), Adam(), points(), plan, validation=points(seed=1)).network)

    assert run(1) == run(30)


def test_full_batch_equals_a_batch_of_all_rows() -> None:
    whole = fit(network(), SGD(0.1), points(), Plan(5)).network
    large = fit(network(), SGD(0.1), points(), Plan(5, 1000)).network
    assert weights(whole) == weights(large)


def test_schedule() -> None:
    factors = [1, 0.8535533906, 0.5, 0.1464466094]
    plan = Plan(4, schedule="cosine")
    assert [plan.factor(k) for k in range(1, 5)] == pytest.approx(factors)
    assert Plan(4).factor(3) is None
    outcome = fit(network(), SGD(0.5), points(), plan)
    _, params = by_hand(network(), points(), [0.5 * factor for factor in factors])
    for found, expected in zip(weights(outcome.network), params, strict=True):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergence_is_noticed() -> None:
    with pytest.raises(DivergedError, match=r"the loss was (nan|inf) at iteration"):
        fit(network(2, 8, 8, 1), SGD(1e30), points(), Plan(200))


def test_many_classes() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 300).astype(np.int32)
    centres = np.array([[0, 2], [2, -1], [-2, -1]], np.float32)
    x = centres[labels] + 0.3 * rng.normal(size=(300, 2)).astype(np.float32)
    rows = Rows.place(x, labels, binary=False, device="numpy")
    outcome = fit(network(2, 3), Adam(0.05), rows, Plan(100))
    assert evaluate(outcome.network, rows).accuracy > 0.98


@pytest.mark.parametrize("name", ["simple", "diag", "split", "xor", "circle"])
def test_learns(name: str) -> None:
    outcome = fit(network(2, 16, 16, 1), Adam(0.02), points(name, 1000), Plan(200))
    assert evaluate(outcome.network, points(name, 1000, seed=1)).accuracy > 0.95


@pytest.mark.parametrize("wrong", [{"iterations": 0}, {"batch_size": 0}, {"reports": 0}])
def test_impossible_plans(wrong: dict[str, int]) -> None:
    with pytest.raises(al.ArgumentError, match="must be at least 1"):
        Plan(**{"iterations": 1} | wrong)


def test_rows_that_do_not_fit() -> None:
    with pytest.raises(al.ShapeError, match=r"features \(3, 2\) and labels \(2,\) do not fit"):
        Rows.place(np.ones((3, 2), np.float32), np.zeros(2, np.int32), binary=True, device=None)
