"""A document is valid, or everything that is wrong with it is said at once."""

from typing import Any

import pytest

from made_catalogue import MadeCatalogue, template
from stratkernel_config.checking import check_document, json_path
from stratkernel_config.errors import DocumentError
from stratkernel_config.models import IndicatorDocument, StrategyDocument


def problems(catalogue: MadeCatalogue, raw: Any, **fields: Any) -> list[str]:
    with pytest.raises(DocumentError) as refused:
        check_document(StrategyDocument, raw, "a.json", catalogue, **fields)
    assert str(refused.value).splitlines() == [str(problem) for problem in refused.value.problems]
    return [str(problem).removeprefix("a.json: ") for problem in refused.value.problems]


def test_check_document_fills_in_defaults_and_tells_them_apart(catalogue: MadeCatalogue) -> None:
    checked = check_document(StrategyDocument, template(), "a.json", catalogue)
    assert checked.parameters == {"fast": 10, "slow": 50, "level": 0.5}
    assert checked.defaults == {"level"}
    assert checked.document.parameters == {"fast": 10, "slow": 50}
    assert checked.installed.qualified == "acme-cross:cross"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"surplus": 1}, "$.surplus: expected only known keys (there are: schema_version, name,"),
        (
            {"paramters": {}},
            "$.paramters: expected only known keys (did you mean 'parameters'?), got 'paramters'",
        ),
        ({"strategy": "cros"}, "$.strategy: expected an installed strategy, got 'cros' (no strategy 'cros')"),
        ({"strategy": 5}, "$.strategy: expected a valid string, got 5"),
        ({"parameters": {"fast": 0}}, "$.parameters.fast: expected greater than or equal to 1, got 0"),
        (
            {"parameters": {"fast": 10**12}},
            "$.parameters.fast: expected less than or equal to 100, got 1000000000000",
        ),
        ({"parameters": {"fast": "9"}}, "$.parameters.fast: expected a valid integer, got '9'"),
        ({"parameters": {"fast": True}}, "$.parameters.fast: expected a valid integer, got true"),
        (
            {"parameters": {"fst": 9}},
            "$.parameters.fst: expected only known keys (did you mean 'fast'?), got 'fst'",
        ),
        ({"parameters": {"fast": 60}}, "$.parameters: expected fast to be smaller than slow, got 60 and 20"),
        ({"parameters": []}, "$.parameters: expected a valid dictionary, got []"),
        ({"timeframe": "7h"}, "$.timeframe: expected one of 1m, 1h, 1d, got '7h'"),
        ({"extra_timeframes": ["1d", "9d"]}, "$.extra_timeframes[1]: expected one of 1m, 1h, 1d, got '9d'"),
        ({"extra_timeframes": {"9d": "venue"}}, "$.extra_timeframes['9d']: expected one of 1m, 1h, 1d, got"),
        (
            {"extra_timeframes": {"1d": "made up"}},
            "$.extra_timeframes['1d']: expected 'resampled' or 'venue', got 'made up'",
        ),
        ({"extra_timeframes": "1d"}, "$.extra_timeframes: expected a valid list, got '1d'"),
        ({"gaps": {"policy": "jump"}}, "$.gaps.policy: expected 'continue', 'reset' or 'fill', got 'jump'"),
        ({"tags": ["a", 1]}, "$.tags[1]: expected a valid string, got 1"),
        (
            {"description": "x" * 5000},
            "$.description: expected text that should have at most 4000 characters, got 'xx",
        ),
        (
            {"requires": {"acme-cross": ">=2"}},
            '$.requires.acme-cross: expected acme-cross>=2 (pip install "acme-cross>=2"), got version 1.4.2',
        ),
        (
            {"requires": {"acme-other": ">=1"}},
            '$.requires.acme-other: expected acme-other>=1 (pip install "acme-other>=1"), got nothing',
        ),
        (
            {"requires": {"acme-cross": "one"}},
            "$.requires.acme-cross: expected a version range as '>=1,<2', got 'one'",
        ),
        ({"requires": {'x"; rm -r': ">=1"}}, "$.requires['x\"; rm -r']: expected the name of a distribution"),
        ({"name": ""}, "$.name: expected text that should have at least 1 character, got ''"),
    ],
)
def test_check_document_says_what_was_expected_and_what_it_got(
    catalogue: MadeCatalogue, change: dict[str, Any], said: str
) -> None:
    (problem,) = problems(catalogue, template(parameters={}) | change)
    assert problem.startswith(said)


def test_check_document_says_everything_that_is_wrong_at_once(catalogue: MadeCatalogue) -> None:
    raw = {
        "schema_version": 2,
        "name": "b",
        "strategy": "cross",
        "parameters": {"fast": 0, "level": 2.0},
        "timeframe": "2h",
        "tags": 7,
        "requires": {"gone": ">=1"},
        "nonsense": None,
    }
    places = [problem.partition(": ")[0] for problem in problems(catalogue, raw, name="a")]
    assert sorted(places) == [
        "$.name",
        "$.nonsense",
        "$.parameters.fast",
        "$.parameters.level",
        "$.requires.gone",
        "$.tags",
        "$.timeframe",
    ]


@pytest.mark.parametrize("raw", [None, [], 3, "text", True])
def test_check_document_of_what_is_no_object_is_refused(catalogue: MadeCatalogue, raw: Any) -> None:
    (problem,) = problems(catalogue, raw)
    assert problem.startswith("$: expected an object, got ")


def test_check_document_lifts_an_older_document(catalogue: MadeCatalogue) -> None:
    old = template(schema_version=1, gaps="fill", tags="slow")
    document = check_document(StrategyDocument, old, "a.json", catalogue).document
    assert (document.schema_version, document.gaps and document.gaps.policy, document.tags) == (
        2,
        "fill",
        ["slow"],
    )


def test_check_document_of_an_indicator_knows_its_display(catalogue: MadeCatalogue) -> None:
    raw = {"schema_version": 2, "name": "b", "indicator": "band", "display": {"pane": "price"}}
    checked = check_document(IndicatorDocument, raw, "b.json", catalogue)
    assert checked.document.display.pane == "price"
    assert checked.document.display.visible
    with pytest.raises(DocumentError, match=r"\$\.display\.color: expected text that should match pattern"):
        check_document(IndicatorDocument, raw | {"display": {"color": "red"}}, "b.json", catalogue)


def test_problem_as_a_dict_has_its_parts(catalogue: MadeCatalogue) -> None:
    with pytest.raises(DocumentError) as refused:
        check_document(StrategyDocument, template(timeframe="7h"), "a.json", catalogue)
    assert refused.value.problems[0].to_dict() == {
        "file": "a.json",
        "place": "$.timeframe",
        "expected": "one of 1m, 1h, 1d",
        "got": "'7h'",
        "message": "a.json: $.timeframe: expected one of 1m, 1h, 1d, got '7h'",
    }


def test_json_path_quotes_keys_that_are_no_words() -> None:
    assert json_path("$", ("a", "b c", 3, "d-e")) == "$.a['b c'][3].d-e"
