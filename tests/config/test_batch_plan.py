"""The plan of a batch: what it may say, and everything that is wrong with it at once."""

import json
from pathlib import Path
from typing import Any

import pytest

from stratkernel_config.batch_plan import BatchPlan, PlanError, load_plan
from stratkernel_config.errors import DocumentError


def write(folder: Path, plan: Any) -> Path:
    path = folder / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    return path


def test_load_plan_symbols_are_crossed_with_timeframes_and_follow_the_series(tmp_path: Path) -> None:
    plan = load_plan(
        write(
            tmp_path,
            {
                "configurations": [
                    "rsi",
                    {"strategy": "macd", "name": "quick", "parameters": {"fast_period": 5}},
                ],
                "series": [{"data": "btc.csv", "venue": "binance"}],
                "symbols": ["A/B", "C/D"],
                "timeframes": ["5m", "1h"],
                "from": "2024-01-01",
                "trading": {"fee_bps": 10},
            },
        )
    )
    assert [each.strategy for each in plan.all_configurations()] == ["rsi", "macd"]
    assert plan.all_configurations()[1].name == "quick"
    found = [(each.data, each.symbol, each.timeframe) for each in plan.all_series()]
    assert found == [
        (str(tmp_path / "btc.csv"), None, None),
        (None, "A/B", "5m"),
        (None, "A/B", "1h"),
        (None, "C/D", "5m"),
        (None, "C/D", "1h"),
    ]
    assert (plan.start, plan.end, plan.trading.fee_bps) == ("2024-01-01", None, 10.0)


def test_load_plan_symbols_without_timeframes_leave_the_timeframe_open(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path, {"configurations": ["rsi"], "symbols": ["A/B"]}))
    assert [(each.symbol, each.timeframe) for each in plan.all_series()] == [("A/B", None)]


def test_load_plan_path_is_relative_to_its_folder_and_a_url_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, {"configurations": ["rsi"], "series": [{"data": "a/b.csv"}, {"data": "acme://x"}]})
    monkeypatch.chdir(tmp_path)
    plan = load_plan(Path("plan.json"))
    assert [each.data for each in plan.series] == [str(tmp_path / "a" / "b.csv"), "acme://x"]


def test_load_plan_every_problem_is_told_at_its_place_and_the_rest_is_usable(tmp_path: Path) -> None:
    configurations: list[Any] = [{"strategy": "rsi", "parameters": {"period": n}} for n in range(2, 302)]
    configurations[77] = {"strategy": "rsi", "paramters": {}}
    configurations[200] = 5
    series = [{"data": "a.csv"}, {"timeframe": "5m"}, {"data": "b.csv", "timeframe": "5 minutes"}]
    path = write(tmp_path, {"configurations": configurations, "series": series, "trading": {"fee_bps": -1}})
    with pytest.raises(PlanError) as raised:
        load_plan(path)
    places = [problem.place for problem in raised.value.problems]
    assert places == [
        "$.configurations[77].paramters",
        "$.configurations[200]",
        "$.series[1]",
        "$.series[2].timeframe",
        "$.trading.fee_bps",
    ]
    assert all(problem.file == str(path) for problem in raised.value.problems)
    usable = raised.value.usable
    assert usable is not None
    assert len(usable.configurations) == 298
    assert [each.data for each in usable.series] == [str(tmp_path / "a.csv")]


@pytest.mark.parametrize(
    ("plan", "place"),
    [
        ([], "$"),
        ({}, "$.configurations"),
        ({"configurations": [], "symbols": ["A"]}, "$.configurations"),
        ({"configurations": ["rsi"]}, "$"),
        ({"configurations": ["rsi"], "symbols": "A"}, "$.symbols"),
        ({"configurations": ["rsi"], "symbols": ["A"], "trading": {"fill": "open"}}, "$.trading.fill"),
        ({"configurations": ["rsi"], "symbols": ["A"], "froom": "2024-01-01"}, "$.froom"),
        (
            {"configurations": [{"strategy": "rsi", "exits": {"stop_loss": 2}}], "symbols": ["A"]},
            "$.configurations[0].exits.stop_loss",
        ),
    ],
)
def test_load_plan_that_is_wrong_says_where(tmp_path: Path, plan: Any, place: str) -> None:
    with pytest.raises(DocumentError) as raised:
        load_plan(write(tmp_path, plan))
    assert place in [problem.place for problem in raised.value.problems]


def test_batch_plan_kept_as_json_comes_back(tmp_path: Path) -> None:
    plan = load_plan(
        write(
            tmp_path,
            {
                "configurations": ["rsi", {"strategy": "macd", "exits": {"max_bars": 4}}],
                "symbols": ["A/B"],
                "to": "2024-01-01",
            },
        )
    )
    kept = plan.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    assert BatchPlan.model_validate(json.loads(json.dumps(kept))) == plan  # noqa: TID251 - a round trip
