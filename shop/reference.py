"""The OpenAPI document as a page shows it: chapters of calls, each with what it takes and what it answers."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Field:
    """One name in a body or query, such as lines[].keys. `choices` are the only values it can have."""

    name: str
    type: str
    required: bool
    text: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """`body` and `answer` list fields depth first; `sample` is a body in JSON; `refusals` say what each status means."""

    id: str
    method: str
    path: str
    title: str
    text: str
    needs_token: bool
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    sample: str
    status: str
    answer: tuple[Field, ...]
    refusals: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Chapter:
    title: str
    calls: tuple[Call, ...]


def chapters(document: dict) -> list[Chapter]:
    """The calls by their first tag, in the order of the document."""
    reader = _Reader(document)
    found: dict[str, list[Call]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            found.setdefault(str(operation["tags"][0]), []).append(reader.call(path, method, operation))
    return [Chapter(title, tuple(calls)) for title, calls in found.items()]


class _Reader:
    def __init__(self, document: dict) -> None:
        self.schemas = document["components"]["schemas"]

    def call(self, path: str, method: str, operation: dict) -> Call:
        answers = operation["responses"]
        status = next(status for status in answers if status.startswith("2"))
        body = _content(operation.get("requestBody"))
        parameters = [one for one in operation.get("parameters", []) if one["in"] != "path"]
        return Call(
            id=operation["operationId"],
            method=method.upper(),
            path=path,
            title=str(operation["summary"]),
            text=str(operation.get("description", "")),
            needs_token={} not in operation.get("security", [{}]),
            parameters=tuple(self.parameter(one) for one in parameters),
            body=tuple(self.fields(body)),
            sample=json.dumps(self.sample(body), ensure_ascii=False, indent=2) if body else "",
            status=status,
            answer=tuple(self.fields(_content(answers[status]))),
            refusals=tuple(sorted((one, answers[one]["description"]) for one in answers if one != status)),
        )

    def parameter(self, parameter: dict) -> Field:
        schema = self.resolved(parameter["schema"])
        name = f"{parameter['name']}:" if parameter["in"] == "header" else parameter["name"]
        text = str(parameter.get("description", ""))
        return Field(name, self.type_of(schema), parameter.get("required", False), text, _choices(schema))

    def resolved(self, node: dict) -> dict:
        """The schema behind a reference, also where it is wrapped to carry a description or allow null."""
        for wrapped in ("allOf", "oneOf", "anyOf"):
            if wrapped in node:
                inner = next(one for one in node[wrapped] if one.get("type") != "null")
                return {**self.resolved(inner), **{name: node[name] for name in ("description",) if name in node}}
        if "$ref" in node:
            return {**self.schemas[node["$ref"].rsplit("/", 1)[1]], **{k: v for k, v in node.items() if k != "$ref"}}
        return node

    def type_of(self, node: dict) -> str:
        node = self.resolved(node)
        kind = node.get("type", "object")
        if isinstance(kind, list):
            kind = " | ".join(kind)
        if node.get("type") == "array":
            return f"{self.type_of(node['items'])}[]"
        return {"date-time": "time", "decimal": "decimal"}.get(node.get("format", ""), kind)

    def fields(self, node: dict | None, path: str = "") -> Iterator[Field]:
        node = self.resolved(node or {})
        if node.get("type") == "array":
            yield from self.fields(node["items"], f"{path}[]")
        required = node.get("required", [])
        for name, inner in node.get("properties", {}).items():
            schema = self.resolved(inner)
            here = f"{path}.{name}" if path else name
            text = str(schema.get("description", ""))
            yield Field(here, self.type_of(schema), name in required, text, _choices(schema))
            yield from self.fields(schema, here)

    def sample(self, node: dict) -> Any:
        """A value that the schema could mean: its required fields, each with something plausible."""
        node = self.resolved(node)
        if "enum" in node:
            return node["enum"][0]
        kind = node.get("type")
        if kind == "array":
            return [self.sample(node["items"])]
        if kind == "object":
            properties = node.get("properties", {})
            return {name: self.sample(properties[name]) for name in node.get("required", []) if name in properties}
        if kind in {"integer", "number"}:
            return node.get("minimum", 1)
        return node.get("examples", ["…"])[0]


def _content(holder: dict | None) -> dict | None:
    content = (holder or {}).get("content", {})
    return content.get("application/json", {}).get("schema")


def _choices(schema: dict) -> tuple[str, ...]:
    return tuple(str(one) for one in schema.get("enum", []) if one)
