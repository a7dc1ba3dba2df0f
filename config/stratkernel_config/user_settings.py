"""All settings and where each comes from: the file in the project home, the environment, flags."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from stratkernel_config.checking import json_path
from stratkernel_config.documents import load_json, parse_json
from stratkernel_config.errors import ConfigError, DocumentError, Problem, shown
from stratkernel_config.home import project_home
from stratkernel_config.retention import Retention, RunLimits
from stratkernel_config.settings import disabled_plugins
from stratkernel_config.urls import redacted_url

PREFIX: Final = "STRATKERNEL_"
IN_FILE: Final = {
    "database_url": "database_url",
    "retention": "retention",
    "disable": "plugins.disabled",
    "prefer": "plugins.preferred",
    "log_level": "log_level",
    "executor": "executor",
    "ui_host": "ui.host",
    "ui_port": "ui.port",
    "ui_password": "ui.password",
}
"""Where each setting stands in `settings.json`; the home cannot, since the file lies in it."""

_SECRET: Final = frozenset({"database_url", "ui_password"})
_REFERENCE: Final = re.compile(r"\$env:[A-Za-z_][A-Za-z0-9_]*")


class Settings(BaseSettings):
    """The settings of one project home; a flag beats the environment, which beats the file."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, env_ignore_empty=True)

    home: Path = Field(description="the project home")
    database_url: str = Field("", max_length=2000, description="where runs and candles are kept, as a URL")
    retention: Annotated[Retention, NoDecode] = Field(
        Retention(), description="which stored runs `stratkernel db clean` keeps; without limits all"
    )
    disable: Annotated[tuple[str, ...], NoDecode] = Field((), description="plugins that are not loaded")
    prefer: Annotated[dict[str, str], NoDecode] = Field(
        {}, description="which distribution a bare name means where several provide it"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "warning", description="what is worth a line in the log"
    )
    executor: str = Field("local", pattern=r"^[a-z][a-z0-9+.\-]*(://.*)?$", description="who does batch work")
    ui_host: str = Field("127.0.0.1", max_length=255, description="address that the dashboard listens on")
    ui_port: int = Field(8050, ge=1, le=65535, description="port that the dashboard listens on")
    ui_password: str | None = Field(None, description="the variable that holds it, as $env:NAME")

    @field_validator("retention", mode="before")
    @classmethod
    def _json(cls, value: Any) -> Any:
        return parse_json(value.encode(), f"{PREFIX}RETENTION") if isinstance(value, str) else value

    @field_validator("disable", mode="before")
    @classmethod
    def _names(cls, value: Any) -> Any:
        return (
            [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value
        )

    @field_validator("prefer", mode="before")
    @classmethod
    def _pairs(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        pairs = [pair.partition("=") for pair in value.split(",") if pair.strip()]
        return {name.strip(): distribution.strip() for name, _, distribution in pairs}

    @field_validator("ui_password")
    @classmethod
    def _reference(cls, value: str | None) -> str | None:
        if value is not None and not _REFERENCE.fullmatch(value):
            raise ValueError("$env:NAME, the variable that holds the password; secrets stand in no file")
        return value


class _Given(PydanticBaseSettingsSource):
    """Values that were read elsewhere."""

    def __init__(self, settings: type[BaseSettings], values: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._values = values

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - its interface
        return self._values.get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        return dict(self._values)


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and for each where it comes from: "default", the file, a variable or "flag"."""

    settings: Settings
    origins: Mapping[str, str]

    def shown(self) -> list[dict[str, Any]]:
        """Every setting with its value, secrets redacted, its origin and what it is."""
        return [
            {
                "name": IN_FILE.get(name, name),
                "value": redacted(name, getattr(self.settings, name)),
                "origin": self.origins[name],
                "variable": PREFIX + name.upper(),
                "description": field.description,
            }
            for name, field in Settings.model_fields.items()
        ]


def load_settings(flags: Mapping[str, Any] | None = None) -> LoadedSettings:
    """Read the settings; `flags` are by the names of the fields of `Settings`, `None` for those not given.

    Raises:
        DocumentError: every value that is not valid, and where it comes from.
    """
    given = {name: value for name, value in (flags or {}).items() if value is not None}
    home = Path(given.get("home") or project_home())
    path = home / "settings.json"
    in_file = _read(path)
    in_environment = EnvSettingsSource(Settings)()
    origins = dict.fromkeys(Settings.model_fields, "default")
    origins |= dict.fromkeys(in_file, str(path))
    origins |= {name: PREFIX + name.upper() for name in in_environment}
    origins |= dict.fromkeys(given, "flag")
    try:
        settings = _with_file(in_file)(**{**given, "home": home})
    except ValidationError as error:
        raise DocumentError(_problems(error, origins)) from None
    changed: dict[str, Any] = {}
    if in_file.get("disable") and in_environment.get("disable"):  # what is left out adds up
        changed["disable"] = tuple(dict.fromkeys([*settings.disable, *sorted(disabled_plugins(home))]))
        origins["disable"] = f"{path} and {PREFIX}DISABLE"
    if not settings.database_url:
        file = (home / "stratkernel.db").as_posix()
        changed["database_url"] = "sqlite:///" + file.replace("%", "%25").replace("?", "%3F")
    return LoadedSettings(settings.model_copy(update=changed), origins)


def _with_file(values: Mapping[str, Any]) -> type[Settings]:
    """The settings model with a file's values below the environment's."""

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic-settings asks with it
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, _Given(settings_cls, values)

    return FromFile


def resolve_secret(reference: str) -> str:
    """What `$env:NAME` stands for.

    Raises:
        ConfigError: it is no reference, or there is no such variable.
    """
    if not _REFERENCE.fullmatch(reference):
        raise ConfigError("a secret must be given as $env:NAME, the variable that holds it")
    name = reference.removeprefix("$env:")
    if not os.environ.get(name):
        raise ConfigError(f"the variable {name}, which {reference} names, is not set")
    return os.environ[name]


def redacted(name: str, value: Any) -> Any:
    """A setting's value for people and logs: passwords within URLs are hidden."""
    if isinstance(value, Path):
        return str(value)
    if name == "database_url" and isinstance(value, str):
        return redacted_url(value)
    if isinstance(value, Retention):
        return value.shown()
    return list(value) if isinstance(value, tuple) else value


def _read(path: Path) -> dict[str, Any]:
    """What the file says, by the names of the fields; nothing where there is no file."""
    if not path.is_file():
        return {}
    raw = load_json(path)
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    known = {place: name for name, place in IN_FILE.items()}
    groups = {place.partition(".")[0] for place in known if "." in place}
    if not isinstance(raw, dict):
        raise DocumentError([Problem(str(path), "$", "an object", shown(raw))])
    flat: dict[str, Any] = {}
    for key, value in raw.items():
        if key in groups and isinstance(value, dict):
            flat |= {f"{key}.{inner}": each for inner, each in value.items()}
        else:
            flat[key] = value
    for place, value in flat.items():
        if place in known:
            found[known[place]] = value
        elif place in groups:
            problems.append(Problem(str(path), f"$.{place}", "an object", shown(value)))
        else:
            near = get_close_matches(place, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            problems.append(Problem(str(path), f"$.{place}", f"only known settings ({hint})", shown(place)))
    if problems:
        raise DocumentError(problems)
    return found


def _problems(error: ValidationError, origins: Mapping[str, str]) -> list[Problem]:
    """What is not valid, and where it was said; the values of secrets are not shown."""
    problems = []
    for detail in error.errors(include_url=False):
        name, steps = str(detail["loc"][0]), detail["loc"][1:]
        expected = detail["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        got = "something else (not shown)" if name in _SECRET else shown(detail["input"])
        if detail["type"] == "model_type":
            expected = "an object"
        elif detail["type"] == "extra_forbidden":
            known = Retention.model_fields if len(steps) == 1 else RunLimits.model_fields
            expected, got = f"only known keys (there are: {', '.join(known)})", shown(steps[-1])
        origin = origins.get(name, "flag")
        if origin.endswith(".json"):
            where, place = origin, json_path(f"$.{IN_FILE[name]}", steps)
        else:
            where, place = f"{origin} ({json_path(name, steps)})", ""
        problems.append(Problem(where, place, expected, got))
    return problems
