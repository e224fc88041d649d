"""What the text says of settings: places that differ, results that are announced, facts that are never stated."""

from collections.abc import Iterator
from itertools import pairwise

from meddef_lib.paper.addresses import eps_text
from meddef_lib.paper.audit.finding import Finding, counted, listed
from meddef_lib.paper.published import Paper
from meddef_lib.paper.statements import PrintedSchedule


def differing_statements(paper: Paper) -> Iterator[Finding]:
    """Each setting that several places state: do they say the same?"""
    for statement in paper.statements:
        values = {str(stated.value) for stated in statement.stated}
        shown = "; ".join(f"{stated.section}: {stated.value}" for stated in statement.stated)
        differ = len(values) > 1
        yield Finding(
            id=f"differing_statements/{statement.id}",
            section=", ".join(dict.fromkeys(stated.section for stated in statement.stated)),
            grade=statement.differ if differ else "consistent",
            printed=shown,
            implied=f"{len(values)} readings" if differ else "one reading",
            text=f"{statement.what[0].upper()}{statement.what[1:]}: {shown}."
            + (f" {statement.why}" if differ and statement.why else ""),
        )


def announced_results(paper: Paper) -> Iterator[Finding]:
    """Each announcement: how much of it is printed (in the tables that it is about, where it names some)?"""
    for promise in paper.promises:
        absent = [item for item in promise.announced if item not in promise.printed]
        missing = {
            paper.tables[name].name: [f"{x:g}" for x in positions if x not in paper.tables[name].positions]
            for name, positions in promise.positions.items()
        }
        items = len(promise.announced) + sum(map(len, promise.positions.values()))
        lacking = len(absent) + sum(map(len, missing.values()))
        absent += [f"{', '.join(places)} in {name}" for name, places in missing.items() if places]
        yield Finding(
            id=f"announced_results/{promise.id}",
            section=promise.section,
            grade="unsupported" if absent else "consistent",
            printed=promise.text,
            implied=f"{lacking} of {items} {promise.lack}",
            text=f"{promise.text[0].upper()}{promise.text[1:]}. Of {counted(items, 'item')} "
            f"({promise.what}), {lacking} {'is' if lacking == 1 else 'are'} {promise.lack}"
            + (f": {'; '.join(absent)}." if absent else "."),
        )


def never_stated(paper: Paper) -> Iterator[Finding]:
    """Each section: facts that repeating the work needs, and no word of the text that would be a sign of them.

    A word that does occur does not say that the fact is stated, only that a reader has to look.
    """
    if not paper.vocabulary:
        return
    for section in dict.fromkeys(need.section for need in paper.needed):
        needs = [need for need in paper.needed if need.section == section]
        silent = [need for need in needs if not paper.vocabulary & set(need.words)]
        looked = [f"{need.what} ({', '.join(need.words)})" for need in silent or needs]
        yield Finding(
            id=f"never_stated/{section}",
            section=section,
            grade="ambiguous" if silent else "consistent",
            printed=f"signs of {len(needs) - len(silent)} of {counted(len(needs), 'fact')}",
            implied=f"not stated: {'; '.join(need.what for need in silent)}"
            if silent
            else "all may be stated",
            text=f"{len(silent)} of {counted(len(needs), 'fact')} that repeating the work needs "
            f"{'has' if len(silent) == 1 else 'have'} no sign in the text; looked for: {'; '.join(looked)}.",
        )


def unlikely_orders(paper: Paper) -> Iterator[Finding]:
    """Each procedure: is the step that has to come first written first?"""
    for procedure in paper.procedures:
        steps = list(procedure.written)
        good = steps.index(procedure.first) < steps.index(procedure.before)
        yield Finding(
            id=f"unlikely_orders/{procedure.id}",
            section=procedure.section,
            grade="consistent" if good else "unusual",
            printed=", ".join(procedure.written),
            implied=f"{procedure.first} before {procedure.before}",
            text=f"{procedure.what[0].upper()}{procedure.what[1:]}: written as {', '.join(procedure.written)}. "
            f"{procedure.why}",
        )


# --- the schedule ---------------------------------------------------------------------------------


def schedule_statements(paper: Paper) -> Iterator[Finding]:
    """The training schedule against itself: lengths, values at the joints, step size and reach."""
    if paper.schedule is not None:
        yield from _lengths(paper.schedule)
        yield from _joints(paper.schedule)
        yield from _step_cap(paper.schedule)
        yield from _reach(paper.schedule)


def _lengths(schedule: PrintedSchedule) -> Iterator[Finding]:
    open_ = [phase.name for phase in schedule.phases if phase.epochs is None]
    known = sum(phase.epochs or 0 for phase in schedule.phases)
    yield Finding(
        id="schedule/lengths",
        section=schedule.section,
        check="schedule_lengths",
        grade="ambiguous" if open_ else "consistent" if known == schedule.epochs else "contradiction",
        printed=f"{known} epochs of phases, {schedule.epochs} epochs in all",
        implied=f"{schedule.epochs - known} epochs for {listed(open_)}" if open_ else f"{known} epochs",
        text=f"The phases with a length take {known} of {schedule.epochs} epochs"
        + (f"; no length is given for {listed(open_)}." if open_ else "."),
    )


def _joints(schedule: PrintedSchedule) -> Iterator[Finding]:
    for before, after in pairwise(schedule.phases):
        if before.eps is None or after.eps_at_most is None:
            continue
        falls = before.eps[1] > after.eps_at_most
        yield Finding(
            id=f"schedule/joint/{before.name}",
            section=schedule.section,
            check="schedule_joints",
            grade="ambiguous" if falls else "consistent",
            printed=f"{before.name} ends at {eps_text(before.eps[1])}; {after.name} has at most {eps_text(after.eps_at_most)}",
            implied=f"epsilon falls by at least {eps_text(before.eps[1] - after.eps_at_most)}"
            if falls
            else "no fall",
            text=f"Epsilon ends at {eps_text(before.eps[1])} in the phase {before.name} and is at most "
            f"{eps_text(after.eps_at_most)} in {after.name}, which is said to maintain it"
            + ("; how it gets from one to the other is not said." if falls else "."),
        )


def _step_cap(schedule: PrintedSchedule) -> Iterator[Finding]:
    every = schedule.epsilons
    capped = [eps for eps in every if eps / schedule.step_divisor > schedule.step_cap]
    least = schedule.step_cap * schedule.step_divisor
    yield Finding(
        id="schedule/step_cap",
        section=schedule.section,
        check="schedule_step_cap",
        grade="consistent" if len(capped) < len(every) else "unusual",
        printed=f"step epsilon/{schedule.step_divisor:g}, capped at {schedule.step_cap:g}",
        implied=f"the cap binds above epsilon {eps_text(least)}",
        text=f"The cap of the step size binds for epsilon above {eps_text(least)}: for {len(capped)} of the {len(every)} "
        f"values of epsilon that the phases name.",
    )


def trained_and_tested(paper: Paper) -> Iterator[Finding]:
    """Each table over epsilon: is its largest epsilon trained on?"""
    if paper.schedule is None:
        return
    largest = max(paper.schedule.epsilons)
    for table in paper.tables_of(axis="eps"):
        beyond = [table.shown(eps) for eps in table.positions if eps > largest]
        yield Finding(
            id=f"trained_and_tested/{table.id}",
            section=f"{paper.schedule.section}, {table.section}",
            grade="unusual" if beyond else "consistent",
            printed=f"trained at epsilon up to {eps_text(largest)}; tested at {', '.join(map(table.shown, table.positions))}",
            implied=f"{len(beyond)} of {len(table.positions)} tested epsilons are beyond training",
            text=f"{table.name}: training uses epsilon up to {eps_text(largest)}; of the tested ones "
            + (
                f"{listed(beyond)} {'is' if len(beyond) == 1 else 'are'} beyond that."
                if beyond
                else "none is beyond that."
            ),
        )


def cited_works(paper: Paper) -> Iterator[Finding]:
    """Works that are cited for one thing and listed as another: no reader can look up what is cited."""
    if paper.citations:
        said = [f"[{c.number}] in {c.section}, for {c.cited_for}: {c.listed}" for c in paper.citations]
        yield Finding(
            id="cited_works",
            section=", ".join(sorted({citation.section for citation in paper.citations})),
            grade="unsupported",
            printed=f"{counted(len(said), 'citation')}",
            implied="works listed that are about something else, or by others",
            text=f"{counted(len(said), 'work')} of the list of references {'is' if len(said) == 1 else 'are'} not what "
            f"the text cites: {'; '.join(said)}.",
        )


def _reach(schedule: PrintedSchedule) -> Iterator[Finding]:
    for phase in schedule.phases:
        largest = max([*(phase.eps or ()), phase.eps_at_most or 0.0])
        step = min(largest / schedule.step_divisor, schedule.step_cap)
        reach = schedule.steps * step
        yield Finding(
            id=f"schedule/reach/{phase.name}",
            section=schedule.section,
            check="schedule_reach",
            grade="consistent" if reach >= largest else "unusual",
            printed=f"{schedule.steps} steps of {step:.3g} at epsilon {eps_text(largest)}",
            implied=f"a reach of {reach:.3g}",
            text=f"In the phase {phase.name}, {schedule.steps} steps of {step:.3g} can move a pixel by "
            f"{reach:.3g}, {reach / largest:.1f} times the largest epsilon {eps_text(largest)}.",
        )


def evaluation_reach(paper: Paper) -> Iterator[Finding]:
    """Each table over epsilon: at which epsilons does one step of an iterative attack fill the ball?"""
    for table in paper.tables_of(axis="eps"):
        of_table = paper.attacks_in(table).items()
        sized = {name: facts for name, facts in of_table if facts.steps and facts.step_size}
        if not sized:
            continue
        single = [
            f"{name} at epsilon {listed([table.shown(eps) for eps in filled])}"
            for name, facts in sized.items()
            if (filled := [eps for eps in table.positions if (facts.step_size or 0.0) >= eps])
        ]
        stated = ", ".join(
            f"{name} {facts.steps} steps of {facts.step_size:g}" for name, facts in sized.items()
        )
        sections = ", ".join(dict.fromkeys(facts.section for facts in sized.values()))
        implied, said = "several steps to the edge of the ball", "it is smaller than every epsilon."
        if single:
            implied = f"one step reaches the edge of the ball: {listed(single)}"
            said = (
                f"a single step reaches the edge of the ball for {listed(single)}, so that an iteration there has "
                "nothing left to refine unless another size was used."
            )
        yield Finding(
            id=f"evaluation_reach/{table.id}",
            section=f"{sections}, {table.section}",
            grade="unusual" if single else "consistent",
            printed=f"{stated}; epsilon {', '.join(map(table.shown, table.positions))}",
            implied=implied,
            text=f"{table.name}: one size of step is stated ({stated}); {said}",
        )
