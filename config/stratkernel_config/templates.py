"""The documents that plugins bring along, checked like everybody else's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from stratkernel_config.catalogue import Catalogue, Installed
from stratkernel_config.checking import Checked, check_document
from stratkernel_config.errors import ConfigError, DocumentError, Problem, UnknownDocumentError
from stratkernel_config.models import D


@dataclass(frozen=True, slots=True)
class Template(Generic[D]):
    """A template and the strategy or indicator that brought it; `checked` is `None` for an invalid one."""

    name: str
    raw: Mapping[str, Any]
    installed: Installed
    checked: Checked[D] | None
    errors: tuple[Problem, ...] = ()

    @property
    def qualified(self) -> str:
        """`distribution:name`."""
        return f"{self.installed.distribution}:{self.name}"


def collect_templates(model: type[D], catalogue: Catalogue) -> list[Template[D]]:
    """The templates of all that is installed, sorted by name; an invalid one never hides the others."""
    found: list[Template[D]] = []
    for installed in catalogue.items(model.kind):
        where = f"a template of {installed.qualified}"
        try:
            raws = installed.templates()
        except ConfigError as error:
            problem = Problem(where, "", "templates that can be read", str(error))
            found.append(Template(installed.name, {}, installed, None, (problem,)))
            continue
        found += [_checked(model, raw, where, installed, catalogue) for raw in raws]
    return sorted(found, key=lambda template: (template.name, template.qualified))


def _checked(
    model: type[D], raw: Mapping[str, Any], where: str, installed: Installed, catalogue: Catalogue
) -> Template[D]:
    name = str(raw.get("name", installed.name)) if isinstance(raw, Mapping) else installed.name
    try:
        if isinstance(raw, Mapping) and raw.get(model.kind) == installed.name:
            raw = {**raw, model.kind: installed.qualified}
        checked = check_document(model, raw, f"{where}, {name!r}", catalogue)
    except DocumentError as error:
        return Template(name, dict(raw) if isinstance(raw, Mapping) else {}, installed, None, error.problems)
    return Template(name, raw, installed, checked)


def pick_template(name: str, kind: str, templates: Sequence[Template[D]]) -> Template[D]:
    """One valid template by its name or qualified name.

    Raises:
        UnknownDocumentError: none or several of this name; says which there are.
        DocumentError: it is not valid.
    """
    found = [template for template in templates if name in (template.name, template.qualified)]
    if len(found) > 1:
        ids = " or ".join(template.qualified for template in found)
        raise UnknownDocumentError(f"several plugins have a template {name!r}; use {ids}")
    if not found:
        there = ", ".join(template.name for template in templates) or "none"
        raise UnknownDocumentError(f"no {kind} template {name!r}; there are: {there}")
    if found[0].checked is None:
        raise DocumentError(found[0].errors)
    return found[0]
