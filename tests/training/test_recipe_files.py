"""Reading recipes, and refusing what is wrong in them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ccnet.errors import UsageError
from ccnet.training.data import CleanPictures, find_pictures
from ccnet.training.recipe import NetworkRecipe
from ccnet.training.recipe_files import load_recipe, recipe_text, shipped_recipes


@pytest.mark.parametrize("name", ["any", "dehaze-small"])
def test_shipped_recipes_are_whole_but_for_the_photographs(name: str) -> None:
    assert name in shipped_recipes()
    with pytest.raises(UsageError, match=r"photos= is missing, or dataset="):
        load_recipe(name)
    assert load_recipe(name, ["photos=here"]).name == name


def test_published_network_is_the_published_size() -> None:
    assert load_recipe("any", ["photos=here"]).network == NetworkRecipe(40, 4)


def test_values_are_laid_over_and_typed() -> None:
    recipe = load_recipe(
        "dehaze-small",
        ["photos=~/x", "network.width=8", "rate=3e-5", "minutes=90", "compile=no", "name=a=b"],
    )
    assert recipe.photos == Path.home() / "x"
    assert recipe.network == NetworkRecipe(8, 2)
    assert recipe.rate == 3e-5
    assert recipe.minutes == 90.0
    assert recipe.compile is False
    assert recipe.name == "a=b"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("stpes=3", "stpes is no key of a recipe; did you mean steps"),
        ("network.widht=3", r"network\.widht is no key of a recipe; did you mean network\.width"),
        ("photo=x", "did you mean photos"),
        ("network=3", "network is a section"),
        ("steps.more=3", "steps is a value"),
        ("steps", "steps is no key=value"),
        ("steps=1.5", "steps=1.5 must be a whole number"),
        ("steps=true", "steps=True must be a whole number"),
        ("steps=null", "steps= is missing, or epochs=: one of them says how long to train"),
        ("epochs=3", "steps= and epochs= both say how long to train; set one of them to null"),
        ("dataset=gopro", "photos= and dataset= both say what to train on"),
        ("batch=null", "batch=None must be a whole number"),
        ("network=null", "network.width and network.modules are missing, or start="),
        ("network.strips=[11]", r"network.strips=\[11\] must be 2 numbers, as in \[11, 7\]"),
        ("network.strips=[11, 8]", "network.strips=8 must be an odd number from 3 to 63"),
        ("network.depthwise=1", "network.depthwise=1 must be an odd number from 3 to 63"),
        ("network.width=1026", "network.width=1026 must be from 1 to 1024"),
        ("seed=4294967296", "seed=4294967296 must be below 4294967296"),
        ("network.block=dense", "network.block=dense must be star or residual"),
        ("task=dewater", "task=dewater must be dehaze or deblur or desnow or any"),
        ("rate=fast", "rate=fast must be a number"),
        ("rate=0", "rate=0.0 must be a finite number above 0"),
        ("rate=.nan", "rate=nan must be a finite"),
        ("rate=.inf", "rate=inf must be a finite"),
        ("minutes=-1", "minutes=-1.0 must be a finite number above 0"),
        ("minutes=false", "minutes=False must be a number"),
        ("compile=1", "compile=1 must be true or false"),
        ("photos=", "photos= must be a path"),
        ("output=~no-such-user/x", "output=~no-such-user/x must be a path"),
        ("crop=33", "crop=33 must be a multiple of 4"),
        ("precision=fp8", "precision=fp8 must be auto or 32-true or bf16-mixed"),
        ("warmup=-1", "warmup=-1 must be 0 or more"),
        ("average_decay=1", r"average_decay=1\.0 must be from 0 to below 1"),
        ("network.width=7", "network.width=7 must be an even number"),
        ("network.modules=0", "network.modules=0 must be from 1 to 64"),
        ("steps={", "is not YAML"),
        ("steps=2020-99-99", r"steps=2020-99-99 is not YAML: month must be in 1\.\.12"),
        ("steps=!!bool x", "is not YAML"),
        ("steps=!!timestamp x", "is not YAML"),
        ('steps=!!int ""', "is not YAML"),
        ("steps=" + 3000 * "[", "is not YAML: maximum recursion depth"),
        ("rate=" + 400 * "1", "rate=1+ must be a number"),
        ("rate=5e-7", r"lowest_rate=1e-06 must be at most rate=5e-07"),
        ("lowest_rate=0.1", r"lowest_rate=0\.1 must be at most rate=0\.001"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(override: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        load_recipe("dehaze-small", ["photos=here", override])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("value", ["2024", "1e3", "no", "null", "[a]", "a: b", "{", "#1", "a=b"])
def test_an_override_of_a_text_or_path_is_taken_as_it_stands(value: str) -> None:
    recipe = load_recipe("dehaze-small", [f"output={value}", f"name={value}", "photos=x"])
    assert recipe.output == Path(value)
    assert recipe.name == value


@pytest.mark.parametrize(
    ("line", "message"),
    [("name: 2024", "name=2024 must be a text"), ("photos: [a]", "photos=.* must be a path")],
)
def test_a_file_s_texts_and_paths_are_typed(tmp_path: Path, line: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    lines = recipe_text(load_recipe("dehaze-small", ["photos=here"])).splitlines()
    key = line.partition(":")[0]
    path.write_text("\n".join([line, *(other for other in lines if not other.startswith(key))]))
    with pytest.raises(UsageError, match=message):
        load_recipe(str(path))


def test_recipe_by_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(recipe_text(load_recipe("dehaze-small", ["photos=here", "steps=7"])))
    assert load_recipe(str(path)).steps == 7
    assert load_recipe(str(path)) == load_recipe("dehaze-small", ["photos=here", "steps=7"])


@pytest.mark.parametrize(
    "content", ["- a\n- b", "", "steps: [", "\x00", "\ud800", "description: 2024-02-30"]
)
def test_what_is_no_recipe(tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_bytes(content.encode("utf-8", "surrogatepass"))
    with pytest.raises(UsageError, match=r"broken\.yaml"):
        load_recipe(str(path))


def test_unknown_recipe_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="dehaze-small"):
        load_recipe("dehaze-smal")
    with pytest.raises(UsageError, match="dehaze-small"):
        load_recipe(str(tmp_path))


def test_recipe_text_is_plain_yaml() -> None:
    recipe = load_recipe("dehaze-small", ["photos=here"])
    values = yaml.safe_load(recipe_text(recipe))
    assert values["network"]["strips"] == [11, 7]
    assert values["photos"] == "here"


@pytest.mark.parametrize(
    ("name", "width", "modules", "dataset", "epochs", "batch", "clip", "warmup"),
    [
        ("dehaze-indoor", 40, 4, "reside-indoor", 300, 4, 0.001, 3),
        ("dehaze-outdoor", 40, 4, "reside-outdoor", 30, 8, 0.01, 1),
        ("desnow-csd", 36, 6, "csd", 800, 4, 0.001, 3),
        ("deblur-gopro", 36, 16, "gopro", 3000, 4, 0.01, 3),
        ("deblur-rsblur", 36, 16, "rsblur", 710, 4, 0.01, 3),
    ],
)
def test_published_rows_are_trained_as_published(
    name: str,
    width: int,
    modules: int,
    dataset: str,
    epochs: int,
    batch: int,
    clip: float,
    warmup: int,
) -> None:
    recipe = load_recipe(name, ["path=there"])
    assert recipe.network == NetworkRecipe(width, modules)
    found = (recipe.dataset, recipe.epochs, recipe.batch, recipe.clip, recipe.warmup)
    assert found == (dataset, epochs, batch, clip, warmup)
    assert (recipe.crop, recipe.rate, recipe.average_decay) == (256, 1e-4, 0)
    assert recipe.task == name.partition("-")[0]


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_is_whole_but_for_the_pictures(name: str, tmp_path: Path) -> None:
    for data in ([], ["photos=here"], ["path=there"]):
        try:
            recipe = load_recipe(name, data)
            break
        except UsageError as error:
            assert re.search("photos=|path=", str(error))  # noqa: PT017
    assert str(recipe.output).startswith("runs/")
    assert recipe.name in (name, "finetuned")
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe_text(recipe))
    assert load_recipe(str(path)) == recipe


def test_a_recipe_holds_what_differs_from_its_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: dehaze-small\nname: mine\nnetwork: {modules: 3}\nphotos: here\n")
    recipe = load_recipe(str(path), ["network.depthwise=5"])
    assert recipe.network == NetworkRecipe(16, 3, depthwise=5)
    assert (recipe.name, recipe.steps) == ("mine", 20_000)
    path.write_text("base: mine\n")
    with pytest.raises(UsageError, match="base=mine must be one of ablation, "):
        load_recipe(str(path))


def test_the_quickstart_s_photographs_come_with_the_package(tmp_path: Path) -> None:
    recipe = load_recipe("quickstart", [f"output={tmp_path}", "steps=1", "network.width=2"])
    pictures = find_pictures(recipe)
    assert isinstance(pictures, CleanPictures)
    names = {path.name for path in (*pictures.training, *pictures.validation)}
    sources = (pictures.training[0].parent / "SOURCES.md").read_text()
    assert names == set(re.findall(r"`(\w+\.jpg)`", sources))
