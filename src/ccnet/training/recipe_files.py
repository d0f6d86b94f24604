"""Recipes on disk: one YAML file that trains one model, with every key and type checked."""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from ccnet.errors import UsageError
from ccnet.training.recipe import Recipe


def shipped_recipes() -> list[str]:
    """Names of the recipes in the package."""
    folder = files("ccnet.training") / "recipes"
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    )


def load_recipe(recipe: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read a shipped recipe by name or any by path, with `key=value` overrides laid over it.

    A recipe whose `base` is a shipped recipe's name holds only what differs from that one. A key
    of a section is written with a dot: `network.width=40`. A value is YAML, but taken as it stands
    for a text or a path. Raises `UsageError` for a recipe that is not there, a key that is unknown
    or missing, and a value of the wrong type.
    """
    values = _read_values(recipe)
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise UsageError(f"{override} is no key=value; write for example steps=1000.")
        section = values
        *parents, last = key.split(".")
        for parent in parents:
            if section.get(parent) is None:
                section[parent] = {}
            section = section[parent]
            if not isinstance(section, dict):
                raise UsageError(f"{key}: {parent} is a value and has no keys.")
        section[last] = value if _stands(key, value) else _parse(override, value)
    made: Recipe = _build(Recipe, values, "")
    return made


def _read_values(recipe: str) -> dict[str, Any]:
    values = _parse(recipe, _recipe_text(recipe))
    if not isinstance(values, dict):
        raise UsageError(f"Recipe {recipe} must be a YAML mapping of keys to values.")
    if "base" not in values:
        return values
    base = values.pop("base")
    if base not in shipped_recipes():
        raise UsageError(f"base={base} must be one of {', '.join(shipped_recipes())}.")
    return _laid_over(_read_values(base), values)


def _laid_over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Put the values of `above` in place of those of `below`, section by section."""
    merged = dict(below)
    for key, value in above.items():
        under = below.get(key)
        both = isinstance(value, dict) and isinstance(under, dict)
        merged[key] = _laid_over(under, value) if both and under else value
    return merged


def _recipe_text(recipe: str) -> str:
    if recipe in shipped_recipes():
        return (files("ccnet.training") / "recipes" / f"{recipe}.yaml").read_text("utf-8")
    try:
        return Path(recipe).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        near = difflib.get_close_matches(recipe, shipped_recipes(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UsageError(
            f"Recipe {recipe} is neither a YAML file that can be read nor one of "
            f"{', '.join(shipped_recipes())}{hint}."
        ) from error


def _stands(key: str, value: str) -> bool:
    """Whether the value of a dotted key is a text or a path, to be taken as it stands."""
    kind: Any = Recipe
    for part in key.split("."):
        beside = _beside_null(kind)
        kind = get_type_hints(beside).get(part) if dataclasses.is_dataclass(beside) else None
    if kind in (str | None, Path | None):
        return value != "null"
    return kind in (str, Path)


def _beside_null(kind: Any) -> Any:
    if get_origin(kind) is not types.UnionType:
        return kind
    (beside,) = (option for option in get_args(kind) if option is not types.NoneType)
    return beside


def _parse(source: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    # The others are PyYAML's for what only looks like a date, is tagged as what it is not, or is
    # nested too deep.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise UsageError(f"{source} is not YAML: {' '.join(str(error).split())}.") from error


def _build(kind: type[Any], values: Mapping[str, Any], prefix: str) -> Any:
    hints = get_type_hints(kind)
    for key in values:
        if key not in hints:
            close = difflib.get_close_matches(str(key), hints, n=1, cutoff=0.5)
            known = f"did you mean {prefix}{close[0]}?" if close else f"use {', '.join(hints)}."
            raise UsageError(f"{prefix}{key} is no key of a recipe; {known}")
    fields = dataclasses.fields(kind)
    for field in fields:
        if field.name not in values and field.default is dataclasses.MISSING:
            raise UsageError(
                f"{prefix}{field.name} is missing; give it as {prefix}{field.name}=..."
            )
    return kind(**{key: _convert(prefix + key, value, hints[key]) for key, value in values.items()})


def _convert(key: str, value: Any, kind: Any) -> Any:
    if get_origin(kind) is types.UnionType:
        if value is None:
            return None
        kind = _beside_null(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise UsageError(
                f"{key} is a section; set its keys, as in {key}.{_first_key(kind)}=..."
            )
        return _build(kind, value, f"{key}.")
    if get_origin(kind) is tuple:
        if not isinstance(value, list) or [type(part) for part in value] != list(get_args(kind)):
            raise UsageError(f"{key}={value} must be {len(get_args(kind))} numbers, as in [11, 7].")
        return tuple(value)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise UsageError(f"{key}={value} must be {' or '.join(get_args(kind))}.")
        return value
    try:
        # YAML 1.1 reads 1e-4, which has no dot, as text.
        if kind is float and isinstance(value, (int, float, str)) and not isinstance(value, bool):
            return float(value)
        if kind is Path and isinstance(value, str) and value:
            return Path(value).expanduser()
    # OverflowError: a whole number beyond all floats; RuntimeError: ~ of no user there is.
    except (ValueError, OverflowError, RuntimeError):
        pass
    if type(value) is not kind:
        raise UsageError(f"{key}={value} must be {WANTED[kind]}.")
    return value


WANTED = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "a text",
    Path: "a path",
}


def _first_key(kind: type[Any]) -> str:
    return dataclasses.fields(kind)[0].name


def recipe_text(recipe: Recipe) -> str:
    """The YAML of a recipe, which `load_recipe` reads back."""
    values = dataclasses.asdict(
        recipe,
        dict_factory=lambda items: {k: str(v) if isinstance(v, Path) else v for k, v in items},
    )
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True)
