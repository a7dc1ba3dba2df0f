"""JSON Schema (draft 2020-12) of documents, for editors and for other programs."""

from collections.abc import Sequence
from typing import Any, Final

from stratkernel_config.catalogue import Catalogue, Installed
from stratkernel_config.models import Document
from stratkernel_config.names import ALLOWED

DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"


def document_schema(
    model: type[Document], catalogue: Catalogue, subject: str | None = None
) -> dict[str, Any]:
    """The schema of a document for one strategy or indicator, or for everything that is installed.

    Raises:
        CatalogueError: no such strategy or indicator, or its plugin fails.
    """
    schema = {"$schema": DRAFT, **model.model_json_schema()}
    schema["title"] = f"stratkernel {model.kind} document"
    properties, definitions = schema["properties"], schema.setdefault("$defs", {})
    properties["name"]["pattern"] = f"^{ALLOWED}$"
    _name_timeframes(properties, catalogue.timeframes)
    items = catalogue.items(model.kind) if subject is None else [catalogue.find(model.kind, subject)]
    names = {item.qualified: _names_of(item, items) for item in items}
    properties[model.kind]["enum"] = [name for each in names.values() for name in each]
    properties[model.kind].pop("pattern", None)
    rules = []
    for item in items:
        definitions[item.qualified] = _parameters(item, definitions)
        reference = {"$ref": f"#/$defs/{item.qualified}"}
        when = {"properties": {model.kind: {"enum": names[item.qualified]}}, "required": [model.kind]}
        rules.append({"if": when, "then": {"properties": {"parameters": reference}}})
    return {**schema, "allOf": rules} if rules else schema


def _names_of(item: Installed, items: Sequence[Installed]) -> list[str]:
    """The bare name too, where no other plugin has it."""
    sharing = [each for each in items if each.name == item.name]
    return [item.name, item.qualified] if len(sharing) == 1 else [item.qualified]


def _parameters(item: Installed, definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of an item's parameters; its own definitions move up to the document's."""
    schema = item.schema()
    definitions |= schema.pop("$defs", {})
    schema["title"] = f"parameters of {item.qualified} {item.version}"
    examples = [template.get("parameters", {}) for template in item.templates()]
    for name, field in schema.get("properties", {}).items():
        values = [example[name] for example in examples if name in example]
        seen = [value for number, value in enumerate(values) if value not in values[:number]]
        if seen:
            field.setdefault("examples", seen)
    if examples:
        schema["examples"] = examples
    return schema


def _name_timeframes(properties: dict[str, Any], timeframes: Sequence[str]) -> None:
    names = {"type": "string", "enum": list(timeframes)}
    properties["timeframe"]["anyOf"] = [names, {"type": "null"}]
    if "extra_timeframes" in properties:
        for form in properties["extra_timeframes"]["oneOf"]:
            form["items" if form["type"] == "array" else "propertyNames"] = names
