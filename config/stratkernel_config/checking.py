"""From what a file holds to a document that can be used, or to everything that is wrong with it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Final, Generic

from pydantic import ValidationError

from stratkernel_config.catalogue import Catalogue, Installed
from stratkernel_config.errors import CatalogueError, DocumentError, Problem, shown
from stratkernel_config.models import MAX_REQUIRED, MAX_TEXT, MAX_TIMEFRAMES, REFERENCE, UNION_TAGS, D
from stratkernel_config.requirements import is_range, pip_line, satisfies
from stratkernel_config.versions import CURRENT_VERSION, upgraded

_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._\-]{0,98}[A-Za-z0-9])?")
_REFERENCE: Final = re.compile(REFERENCE)
_MAX_REFERENCE: Final = 200
_MAX_HINTS: Final = 20
_PLAIN_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*")


@dataclass(frozen=True, slots=True)
class Checked(Generic[D]):
    """A valid document; `parameters` are all of them, with the plugin's defaults filled in."""

    document: D
    parameters: Mapping[str, Any]
    installed: Installed

    @property
    def defaults(self) -> frozenset[str]:
        """Names of parameters that the document leaves to the plugin."""
        return frozenset(self.parameters.keys() - self.document.parameters.keys())


def check_document(
    model: type[D], raw: Any, where: str, catalogue: Catalogue, *, name: str | None = None
) -> Checked[D]:
    """Validate a document against its format, its plugin's parameters and what is installed.

    `where` names it in messages; `name`, where given, is the one that it must bear.

    Raises:
        DocumentError: everything that is wrong with it.
    """
    if not isinstance(raw, dict):
        raise DocumentError([Problem(where, "$", "an object", shown(raw))])
    if raw.get("schema_version") != CURRENT_VERSION or type(raw["schema_version"]) is not int:
        raw = upgraded(raw, where)
    problems: list[Problem] = []
    document: D | None = None
    try:
        document = model.model_validate(raw)
    except ValidationError as error:
        problems += validation_problems(error, where, known=list(model.model_fields))
    if name is not None and raw.get("name") != name:
        problems.append(Problem(where, "$.name", f"{name!r}, as the file is called", shown(raw.get("name"))))
    if raw.get("timeframe") or raw.get("extra_timeframes"):
        problems += _timeframe_problems(raw, where, catalogue)
    if raw.get("requires"):
        problems += _requirement_problems(raw["requires"], where, catalogue)
    installed, parameters, wrong = _fill(model, raw, where, catalogue)
    problems += wrong
    if problems or document is None or installed is None:
        raise DocumentError(problems)
    return Checked(document, parameters, installed)


def _fill(
    model: type[D], raw: Mapping[str, Any], where: str, catalogue: Catalogue
) -> tuple[Installed | None, dict[str, Any], list[Problem]]:
    """The strategy or indicator, and its parameters with defaults; nothing where the format is wrong."""
    subject, given = raw.get(model.kind), raw.get("parameters", {})
    if not (isinstance(subject, str) and len(subject) <= _MAX_REFERENCE and _REFERENCE.match(subject)):
        return None, {}, []
    try:
        installed = catalogue.find(model.kind, subject)
        if not isinstance(given, dict):
            return installed, {}, []
        try:
            return installed, installed.fill(given), []
        except ValidationError as error:
            unknown = any(detail["type"] == "extra_forbidden" for detail in error.errors(include_url=False))
            known = list(installed.schema().get("properties", {})) if unknown else ()
            return None, {}, list(validation_problems(error, where, at="$.parameters", known=known))
    except CatalogueError as error:
        expected = f"an installed {model.kind}"
        return None, {}, [Problem(where, f"$.{model.kind}", expected, f"{shown(subject)} ({error})")]


def _timeframe_problems(raw: Mapping[str, Any], where: str, catalogue: Catalogue) -> Iterator[Problem]:
    extra = raw.get("extra_timeframes")
    steps: Mapping[int | str, Any] = {}
    if isinstance(extra, list):
        steps = dict(enumerate(extra[:MAX_TIMEFRAMES]))
    elif isinstance(extra, dict):
        steps = {name: name for name in list(extra)[:MAX_TIMEFRAMES]}
    named = {"$.timeframe": raw.get("timeframe")}
    named |= {json_path("$.extra_timeframes", (step,)): each for step, each in steps.items()}
    for place, timeframe in named.items():
        if isinstance(timeframe, str) and timeframe not in catalogue.timeframes:
            yield Problem(where, place, f"one of {', '.join(catalogue.timeframes)}", shown(timeframe))


def _requirement_problems(requires: Any, where: str, catalogue: Catalogue) -> Iterator[Problem]:
    if not isinstance(requires, dict) or len(requires) > MAX_REQUIRED:
        return
    for distribution, versions in requires.items():
        place = json_path("$.requires", (distribution,))
        if not _DISTRIBUTION.fullmatch(distribution):
            yield Problem(where, place, "the name of a distribution", shown(distribution))
        elif not isinstance(versions, str) or len(versions) > MAX_TEXT:
            continue  # the format says so already
        elif not is_range(versions):
            yield Problem(where, place, "a version range as '>=1,<2'", shown(versions))
        else:
            got = catalogue.version_of(distribution)
            if got is None or not satisfies(got, versions):
                expected = f"{distribution}{versions} ({pip_line(distribution, versions)})"
                yield Problem(
                    where, place, expected, "nothing installed" if got is None else f"version {got}"
                )


def validation_problems(
    error: ValidationError, where: str, *, at: str = "$", known: Sequence[str] = ()
) -> Iterator[Problem]:
    """What pydantic says, in the words of this project; `at` is the path of what was validated."""
    for number, detail in enumerate(error.errors(include_url=False)):
        hints = known if number < _MAX_HINTS else ()
        place = json_path(at, tuple(step for step in detail["loc"] if step not in UNION_TAGS))
        if detail["type"] == "missing":
            yield Problem(where, place, "a value", "nothing")
        elif detail["type"] == "extra_forbidden":
            yield Problem(
                where, place, "only known keys" + _hint(detail["loc"], hints), f"{shown(detail['loc'][-1])}"
            )
        elif detail["type"] == "value_error":
            rule, _, got = detail["msg"].removeprefix("Value error, ").partition(", got ")
            yield Problem(where, place, rule.replace(" must be ", " to be "), got or shown(detail["input"]))
        else:
            expected = detail["msg"].removeprefix("Input should be ")
            expected = expected.replace("String should ", "text that should ", 1)
            yield Problem(where, place, expected, shown(detail["input"]))


def _hint(loc: tuple[int | str, ...], known: Sequence[str]) -> str:
    if len(loc) != 1 or not known:
        return ""
    near = get_close_matches(str(loc[0]), known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else f" (there are: {', '.join(known)})"


def json_path(start: str, steps: tuple[int | str, ...]) -> str:
    """`$.requires["a b"][2]`: keys that are no words are quoted."""
    path = start
    for step in steps:
        if isinstance(step, int):
            path += f"[{step}]"
        else:
            path += f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{shown(step)}]"
    return path
