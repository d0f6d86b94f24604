"""Recipes: one YAML file that trains one model, typed, with every key checked."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from ccnet.errors import UsageError
from ccnet.network import CCNet


@dataclass(frozen=True)
class NetworkRecipe:
    """The network's hyper-parameters, as `CCNet` takes them."""

    width: int
    """Channels at full size."""
    modules: int
    """Blocks per stage."""
    block: Literal["star", "residual"] = "star"
    depthwise: int = 9
    """Side of the star modules' depthwise kernel."""
    strips: tuple[int, int] | None = (11, 7)
    """Taps of the long-range integration; null leaves it out."""

    def __post_init__(self) -> None:
        even = self.width > 0 and self.width % 2 == 0
        _check("network.width", self.width, even, "an even number from 2 up")
        _check("network.modules", self.modules, self.modules > 0, "above 0")
        odd = all(taps > 2 and taps % 2 for taps in (self.depthwise, *(self.strips or ())))
        _check("network.depthwise", self.depthwise, odd, "an odd number from 3 up, as all strips")

    def build(self) -> CCNet:
        """Make the network, with fresh random weights."""
        return CCNet(
            self.width,
            self.modules,
            block=self.block,
            depthwise=self.depthwise,
            strips=self.strips,
        )


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run does; see `recipes/*.yaml` for values."""

    name: str
    """What the run and its weights are called."""
    task: str
    """What is removed: `dehaze`."""
    licence: str
    """Licence of the weights."""
    description: str
    """What the weights are for, in one line."""
    network: NetworkRecipe
    photos: Path
    """Folder of clean photographs, with VAL.txt naming those to validate on."""
    output: Path
    """Folder for checkpoints, weights and logs."""
    steps: int
    minutes: float | None = None
    """Time limit of the run; the learning rate then falls in time with it."""
    long_side: int = 704
    """Photographs are reduced to this many pixels when read."""
    crop: int = 256
    batch: int = 8
    rate: float = 1e-4
    """Highest learning rate."""
    warmup: int = 0
    """Steps over which the learning rate rises."""
    clip: float = 0.01
    """Longest gradient; a longer one is scaled down."""
    average_decay: float = 0.999
    """Decay of the moving average of the weights."""
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    compile: bool = False
    """Whether `torch.compile` makes the network faster, after minutes of work at the start."""
    seed: int = 0
    validate_every: int = 500
    """Steps between validations; each one writes the weights and a checkpoint."""
    validation_crop: int = 256

    def __post_init__(self) -> None:
        for key in ("steps", "long_side", "batch", "rate", "clip", "validate_every"):
            value = getattr(self, key)
            _check(key, value, 0 < value < math.inf, "a finite number above 0")
        for key in ("crop", "validation_crop"):
            side = getattr(self, key)
            _check(key, side, side > 0 and side % 4 == 0, "a multiple of 4")
        for key in ("warmup", "seed"):
            _check(key, getattr(self, key), getattr(self, key) >= 0, "0 or more")
        if self.minutes is not None:
            _check("minutes", self.minutes, self.minutes > 0, "above 0, or null for no limit")
        decay = self.average_decay
        _check("average_decay", decay, 0 <= decay < 1, "from 0 to below 1")


def _check(key: str, value: object, holds: bool, wanted: str) -> None:
    if not holds:
        raise UsageError(f"{key}={value} must be {wanted}.")


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
            section = section.setdefault(parent, {})
            if not isinstance(section, dict):
                raise UsageError(f"{key}: {parent} is a value and has no keys.")
        section[last] = value if _kind(key) in (str, Path) else _parse(override, value)
    made: Recipe = _build(Recipe, values, "")
    return made


def _read_values(recipe: str) -> dict[str, Any]:
    values = _parse(recipe, _recipe_text(recipe))
    if not isinstance(values, dict):
        raise UsageError(f"Recipe {recipe} must be a YAML mapping of keys to values.")
    if "base" not in values:
        return values
    base = values.pop("base")
    if base not in shipped_recipes() or base == recipe:
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
        raise UsageError(
            f"Recipe {recipe} is neither a YAML file that can be read nor one of "
            f"{', '.join(shipped_recipes())}."
        ) from error


def _kind(key: str) -> Any:
    """The type that a recipe gives to a dotted key; None if there is no such key."""
    kind: Any = Recipe
    for part in key.split("."):
        kind = get_type_hints(kind).get(part) if dataclasses.is_dataclass(kind) else None
    return kind


def _parse(source: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
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
        (kind,) = (option for option in get_args(kind) if option is not types.NoneType)
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
    except (ValueError, RuntimeError):  # RuntimeError: ~ of no user there is
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
