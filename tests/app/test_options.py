"""`invoke --help`: every option says what stands behind it and what it is for."""

import pytest
from invoke import Collection

import tasks
from meddef_lib.app.options import OPTIONS, said_of, whole_number
from meddef_lib.errors import UserError

COMMANDS = {each.name: each for each in Collection.from_module(tasks).to_contexts() if each.name != "check"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_shown_with_its_value_and_its_help(name):
    command = COMMANDS[name]
    for argument in command.args.values():
        shown, text = command.help_for(f"--{argument.names[0]}".replace("_", "-"))
        assert text, argument.name
        assert ("=" in shown) == (argument.kind is not bool), shown
        if isinstance(argument.default, str):
            assert f"default: {argument.default}" in text, "another default than the command's"


def test_an_option_that_may_be_given_more_than_once_has_a_value_too():
    shown, text = COMMANDS["reproduce"].help_for("--dataset")
    assert shown == "-d DATASET, --dataset=DATASET"
    assert "more than once" in text


def test_an_option_says_what_it_means_to_its_command():
    said = {COMMANDS[name].help_for("--workers")[1] for name in ("reproduce", "plan", "slurm")}
    said |= {COMMANDS[name].help_for("--memory")[1] for name in ("worker", "slurm")}
    assert len(said) == 5


def test_nothing_is_said_of_an_option_that_no_command_has():
    there = {
        key
        for name, command in COMMANDS.items()
        for argument in command.args.values()
        for option in (argument.attr_name or argument.name,)
        for key in (option, f"{name.replace('-', '_')}.{option}")
    }
    assert OPTIONS.keys() <= there
    assert said_of("slurm", "memory") != said_of("worker", "memory")


@pytest.mark.parametrize("text", ["often", "-1", "1.5", "²", "9" * 20, "9" * 5000])
def test_what_is_no_number_or_too_large_a_one_is_refused(text):
    with pytest.raises(UserError, match=r"--page-every is '.{1,41}'; expected seconds"):
        whole_number("--page-every", text, "seconds, 0 or a whole number", least=0)
    if len(text) > 5:
        with pytest.raises(UserError, match=r"at most 1,000,000,000$"):
            whole_number("--page-every", text, "seconds, 0 or a whole number", least=0)
