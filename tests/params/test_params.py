"""Parameters: what is read, and the sentence that refuses what is not."""

import os
import subprocess
import sys
from typing import Annotated

import pytest

from meddef_lib import params, paths
from meddef_lib.paper import published, robustbench
from meddef_lib.params import ParamsError, read_dataset, read_profile
from meddef_lib.params.profile import ModelParams
from meddef_lib.params.types import Neutral, Params
from tests.known import KNOWN


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The file of a profile of one's own, the only one there."""
    monkeypatch.setattr(paths, "PARAMS", tmp_path)
    (tmp_path / "profiles").mkdir()
    return tmp_path / "profiles" / "own.yaml"


@pytest.mark.parametrize("name", params.profile_ids())
def test_every_profile_reads(name):
    assert read_profile(name).name == name


@pytest.mark.parametrize("name", params.dataset_ids())
def test_every_data_set_reads(name):
    assert read_dataset(name).id == name


def test_defaults_are_the_papers_settings():
    profile = read_profile("paper", known=KNOWN)
    assert (profile.image_size, profile.training.epochs, profile.training.learning_rate) == (224, 100, 1e-4)
    assert profile.attacks.eps == (0.01, 0.05, 0.10)
    assert (profile.attacks.steps, profile.attacks.step_size) == (40, 0.01)
    assert (profile.attacks.jsma.theta, profile.attacks.jsma.gamma) == (0.1, 0.14)
    assert [round(100 * rate) for rate in profile.pruning.rates] == list(range(0, 90, 10))
    assert (read_dataset("roct").batch_size, read_dataset("chest_xray").batch_size) == (64, 32)


@pytest.mark.parametrize(("text", "value"), [("8/255", 8 / 255), ("1e-3", 0.001), ("0.05", 0.05), ("1", 1.0)])
def test_fractions_and_exponents_are_numbers(text, value):
    assert read_profile("smoke", [f"attacks.eps=[{text}]"]).attacks.eps == (value,)


def test_fractions_and_exponents_are_numbers_in_a_file(own):
    own.write_text("title: own\nattacks: {eps: [8/255, 1e-3], step_size: 2/255}\n")
    attacks = read_profile("own").attacks
    assert attacks.eps == (8 / 255, 0.001)
    assert attacks.step_size == 2 / 255


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.epoch=3", ["--set training.epoch", "not a known key", "did you mean epochs?"]),
        ("training.epochs=-3", ["training.epochs is -3", "greater than or equal to 1"]),
        ("training.epochs=2.5", ["training.epochs is 2.5", "whole number"]),
        ("training.epochs=true", ["training.epochs is True", "whole number"]),
        ("training.learning_rate=fast", ["learning_rate is 'fast'", "8/255"]),
        ("training.learning_rate=.nan", ["learning_rate is nan", "finite"]),
        ("training.learning_rate=1/0", ["learning_rate is '1/0'", "number"]),
        ("attacks.eps=[8]", ["attacks.eps.0 is 8", "less than or equal to 1"]),
        ("data.source=web", ["data.source is 'web'", "'folders', 'medmnist' or 'phantoms'"]),
        ("training.modes.full=[cleen]", ["modes.full.0 is 'cleen'", "did you mean clean?"]),
        ("data.split=pooed", ["data.split is 'pooed'", "did you mean pooled?"]),
        ("deterministic=1", ["deterministic is 1", "true or false"]),
        ("training.modes.fulll=[clean]", ["'fulll'", "'full'"]),
        ("variants=[ful]", ["variants.0 is 'ful'", "one of 'resnet18', ", "did you mean 'full'?"]),
        ("attacks.methods=[pdg]", ["attacks.methods.0 is 'pdg'", "did you mean 'pgd'?"]),
        ("pruning.methods=[magic]", ["pruning.methods.0 is 'magic'", "'square'"]),
        ("datasets=[rotc]", ["datasets.0 is 'rotc'", "one of 'roct' or 'chest_xray'", "did you mean"]),
        ("training.batch_size={rotc: 3}", ["training.batch_size.rotc is 'rotc'", "did you mean 'roct'?"]),
        ("attacks.jsma.tetha=1", ["attacks.jsma.tetha is not a known key", "did you mean theta?"]),
        ("attacks.jsma.theta=0", ["attacks.jsma.theta is 0", "greater than 0"]),
        ("attacks.sqare={}", ["attacks.sqare is not a known key", "did you mean square?"]),
        ("training.modes.full=[]", ["training.modes.full is []", "at least one"]),
        ("training.epochs=.inf", ["training.epochs is inf", "whole number"]),
        ("training.epochs=.nan", ["training.epochs is nan", "whole number"]),
        ("training.epochs='3'", ["training.epochs is '3'", "whole number"]),
        ("training.learning_rate='1e400'", ["learning_rate is '1e400'", "number"]),
        ("attacks.eps=['1e99999999']", ["attacks.eps.0 is '1e99999999'", "number"]),
        ("attacks.eps=['1e-99999999']", ["attacks.eps.0 is '1e-99999999'", "greater than 0"]),
        ("attacks.eps=['infinity']", ["attacks.eps.0 is 'infinity'", "number"]),
        ("attacks.eps=[]", ["attacks.eps is []", "at least one"]),
        ("attacks.eps=[0.1, 1/10]", ["attacks.eps is [0.1, '1/10']", "each only once"]),
        ("attacks.methods=fgsm", ["attacks.methods is 'fgsm'", "expected a list"]),
        ("attacks.eps=[0.05, 0.0500000001]", ["attacks.eps is [0.05, 0.0500000001]", "each only once"]),
        ("pruning.rates=[0.3, 0.3]", ["pruning.rates is [0.3, 0.3]", "each only once"]),
        ("pruning.rates=[0, 0.302]", ["pruning.rates.1 is 0.302", "whole percent"]),
        ("attacks.jsma.rates=[0.302]", ["attacks.jsma.rates.0 is 0.302", "whole percent"]),
        ("least_eps.halvings=31", ["least_eps.halvings is 31", "less than or equal to 30"]),
        ("readings.rates=[0.8, 0.75]", ["readings.rates has 0.75", "pruning.rates lacks it"]),
        ("diagnostics.rates=[0, 0.7]", ["diagnostics.rates has 0.7", "pruning.rates lacks it"]),
        ("attacks.jsma.rates=[0.5]", ["attacks.jsma.rates has 0.5", "add it there, or leave it out here"]),
        ("transfer.variants=[full]", ["transfer.variants names one network, full", "none with []"]),
        ("evaluation.batch_size=0", ["batch_size is 0", "greater than or equal to 1"]),
        ("data.phantoms.test=3", ["data.phantoms.test is 3", "greater than or equal to 4"]),
        ("training.schedule=null", ["training.schedule is None", "expected keys and values"]),
        ("training.modes={full: [clean]}", ["training.modes says nothing of", "params/profiles/smoke.yaml"]),
        ("seeds=[]", ["--set seeds: seeds is []", "at least one"]),
        ("name=other", ["--set name: name is 'other'", "expected 'smoke'"]),
        ("training.schedule.warmup_share=0.95", ["training.schedule", "warmup_share + aggressive_share < 1"]),
        ("datasets=[roct, roct]", ["datasets is ['roct', 'roct']", "once"]),
        ("title.x=1", ["title", "no keys of its own"]),
        ("no equals sign", ["expected key=value"]),
        ("title=[", ["not YAML"]),
        ("=3", ["--set '=3' is not understood", "expected key=value"]),
        (".=3", ["--set .: '.' has an empty name", "such as training.epochs"]),
        ("training..epochs=3", ["'training..epochs' has an empty name"]),
        ("roct.=3", ["'roct.' has an empty name"]),
        ("/=3", ["--set /: / is not a known key"]),
        ("title=a\x7fb", ["line 1 holds the character #x007f"]),
        ("title=a\x85b", ["line 1 holds the character #x0085"]),
        ("title=a\u2028b", ["line 1 holds the character #x2028"]),
        ("title=a\udcffb", ["line 1 holds the character #xdcff"]),
        ("title\x85=b", ["--set title", "not a known key; known are name, title"]),
    ],
)
def test_what_is_refused_is_named_with_what_is_allowed(override, words):
    with pytest.raises(ParamsError) as caught:
        read_profile("smoke", [override], known=KNOWN)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("preprocesing.clahe=true", ["--set roct.preprocesing.clahe", "did you mean preprocessing?"]),
        ("preprocessing.clahe_clip=0", ["--set roct.preprocessing.clahe_clip", "greater than 0"]),
        ("preprocessing.clahe_tiles=1000", ["preprocessing.clahe_tiles is 1000", "less than or equal to 64"]),
        ("preprocessing.median_size=4", ["preprocessing.median_size is 4", "3, 5, 7 or 9"]),
        ("split=random", ["split is 'random'", "'pooled'"]),
        ("classes=[CNV]", ["classes is ['CNV']", "at least 2"]),
        ("classes=[CNV, CNV, DRUSEN, NORMAL]", ["classes is", "each only once"]),
        ("classes=[DME, DRUSEN, NORMAL]", ["medmnist.labels names CNV", "DME, DRUSEN, NORMAL"]),
        ("std=0", ["std is 0", "greater than 0"]),
        ("patients=person", ["patients is 'person'", "a group (?P<patient>...)"]),
        ("patients='(?P<patient>'", ["patients is '(?P<patient>'", "expected none, kermany, or"]),
        ("phantoms=mri", ["phantoms is 'mri'", "'oct' or 'chest'"]),
        ("releases.mine={train: 1, val: 0}", ["releases.mine.test is missing"]),
        ("medmnist.downloads.64.md5=abc", ["md5 is 'abc'", "matches"]),
        ("medmnist.downloads.64.url=file:///etc", ["url is 'file:///etc'", "matches"]),
        ("id=chest_xray", ["--set roct.id: id is 'chest_xray'", "expected 'roct'"]),
    ],
)
def test_what_is_refused_of_a_data_set_is_named_as_it_was_written(override, words):
    with pytest.raises(ParamsError) as caught:
        read_dataset("roct", [f"roct.{override}"])
    for word in words:
        assert word in str(caught.value)


def test_what_a_file_says_wrong_is_not_blamed_on_an_override(own):
    own.write_text("title: own\ntraining: {modes: {full: [clean]}, batch_size: 0}\n")
    with pytest.raises(ParamsError, match=r"own\.yaml: training\.batch_size is 0"):
        read_profile("own", ["training.epochs=3"])


LAUGHS = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (name, name, b", ".join([b"*%c" % (name - 1)] * 10)) for name in b"bcdefghij"
)
MERGED = b"a: &a {%s}\nb: {<<: [%s]}\n" % (
    b", ".join(b"k%d: 1" % number for number in range(300)),
    b", ".join([b"*a"] * 300),
)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "title is missing"),
        (b"- 1\n", "holds list; expected keys and values"),
        (b"title: \xff\n", "is not YAML"),
        (b"title: own\n1: 2\n", "expected a key that is text"),
        (b"title: 5\n", "title is 5; expected text"),
        (b"title: own\ntraining: {epochs: on}\n", "training.epochs is 'on'; expected a whole number"),
        (b"image_size: 64\ntitle: {a: b}\n", "title is {'a': 'b'}; expected text (line 2)"),
        (b"title: own\ndata:\n  split: [x]\n", "data.split is ['x']; expected 'published'"),
        (b"title: own\ndata:\n  split: [x]\n", "(line 3)"),
        (b"image_size: 64\ntitle: 2024-02-31\n", "2024-02-31 is a date, and no parameter is one; in quotes"),
        (b"image_size: 64\ntitle: 2024-02-29\n", "it is text in line 2"),
        (b"title: own\n2024-02-29: 3\n", "in line 2"),
        (b"title: !!int x\n", "invalid literal for int() with base 10: 'x' in line 1"),
        (b"threads: " + b"9" * 5000, "in line 1"),
        (b"title: " + b"[" * 3000, "is not YAML"),
        (b"title: own\n---\ntitle: two\n", "is not YAML"),
        (b"title: !!python/object/apply:os.getcwd []\n", "is not YAML"),
        (b"title: own\nnotes: \xe9\n", "line 2 is not UTF-8"),
        (b"title: own\nnotes: \0\n", "line 2 holds the character #x0000"),
        (b"threads: 0x" + b"f" * 5000, "has too many digits in line 1"),
        (b"title: !!bool abc\n", "'abc' is no bool in line 1"),
        (b"title: " + b"[" * 30_000, "maximum depth of data structure exceeded (21) in line 1"),
        (b"title: own\nnotes: " + b"a" * 10_000_000, "has over 32,768 bytes"),
        (b"title: own\na: &a [*a]\n", "values with its aliases written out in line 2"),
        (LAUGHS, "values with its aliases written out in line 5"),
        (MERGED, "values with its aliases written out in line 2"),
        (
            b"title: " + b"b" * 30_000 + b"\nimage_size: " + b"c" * 300,
            "image_size is '" + "c" * 199 + "…; exp",
        ),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_an_odd_file_is_refused_with_a_sentence(own, data, words):
    own.write_bytes(data)
    with pytest.raises(ParamsError) as caught:
        read_profile("own")
    assert "own.yaml" in str(caught.value)
    assert words in str(caught.value)


def folder(file):
    file.mkdir()


def endless(file):
    file.symlink_to("/dev/zero")


def circle(file):
    file.symlink_to(file)


def huge(file):
    with file.open("wb") as stream:
        stream.truncate(2**40)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (folder, "is no ordinary file"),
        (os.mkfifo, "is no ordinary file"),
        (endless, "is no ordinary file"),
        (circle, "cannot be read: Too many levels of symbolic links"),
        (huge, "has over 32,768 bytes"),
    ],
)
@pytest.mark.parametrize(
    ("read", "name"),
    [(published.read, "own.yaml"), (published.read, "vocabulary.txt"), (robustbench.read, "own.json")],
)
def test_what_lies_in_the_place_of_a_file_is_not_waited_for(tmp_path, make, words, read, name):
    (tmp_path / "a.yaml").write_text("title: own\n")
    make(tmp_path / name)
    with pytest.raises(ParamsError, match=words) as caught:
        read(tmp_path)
    assert name in str(caught.value)


def test_a_file_with_thousands_of_faults_is_refused_with_the_first(own):
    keys = "".join(f"k{number}: 1\n" for number in range(3000))
    own.write_text(f"title: own\n{keys}")
    with pytest.raises(ParamsError) as caught:
        read_profile("own")
    assert len(str(caught.value).splitlines()) == 10


@pytest.mark.parametrize("text", ["a" + ".a" * 50_000 + "=1", "title=" + "[" * 50_000, "x" * 100_000])
def test_a_long_or_deep_override_is_refused_and_not_repeated_whole(text):
    with pytest.raises(ParamsError, match="--set") as caught:
        read_profile("smoke", [text])
    assert len(str(caught.value)) < 500


def test_an_unknown_key_in_a_file_is_named_with_the_file(own):
    own.write_text("title: own\ntraning: {epochs: 3}\n")
    with pytest.raises(ParamsError, match=r"own\.yaml: traning is not a known key.*did you mean training\?"):
        read_profile("own")


def test_a_repeated_key_is_refused(own):
    own.write_text("title: own\nimage_size: 64\nimage_size: 32\n")
    with pytest.raises(ParamsError, match="image_size"):
        read_profile("own")


def test_an_unknown_profile_names_the_known_ones():
    with pytest.raises(ParamsError, match=r"no profile 'smok'.*smoke.*did you mean smoke\?"):
        read_profile("smok")


def test_overrides_of_a_data_set_go_to_the_data_set():
    overrides = ["roct.preprocessing.clahe_clip=3", "training.epochs=2"]
    assert read_dataset("roct", overrides).preprocessing.clahe_clip == 3
    assert read_dataset("chest_xray", overrides).preprocessing.clahe_clip == 2
    assert read_profile("smoke", overrides).training.epochs == 2


def test_overrides_survive_the_way_through_a_notebook():
    text = params.overrides_text(["training.epochs=2", "attacks.eps=[8/255]"])
    profile = read_profile("smoke", params.overrides_from_text(text))
    assert (profile.training.epochs, profile.attacks.eps) == (2, (8 / 255,))
    assert params.overrides_text([]) == ""
    assert params.overrides_from_text("") == {}
    with pytest.raises(ParamsError, match="JSON object"):
        params.overrides_from_text("[1]")
    with pytest.raises(ParamsError, match="JSON object"):
        params.overrides_from_text("training.epochs=2")


def test_parameters_are_frozen_and_plain_in_a_recipe():
    profile = read_profile("smoke")
    with pytest.raises(ValueError, match="frozen"):
        profile.image_size = 3
    assert profile.settings()["attacks"]["eps"] == [0.01, 0.05, 0.1]


def test_reading_parameters_loads_nothing_heavy():
    heavy = ("torch", "cv2", "matplotlib", "pandas")
    imports = "import sys, meddef_lib.params, meddef_lib.engine.store"
    code = f"{imports}; print([m for m in {heavy} if m in sys.modules])"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=paths.ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_neutral_value_stays_out_of_a_recipe_and_comes_back():
    assert "pretrained" not in ModelParams().settings()
    own = ModelParams(pretrained="imagenet")
    assert own.settings()["pretrained"] == "imagenet"
    assert ModelParams.restored(own.settings()) == own
    assert ModelParams.restored(ModelParams().settings()) == ModelParams()


def test_a_value_comes_back_neutral_when_the_default_is_another():
    class Inner(Params):
        share: Annotated[float, Neutral(0.0)] = 0.5

    class Outer(Params):
        inner: Inner = Inner()

    off = Outer(inner=Inner(share=0))
    assert off.settings() == {"inner": {}}
    assert Outer.restored(off.settings()) == off
    assert Outer().settings() == {"inner": {"share": 0.5}}
    assert off.model_dump() == {"inner": {"share": 0.0}}, "what a reader is shown is the whole"


@pytest.mark.parametrize("name", ["smoke", "sample", "paper", "mini"])
def test_a_recipe_restores_the_parameters_of_a_profile(name):
    profile = read_profile(name, known=KNOWN)
    assert type(profile).restored(profile.settings()) == profile


@pytest.mark.parametrize(
    "key",
    ["transfer.variants", "readings.variants", "least_eps.variants", "diagnostics.variants"],
)
def test_a_list_that_may_be_empty_names_nothing_twice(key):
    read_profile("smoke", {key: []}, known=KNOWN)
    with pytest.raises(ParamsError, match=f"{key} .*expected each value only once"):
        read_profile("smoke", {key: ["full", "full"]}, known=KNOWN)


def test_one_variant_in_two_trainings_has_images_to_transfer():
    read_profile("smoke", {"transfer.variants": ["full"], "transfer.every_training": True}, known=KNOWN)


def test_rates_that_a_profile_leaves_to_the_defaults_need_no_row():
    read_profile("paper", {"pruning.rates": [0, 0.3, 0.7, 0.8]}, known=KNOWN)
