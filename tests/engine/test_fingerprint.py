"""Fingerprints: which definitions count for a maker, and which edits of them."""

import ast
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from meddef_lib import paths
from meddef_lib.attacks.registry import ATTACKS
from meddef_lib.engine import fingerprint, normal_form
from meddef_lib.engine.store import Store
from meddef_lib.models.variants import VARIANTS
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import every_cell


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Write modules of a package `toy` (a__b is a.b) and read the fingerprint of `toy.maker:make`."""
    folder = tmp_path / "toy"
    monkeypatch.setattr(fingerprint, "PACKAGE", "toy")
    monkeypatch.setattr(fingerprint, "SOURCES", folder)
    fingerprint.forget()

    def write(*roots, **modules):
        for name, text in modules.items():
            file = folder.joinpath(*name.split("__")).with_suffix(".py")
            if name.endswith("__init"):
                file = folder.joinpath(*name.split("__")[:-1], "__init__.py")
            for above in (file.parent, *file.parent.relative_to(tmp_path).parents):
                (tmp_path / above).mkdir(parents=True, exist_ok=True)
                if tmp_path / above != tmp_path:
                    (tmp_path / above / "__init__.py").touch()
            file.write_text(textwrap.dedent(text))
        fingerprint.forget()
        return fingerprint.code_of(*(roots or ("toy.maker:make",)))

    yield write
    fingerprint.forget()


def names(code):
    """What was reached, without the package's name and without the modules' own statements."""
    return {name.removeprefix("toy.") for name in code if not name.endswith(":")}


# --- what is reached ---


def test_names_are_followed_to_functions_classes_and_constants(package):
    found = package(
        maker="""
        from toy.one import f as g, UNUSED
        import toy.two
        import toy.three as t
        from toy import four
        from .five import Five
        LIMIT = 3
        OTHER = 4
        def make(space):
            g(helper(LIMIT)); toy.two.f(); t.f(); four.f(); Five()
        def helper(x): ...
        def stranger(x): ...
        """,
        one="UNUSED = 1\nimport numpy as np\nTABLE = np.zeros(3)\ndef f(): return TABLE\ndef g(): ...\n",
        two="def f(): ...\ndef g(): ...\n",
        three="def f(): ...\ndef g(): ...\n",
        four="def f(): ...\ndef g(): ...\n",
        five="""
        class Base: ...
        class Five(Base):
            def f(self): return other()
        def other(): ...
        def g(): ...
        """,
    )
    assert names(found) == {
        *("maker:make", "maker:helper", "maker:LIMIT", "one:f", "one:TABLE", "two:f", "three:f", "four:f"),
        *("five:Five", "five:Base", "five:other"),
    }


def test_decorators_defaults_and_bases_count(package):
    found = package(
        maker="""
        from toy.one import wrap, SIZE, Meta
        @wrap
        def make(space, size=SIZE, *, kind=lambda: Kind): ...
        class Kind(metaclass=Meta): ...
        """,
        one="def wrap(f): return f\nSIZE = 1\nclass Meta(type): ...\n",
    )
    assert names(found) == {"maker:make", "maker:Kind", "one:wrap", "one:SIZE", "one:Meta"}


def test_an_import_inside_a_function_is_followed_and_is_known_there_alone(package):
    found = package(
        maker="""
        from toy.one import f
        def make(space):
            from toy.two import f
            def inner():
                return f()
            return inner
        """,
        one="def f(): ...\n",
        two="def f(): ...\n",
    )
    assert names(found) == {"maker:make", "two:f"}


def test_what_is_local_to_a_function_hides_what_the_module_has(package):
    text = """
        from toy.one import a, b, c, d, e, f, g, h
        def make(a, *b, **c):
            d = [e for e in a]
            for f in d: ...
            with open(a) as g: ...
            return lambda h: (a, b, c, d, f, g, h)
        """
    one = "".join(f"def {name}(): ...\n" for name in "abcdefgh")
    assert names(package(maker=text, one=one)) == {"maker:make"}
    outside = text.replace("return lambda", "e(); return lambda")
    assert names(package(maker=outside, one=one)) == {"maker:make", "one:e"}, (
        "a comprehension's own is its own"
    )


def test_names_of_a_class_body_are_unknown_to_its_methods(package):
    found = package(
        maker="""
        from toy.one import load
        def make(space): return Thing().load()
        class Thing:
            def load(self): return load()
        """,
        one="def load(): ...\n",
    )
    assert names(found) == {"maker:make", "maker:Thing", "one:load"}


def test_a_global_that_a_function_sets_counts(package):
    found = package(maker="_job = None\ndef make(space):\n    global _job\n    _job = 1\n")
    assert names(found) == {"maker:make", "maker:_job"}


def test_a_re_export_is_followed_to_its_source(package):
    found = package(
        maker="""
        from toy import nets
        from toy.nets import load as read
        def make(space): nets.build(); read()
        """,
        nets__init="""
        from .building import build
        from .drawing import draw
        from toy.nets.files import load
        """,
        nets__building="def build(): ...\ndef rest(): ...\n",
        nets__drawing="def draw(): ...\n",
        nets__files="def load(): ...\n",
    )
    assert names(found) == {"maker:make", "nets.building:build", "nets.files:load"}


def test_a_module_that_is_passed_around_counts_as_a_whole(package):
    modules = {"one": "from toy.two import g\ndef f(): ...\nSIZE = 1\n", "two": "def g(): ...\n"}
    for use in ("getattr(one, space.name)", "space(one)", "one.__dict__"):
        found = package(maker=f"from toy import one\ndef make(space): {use}\n", **modules)
        assert names(found) == {"maker:make", "one:f", "one:SIZE"}, use
    found = package(
        maker="from toy import nets\ndef make(space): space(nets)\n",
        nets__init="from .building import build\nX = 1\n",
        nets__building="def build(): ...\ndef rest(): ...\n",
    )
    assert names(found) == {"maker:make", "nets:X", "nets.building:build"}


def test_a_registry_pulls_in_what_it_lists(package):
    found = package(
        maker="from toy.one import ALL\ndef make(space): ALL[space.name]()\n",
        one="from toy.two import f\ndef g(): ...\ndef h(): ...\nALL = {'f': f, 'g': g}\n",
        two="def f(): ...\n",
    )
    assert names(found) == {"maker:make", "one:ALL", "one:g", "two:f"}


def test_what_a_module_does_beside_defining_counts_with_it(package):
    modules = {
        "one": "import cv2\ncv2.setNumThreads(0)\ndef f(): ...\n",
        "two": "from toy.three import g\nTABLE = {}\nTABLE['g'] = g\ndef f(): ...\n",
        "three": "def g(): ...\n",
    }
    maker = "from toy import one, two\ndef make(space): one.f(); two.f()\n"
    before = package(maker=maker, **modules)
    assert before.keys() >= {"toy.one:", "toy.two:"}
    assert names(before) == {"maker:make", "one:f", "two:f", "two:TABLE", "three:g"}
    after = package(one=modules["one"].replace("(0)", "(1)"))
    assert changed(before, after) == {"toy.one:"}


def test_both_ways_of_a_condition_count(package):
    text = """
        import sys
        try:
            from toy.one import f
        except ImportError:
            f = None
        if sys.platform == "darwin":
            SIZE = 1
            def g(): ...
        else:
            SIZE = 2
            def g(): return h()
        def h(): ...
        def make(space): f(SIZE); g()
        """
    before = package(maker=text, one="def f(): ...\n")
    assert names(before) == {"maker:make", "one:f", "maker:f", "maker:SIZE", "maker:g", "maker:h"}
    after = package(maker=text.replace("SIZE = 2", "SIZE = 3"))
    assert changed(before, after) == {"toy.maker:", "toy.maker:SIZE", "toy.maker:g"}


def test_a_module_that_a_text_names_counts(package):
    modules = {
        "one": "def main(): ...\nif __name__ == '__main__':\n    main()\n",
        "two": "def f(): ...\ndef g(): ...\n",
        "three": "def f(): ...\n",
    }
    maker = """
        MODULE = "toy.one"
        def make(space): run("-m", MODULE, "toy.two:f", "see toy.three", "toy.nowhere")
        """
    found = package(maker=maker, **modules)
    assert names(found) == {"maker:make", "maker:MODULE", "one:main", "one:__main__", "two:f"}
    imported = package(maker="from toy import one\ndef make(space): one.main()\n")
    assert names(imported) == {"maker:make", "one:main"}, "what runs at a start alone"


def test_plumbing_does_not_count(package):
    found = package(
        maker="""
        from toy import params
        from toy.engine import cells
        def make(space): params.read(); cells()
        """,
        params="def read(): ...\n",
    )
    assert names(found) == {"maker:make"}
    assert package("toy.params:read") == {}


def test_a_circle_ends(package):
    found = package(
        maker="from toy import one\ndef make(space): one.f()\n",
        one="from toy import maker\ndef f(): maker.make(f)\n",
    )
    assert names(found) == {"maker:make", "one:f"}


def test_roots_add_up(package):
    modules = {"maker": "def make(space): ...\n", "one": "def f(): ...\n"}
    package(**modules)
    assert names(package("toy.maker:make", "toy.one:f")) == {"maker:make", "one:f"}


def test_what_is_not_there_is_named(package):
    package(maker="from toy.one import g\ndef make(space): ...\ndef other(): g()\n", one="def f(): ...\n")
    with pytest.raises(ModuleNotFoundError, match=r"toy\.nowhere"):
        fingerprint.code_of("toy.nowhere:make")
    with pytest.raises(AttributeError, match=r"toy\.maker has no nothing"):
        fingerprint.code_of("toy.maker:nothing")
    with pytest.raises(AttributeError, match=r"toy\.one has no g.*take it from the module that defines it"):
        fingerprint.code_of("toy.maker:other")


# --- which edits count ---

MAKER = '''
"""What this module is about."""
import logging, warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING
from toy.one import Broken, Number, step, say_why, UNIT
if TYPE_CHECKING:
    from toy.three import Type
log = logging.getLogger()
SIZE: int = 3

@dataclass(frozen=True)
class Thing:
    """A thing."""
    count: int  # of it
    name: str = "thing"

def make(space: "Type", count: Number = 2) -> int:
    """Make it."""
    # by steps
    found: int = step(count)
    place = f"step {found} of " + f"{count}"
    why = "too many" if found > 3 else "too few"
    for number in range(SIZE):
        space.progress(number, SIZE, f"{place}: step {say_why(number)}")
    log.info("done %s", say_why(found))
    warnings.warn(f"slow: {found}", stacklevel=2)
    print("done")
    assert found < 100, f"too large: {found}"
    run(found, progress=lambda done, total: space.progress(done, total, "running"))
    if found > 9:
        raise Broken(f"{found} {UNIT}: {why} {say_why(found)}") from None
    try:
        open(space.path)
    except OSError as error:
        raise ValueError(f"no file: {error}") from error
    return Thing(found, "it")
def run(found, progress): ...
'''
ONE = """
class Broken(Exception):
    pass
Number = float
def step(count): return count + 1
def say_why(count): return f"because of {count}"
UNIT = "steps"
"""
EDITED = {"maker": MAKER, "one": ONE, "three": "Type = int\n"}


def changed(before, after):
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


@pytest.mark.parametrize(
    ("module", "old", "new"),
    [
        ("maker", "What this module is about", "Another docstring"),
        ("maker", '"""A thing."""', '"""Another docstring."""'),
        ("maker", '    """Make it."""\n', ""),
        ("maker", "# by steps", "# in steps\n\n"),
        ("maker", ': "Type", count: Number = 2) -> int', ", count: int = 2) -> float"),
        ("maker", "found: int = step", "found = step"),
        ("maker", "SIZE: int = 3", "SIZE: float = 3"),
        ("maker", "count: int  # of it", "count: float"),
        ("maker", 'f"{place}: step {say_why(number)}"', '"step"'),
        ("maker", 'f"step {found} of " + f"{count}"', 'f"step {found + 1}"'),
        ("maker", 'f"step {found} of " + f"{count}"', 'f"step {say_why(found)}"'),
        ("maker", '    place = f"step {found} of " + f"{count}"\n', ""),
        ("maker", '"too many"', '"far too many"'),
        ("maker", "done %s", "ready %s"),
        ("maker", 'f"slow: {found}"', '"slow"'),
        ("maker", 'print("done")', 'print("ready", found)'),
        ("maker", 'f"too large: {found}"', '"too large"'),
        ("maker", '"running"', 'f"running {done}"'),
        ("maker", 'f"{found} {UNIT}: {why} {say_why(found)}"', '"broken " + why'),
        ("maker", 'f"no file: {error}"', '"no such file"'),
        ("one", "because of", "for"),
        ("one", '"steps"', '"units"'),
        ("one", "    pass", "    def __str__(self): return 'broken'"),
        ("one", "Number = float", "Number = int"),
        ("three", "int", "float"),
    ],
)
def test_what_cannot_change_a_result_does_not_count(package, module, old, new):
    before = package(**EDITED)
    assert "toy.maker:make" in before
    assert old in EDITED[module]
    assert package(**{module: EDITED[module].replace(old, new)}) == before


@pytest.mark.parametrize(
    ("module", "old", "new", "what"),
    [
        ("maker", "count: Number = 2", "count: Number = 3", {"maker:make"}),
        ("maker", "SIZE: int = 3", "SIZE: int = 4", {"maker:SIZE"}),
        ("maker", "found > 9", "found > 8", {"maker:make"}),
        ("maker", "found < 100", "found < 10", {"maker:make"}),
        ("maker", "raise Broken(", "raise ValueError(", {"maker:make"}),
        ("maker", "except OSError", "except FileNotFoundError", {"maker:make"}),
        ("maker", '"it"', '"that"', {"maker:make"}),
        ("maker", '"thing"', '"something"', {"maker:Thing"}),
        ("maker", "count: int  # of it", "number: int", {"maker:Thing"}),
        ("maker", "(frozen=True)", "(frozen=True, order=True)", {"maker:Thing"}),
        ("maker", "def run(found, progress): ...", "def run(found, progress): progress()", {"maker:run"}),
        ("one", "count + 1", "count + 2", {"one:step"}),
    ],
)
def test_what_can_change_a_result_counts_and_nothing_else(package, module, old, new, what):
    before = package(**EDITED)
    assert old in EDITED[module]
    after = package(**{module: EDITED[module].replace(old, new)})
    assert {name.removeprefix("toy.") for name in changed(before, after)} == what


@pytest.mark.parametrize(
    "around", ["def inner(): one()", "class Inner: one()", "try: one()\n    except OSError: three()"]
)
def test_it_counts_whether_a_statement_stands_in_a_block_or_after_it(package, around):
    text = "def make(space):\n    {}\n    {}two()\n"
    before = package(maker=text.format(around, ""))
    assert package(maker=text.format(around + "; two()", "").removesuffix("    two()\n")) != before


def test_what_a_text_is_given_to_counts_though_only_words_read_what_comes_of_it(package):
    text = "def make(space):\n    done = space.write('one')\n    print(done)\n"
    assert package(maker=text) != package(maker=text.replace("one", "two"))


def test_names_that_a_package_finds_when_asked_are_followed_by_what_it_imports_for_types(package):
    found = package(
        maker="from toy.nets import build\ndef make(space): build()\n",
        nets__init="""
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from .building import build, rest
        def __getattr__(name): return find(name)
        def find(name): ...
        """,
        nets__building="def build(): ...\ndef rest(): ...\n",
    )
    assert names(found) == {"maker:make", "nets:__getattr__", "nets:find", "nets.building:build"}


def test_what_a_decorator_registers_counts_with_its_module(package):
    found = package(
        maker="from toy.one import area\ndef make(space): area(space)\n",
        one="""
        from functools import singledispatch
        from toy.two import half
        @singledispatch
        def area(shape): ...
        @area.register
        def _(shape: int): return half(shape)
        """,
        two="def half(): ...\n",
    )
    assert names(found) == {"maker:make", "one:area", "two:half"}


def test_what_a_name_for_several_exceptions_means_counts_where_they_are_handled(package):
    text = """
        FAILURES = (OSError, ValueError)
        def make(space):
            try: space()
            except FAILURES: return 1
        """
    before = package(maker=text)
    assert changed(before, package(maker=text.replace("OSError", "KeyError"))) == {"toy.maker:FAILURES"}


def test_what_is_printed_into_a_file_counts(package):
    text = "import sys\ndef make(space): print('one', file=FILE)\n"
    for file, counts in (("sys.stderr", False), ("space.file", True)):
        before = package(maker=text.replace("FILE", file))
        after = package(maker=text.replace("FILE", file).replace("one", "two"))
        assert (before != after) == counts


def test_a_variable_counts_that_something_beside_words_reads(package):
    text = """
        def make(space):
            place = "here"
            space.progress(1, 2, place)
            {use}
        """
    for use, counts in (("pass", False), ("space.write(place)", True), ("raise ValueError(place)", False)):
        before = package(maker=text.format(use=use))
        after = package(maker=text.format(use=use).replace("here", "there"))
        assert (before != after) == counts, use


def test_a_call_that_makes_words_still_runs(package):
    """What is assigned may do more than to make words: of that only the text is left out."""
    found = package(
        maker="""
        from toy.one import work
        def make(space):
            done = work(space, "half")
            space.progress(1, 1, f"{done} done")
        """,
        one="def work(space, text): space.write()\n",
    )
    assert names(found) == {"maker:make", "one:work"}


def test_the_code_that_an_exception_carries_into_a_result_counts(package, monkeypatch):
    monkeypatch.setattr(normal_form, "CODED", {"Damaged"})
    maker = """
        from toy.one import read, Problem
        def make(space):
            try:
                read(space)
            except Problem as error:
                return error.why
        """
    one = """
        class Problem(Exception):
            def __init__(self, why): self.why = why
        class Damaged(Problem): ...
        class Other(Problem): ...
        CODE = "cut_off"
        def read(space):
            if not space:
                raise Other("nothing")
            raise Damaged(CODE)
        """
    before = package(maker=maker, one=one)
    assert names(before) == {"maker:make", "one:read", "one:Problem", "one:Damaged", "one:CODE"}
    for old, new in (('"cut_off"', '"cut"'), ("self.why =", "self.y ="), ("Damaged(CODE)", "Damaged('')")):
        assert changed(before, package(one=one.replace(old, new))) != set(), old
    assert package(one=one.replace("nothing", "no thing")) == before, "words"


# --- the library itself ---


@pytest.fixture
def roots(tmp_path):
    """What results are made by: cells of every kind in the profile `mini`, every attack and network."""
    cells = every_cell(workbook("mini", store=Store(tmp_path / "runs"))).values()
    named = [*(attack.root for attack in ATTACKS.values()), *(found.network for found in VARIANTS.values())]
    makers = {recipe.maker for recipe in cells if not recipe.id.startswith("notebook/")}
    assert len(makers) > 7
    return sorted({*makers, *named, "meddef_lib.models.given:make"})


# runs one cell of every kind of the profile `mini`, with each attack, and notes which functions ran in makers
TRACED = """
import json, sys, threading
from pathlib import Path
import torch
from meddef_lib.engine import fingerprint, store
from meddef_lib.workbook.book import workbook
from meddef_lib.workbook.kinds import every_cell

torch.set_num_threads(1)
sources = str(fingerprint.SOURCES)
codes, told = set(), []

def note(frame, event, argument):
    if event == "call":
        codes.add(frame.f_code)

found_maker = store.resolve_name

def traced(name):
    make = found_maker(name)
    def maker(space):
        codes.clear()
        threading.setprofile(note)
        sys.setprofile(note)
        try:
            make(space)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return maker

store.resolve_name = traced
made = store.Store(Path(sys.argv[1]))
few = {f"data.phantoms.{split}": 6 for split in ("train", "val", "test")}
modes = {"resnet18": ["clean"], "full": ["paper"]}  # every part of a training
book = workbook("mini", store=made, overrides={"training.modes": modes, **few})
for recipe in every_cell(book).values():
    kind, attack = recipe.id.partition("/")[0], recipe.id.rpartition("/")[2]
    if kind == "notebook" or "/resnet18/" in recipe.id or (kind == "prune" and attack != "pgd"):
        continue
    made.get(recipe, say=lambda text: None)
    ran = [[code.co_filename, code.co_firstlineno] for code in codes if code.co_name != "<module>"]
    # what an input is made by is in the key, too: a network's layers are those of its training
    reached = [name for each in recipe.with_inputs() for name in each.code]
    told.append([recipe.id, [place for place in ran if place[0].startswith(sources)], reached])
print(json.dumps(told))
"""
# what ran to say something to a person
WORDS = {"meddef_lib.durations:duration", "meddef_lib.training.loop:_tell"}


def definition(file, line):
    """The definition ("module:name") that holds a line, and whether its module is plumbing."""
    parts = paths.ROOT / "meddef_lib"
    module = ".".join((parts.name, *(Path(file).relative_to(parts).with_suffix("").parts)))
    for statement in ast.parse(Path(file).read_text()).body:
        first = min([statement.lineno, *(part.lineno for part in getattr(statement, "decorator_list", []))])
        if first <= line <= statement.end_lineno:
            targets = [part.id for part in ast.walk(statement) if isinstance(part, ast.Name)]
            return f"{module}:{getattr(statement, 'name', None) or targets[0]}"
    raise AssertionError(f"no definition at {file}:{line}")


def test_whatever_runs_in_a_maker_is_in_its_fingerprint(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", TRACED, str(tmp_path / "runs")],
        cwd=paths.ROOT,
        env=os.environ | {"MPLBACKEND": "Agg"},
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(done.stdout.splitlines()[-1])
    kinds = {name.partition("/")[0] for name, _, _ in told}
    assert kinds >= {"phantoms", "examined", "prepared", "audit", "train", "attack", "prune", "saliency"}
    for name, places, reached in told:
        ran = {definition(file, line) for file, line in places}
        ours = {each for each in ran if not fingerprint.is_plumbing(each.partition(":")[0])}
        unseen = ours - set(reached) - WORDS
        assert not unseen, f"{name} ran {sorted(unseen)}, a change of which nobody would notice"
        assert len(ours) > 5


def test_only_a_code_is_read_from_an_exception_of_ours_that_is_caught(roots):
    """Its words count for nothing: a result made of them would not go stale when they change."""
    for symbol in {name for root in roots for name in fingerprint.code_of(root)}:
        module = fingerprint._existing(symbol)
        every = [part for line in module.statements(symbol) for part in ast.walk(line)]
        for handler in (part for part in every if isinstance(part, ast.ExceptHandler) and part.name):
            named = [part.id for part in ast.walk(handler.type) if isinstance(part, ast.Name)]
            ours = {name for name in named if any("meddef_lib." in at for at in module.addresses(name))}
            read = normal_form.NormalForm(handler.body).used
            assert handler.name not in {name.partition(".")[0] for name in read} or ours <= normal_form.CODED


@pytest.mark.parametrize("root", ["attacks.registry:ATTACKS", "evaluation.records:make"])
def test_what_looks_an_attack_up_does_not_reach_every_attack(root):
    reached = {name.partition(":")[0] for name in fingerprint.code_of(f"meddef_lib.{root}")}
    assert not reached & {f"meddef_lib.attacks.{name}" for name in ("jsma", "apgd", "square", "noise")}


def test_no_sentence_makes_a_result_stale(roots):
    """What is said to people is said in raise, warnings, logs and progress, or where results are shown."""
    reached = {name for root in roots for name in fingerprint.code_of(root)}
    # what a check says of a network is stored as a part of its result: other words are another result
    for name in {name for name in reached if not name.startswith("meddef_lib.diagnostics.")}:
        said = fingerprint._form(name).strings
        # but for the table that remembers hashes of files
        assert not [text for text in said if text.count(" ") > 2 and " hashes " not in text], name


def test_a_fingerprint_is_found_quickly_and_without_torch(roots):
    code = f"""
import sys, time
from meddef_lib.engine import fingerprint, normal_form
before = time.process_time()
for root in {roots}:
    assert fingerprint.code_of(root)
print(time.process_time() - before, "torch" in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=True
    )
    seconds, torch = done.stdout.split()
    assert torch == "False"
    assert float(seconds) < 3, "several times what it takes, on any machine"
