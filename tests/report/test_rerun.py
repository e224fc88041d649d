"""The script beside a page: the command of the run, word for word, whatever a document names."""

import json
import os
import shlex
import subprocess
from itertools import pairwise

import pytest

from meddef_lib import params
from meddef_lib.engine.store import Store
from meddef_lib.report import rerun
from meddef_lib.report.view import View
from meddef_lib.workbook import results_file
from meddef_lib.workbook.book import workbook

HOSTILE = 'it\'s "$(touch gone)" `touch gone`; touch gone #\\ 50 % ü 😀'


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    return json.dumps(results_file.document(workbook("mini", store=Store(tmp_path_factory.mktemp("store")))))


@pytest.fixture
def mini(document):
    return json.loads(document)


@pytest.fixture
def started(tmp_path):
    """Runs the script of a document with arguments; the words that `invoke` was started with."""
    invoke = tmp_path / "bin/invoke"
    invoke.parent.mkdir()
    invoke.write_text('#!/bin/sh\nprintf \'%s\\0\' "$0" "$@"\n', encoding="utf-8")
    invoke.chmod(0o755)
    script = tmp_path / rerun.NAME

    def run(document, *arguments):
        script.write_text(rerun.text(View(document)), encoding="utf-8")
        assert subprocess.run(["sh", "-n", script], check=False).returncode == 0
        path = f"{invoke.parent}{os.pathsep}{os.environ['PATH']}"
        command = ["sh", script.name, *arguments]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert {each.name for each in tmp_path.iterdir()} <= {"bin", "store", rerun.NAME}, "nothing else ran"
        assert done.returncode == 0, done.stderr
        return ["invoke", *done.stdout.split("\0")[1:-1]]

    return run


def as_set(words):
    """What `--set` says in a command."""
    return params.override_pairs([said for before, said in pairwise(words) if before == "--set"])


def test_of_made_up_images_it_is_the_command_itself(mini, started):
    assert started(mini) == shlex.split(mini["run"]["command"])
    assert rerun.command(View(mini)) == mini["run"]["command"]
    assert started(mini, "--yes", "--device", "cpu")[-3:] == ["--yes", "--device", "cpu"]


def test_what_was_set_is_set_again(started, tmp_path_factory):
    weights = tmp_path_factory.mktemp("some body's place") / "w.pth"
    weights.write_bytes(b"weights")
    asked = {"training.epochs": 3, "title": HOSTILE, "seeds": [0, 1], "roct.split": "pooled"}
    book = workbook("smoke", datasets=["roct"], overrides=asked | {"boosted.weights": str(weights)})
    document = json.loads(json.dumps(results_file.document(book)))
    for file in ("/else where/b: 'x' #.pth", "a.pth"):
        words = started(document, file)
        assert words[:6] == ["invoke", "reproduce", "--profile", "smoke", "--dataset", "roct"]
        assert as_set(words) == book.overrides | {"boosted.weights": file}
    assert as_set(shlex.split(book.command)) == book.overrides, "what the page shows can be run as well"
    assert "some body" not in rerun.text(View(document))
    assert "some body" not in rerun.command(View(document))


@pytest.mark.parametrize("root", ["/images", 'my images/it\'s "röntgen" $HOME'])
def test_images_are_an_argument(mini, started, root):
    mini["run"]["parameters"]["data"]["source"] = "folders"
    assert started(mini, root, "--yes") == [
        *shlex.split(mini["run"]["command"]),
        "--data-root",
        root,
        "--yes",
    ]
    missing = r"IMAGES is missing, the folder that holds the images; usage: sh run.sh IMAGES \[OPTION\]"
    for said in ([], ["--yes"], [""]):
        with pytest.raises(AssertionError, match=missing):
            started(mini, *said)


def test_places_of_one_machine_are_arguments_wherever_they_stand(mini, started):
    own = {"weights": "/there/own/w.pth", "more": [["/there/own/it's.pth", 3], "/"], "said": "full"}
    mini["run"]["overrides"] = {"boosted": own, "seeds": [0, 1]}
    mini["run"]["weights"] = {"file": "/there/own/given.pth", "sha256": "f" * 64}
    words = started(mini, "/else/given.pth", "/else/w 'x'.pth", "a.pth", "--yes")
    assert words[words.index("--weights") + 1] == "/else/given.pth"
    there = {"weights": "/else/w 'x'.pth", "more": [["a.pth", 3], "/"], "said": "full"}
    assert as_set(words) == {"boosted": there, "seeds": [0, 1]}
    for said in (rerun.text(View(mini)), rerun.command(View(mini))):
        assert "/there/own" not in said
    with pytest.raises(AssertionError, match=r"FILE_2 is missing, it's.pth, the file of boosted; usage"):
        started(mini, "/else/given.pth", "w.pth", "--yes")


@pytest.mark.parametrize(
    ("split", "overrides", "said"),
    [
        ("published", {}, ["--images", "test"]),
        ("all", {}, ["--images", "all"]),
        ("pooled", {}, ["--images", "paper"]),
        ("pooled", {"data.split": "pooled"}, []),
        ("patient_disjoint", {"chest_xray.split": "patient_disjoint"}, []),
    ],
)
def test_given_weights_are_evaluated_again(mini, started, split, overrides, said):
    mini["run"]["weights"] = {"file": "w.pth", "sha256": "f" * 64}
    mini["run"]["parameters"] |= {"variants": ["full"], "data": {"source": "phantoms", "split": split}}
    mini["run"]["overrides"] = overrides
    words = started(mini, "my weights.pth")
    assert words[:2] == ["invoke", "evaluate"]
    asked = {
        "--profile": "mini",
        "--dataset": "chest_xray",
        "--weights": "my weights.pth",
        "--variant": "full",
    }
    assert {word: words[words.index(word) + 1] for word in asked} == asked
    assert [each for pair in pairwise(words) if pair[0] == "--images" for each in pair] == said
    assert as_set(words) == overrides
    assert f"w.pth, sha256 {'f' * 64}" in rerun.text(View(mini))


def test_given_weights_of_no_data_set_are_a_command_too(mini, started):
    mini["run"] |= {"weights": {"file": "w.pth", "sha256": "f" * 64}, "datasets": []}
    words = started(mini, "w.pth")
    assert words[:2] == ["invoke", "evaluate"]
    assert "--dataset" not in words


def test_a_document_of_somebody_else_runs_nothing_else(mini, started):
    mini["profile"] = HOSTILE
    mini["run"] |= {
        "title": "a\ntouch gone",
        "datasets": [HOSTILE, "two\nlines"],
        "overrides": {f"{HOSTILE}.a": HOSTILE, "b\ntouch gone": "/x/$(touch gone)\ntouch gone"},
        "environment": mini["run"]["environment"] | {"commit": "a\ntouch gone"},
        "weights": {"file": "`touch gone`\ntouch gone", "sha256": "a\ntouch gone"},
    }
    words = started(mini, "w.pth", "b.pth")
    assert words[:4] == ["invoke", "evaluate", "--profile", HOSTILE]
    assert "two\nlines" in words
    assert f"{HOSTILE}.a={json.dumps(HOSTILE, ensure_ascii=False)}" in words


def test_a_commit_with_changes_and_none_are_told(mini):
    for commit, said in (("abc+", "commit abc (with changes since"), (None, "which is not known")):
        mini["run"]["environment"]["commit"] = commit
        assert said in rerun.text(View(mini))
