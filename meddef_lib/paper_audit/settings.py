"""What the text says of settings: places that differ, results that are announced, facts that are never stated."""

from collections.abc import Iterator
from itertools import pairwise

from meddef_lib.paper_audit.finding import Finding, counted, listed
from meddef_lib.published import Paper, Schedule


def differing_statements(paper: Paper) -> Iterator[Finding]:
    """Each setting that several places state: do they say the same?"""
    for statement in paper.statements:
        values = {str(stated.value) for stated in statement.stated}
        shown = "; ".join(f"{stated.section}: {stated.value}" for stated in statement.stated)
        differ = len(values) > 1
        yield Finding(
            id=f"differing_statements/{statement.id}",
            section=", ".join(dict.fromkeys(stated.section for stated in statement.stated)),
            check="differing_statements",
            grade=statement.differ if differ else "consistent",
            printed=shown,
            implied=f"{len(values)} readings" if differ else "one reading",
            text=f"{statement.what[0].upper()}{statement.what[1:]}: {shown}."
            + (f" {statement.why}" if differ and statement.why else ""),
        )


def announced_results(paper: Paper) -> Iterator[Finding]:
    """Each announcement: how much of it is printed anywhere?"""
    for promise in paper.promises:
        printed = (
            {position for name in promise.tables for position in paper.tables[name].positions}
            if promise.tables
            else set(promise.printed or ())
        )
        absent = [
            item if isinstance(item, str) else f"{item:g}"
            for item in promise.announced
            if item not in printed
        ]
        yield Finding(
            id=f"announced_results/{promise.id}",
            section=promise.section,
            check="announced_results",
            grade="unsupported" if absent else "consistent",
            printed=promise.text,
            implied=f"{len(promise.announced) - len(absent)} of {len(promise.announced)} printed",
            text=f"“{promise.text}”: of {counted(len(promise.announced), 'announced item')} ({promise.what}), "
            f"{len(absent)} {'is' if len(absent) == 1 else 'are'} printed nowhere"
            + (f": {listed(absent)}." if absent else "."),
        )


def never_stated(paper: Paper) -> Iterator[Finding]:
    """Each fact that repeating the work needs: does any word occur that would state it?"""
    if not paper.vocabulary:
        return
    for need in paper.needed:
        found = [word for word in need.words if word in paper.vocabulary]
        yield Finding(
            id=f"never_stated/{need.id}",
            section=need.section,
            check="never_stated",
            grade="ambiguous" if not found else "consistent",
            printed=f"the words {', '.join(need.words)}: " + (", ".join(found) if found else "none occurs"),
            implied=f"{need.what}: " + ("may be stated" if found else "not stated"),
            text=f"{need.what[0].upper()}{need.what[1:]}: "
            + (
                f"the text has {listed(found)}."
                if found
                else f"none of the words that would state it occurs ({', '.join(need.words)})."
            ),
        )


def impossible_orders(paper: Paper) -> Iterator[Finding]:
    """Each procedure: is the step that has to come first written first?"""
    for procedure in paper.procedures:
        steps = list(procedure.written)
        good = steps.index(procedure.first) < steps.index(procedure.before)
        yield Finding(
            id=f"impossible_orders/{procedure.id}",
            section=procedure.section,
            check="impossible_orders",
            grade="consistent" if good else "impossible",
            printed=", ".join(procedure.written),
            implied=f"{procedure.first} before {procedure.before}",
            text=f"{procedure.what}: written as {', '.join(procedure.written)}. {procedure.why}",
        )


# --- the schedule ---------------------------------------------------------------------------------


def schedule_statements(paper: Paper) -> Iterator[Finding]:
    """The training schedule against itself: lengths, values at the joints, step size and reach."""
    if paper.schedule is not None:
        yield from _lengths(paper.schedule)
        yield from _joints(paper.schedule)
        yield from _step_cap(paper.schedule)
        yield from _reach(paper.schedule)


def _lengths(schedule: Schedule) -> Iterator[Finding]:
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


def _joints(schedule: Schedule) -> Iterator[Finding]:
    for before, after in pairwise(schedule.phases):
        if before.eps is None or after.eps_at_most is None:
            continue
        falls = before.eps[1] > after.eps_at_most
        yield Finding(
            id=f"schedule/joint/{before.name}",
            section=schedule.section,
            check="schedule_joints",
            grade="ambiguous" if falls else "consistent",
            printed=f"{before.name} ends at {before.eps[1]:g}; {after.name} has at most {after.eps_at_most:g}",
            implied=f"epsilon falls by at least {before.eps[1] - after.eps_at_most:.3g}"
            if falls
            else "no fall",
            text=f"Epsilon ends at {before.eps[1]:g} in the phase {before.name} and is at most "
            f"{after.eps_at_most:g} in {after.name}, which is said to maintain it"
            + ("; how it gets from one to the other is not said." if falls else "."),
        )


def _step_cap(schedule: Schedule) -> Iterator[Finding]:
    every = [eps for phase in schedule.phases for eps in (phase.eps or ())]
    every += [phase.eps_at_most for phase in schedule.phases if phase.eps_at_most is not None]
    capped = [eps for eps in every if eps / schedule.step_divisor > schedule.step_cap]
    least = schedule.step_cap * schedule.step_divisor
    yield Finding(
        id="schedule/step_cap",
        section=schedule.section,
        check="schedule_step_cap",
        grade="consistent" if len(capped) < len(every) else "unusual",
        printed=f"step epsilon/{schedule.step_divisor:g}, capped at {schedule.step_cap:g}",
        implied=f"the cap binds above epsilon {least:g}",
        text=f"The cap of the step size binds for epsilon above {least:g}: for {len(capped)} of the {len(every)} "
        f"values of epsilon that the phases name.",
    )


def _reach(schedule: Schedule) -> Iterator[Finding]:
    for phase in schedule.phases:
        largest = max([*(phase.eps or ()), phase.eps_at_most or 0.0])
        step = min(largest / schedule.step_divisor, schedule.step_cap)
        reach = schedule.steps * step
        yield Finding(
            id=f"schedule/reach/{phase.name}",
            section=schedule.section,
            check="schedule_reach",
            grade="consistent" if reach >= largest else "unusual",
            printed=f"{schedule.steps} steps of {step:.3g} at epsilon {largest:g}",
            implied=f"a reach of {reach:.3g}",
            text=f"In the phase {phase.name}, {schedule.steps} steps of {step:.3g} can move a pixel by "
            f"{reach:.3g}, {reach / largest:.1f} times the largest epsilon {largest:g}.",
        )


def evaluation_reach(paper: Paper) -> Iterator[Finding]:
    """Each table over epsilon and each iterative attack: can its steps reach every epsilon, and how often?"""
    for table_id, table in paper.tables.items():
        if table.axis != "eps":
            continue
        for name in table.attacks:
            facts = paper.attacks.get(name)
            if facts is None or facts.steps is None or facts.step_size is None:
                continue
            first = [eps for eps in table.positions if facts.step_size >= eps]
            yield Finding(
                id=f"evaluation_reach/{table_id}/{name}",
                section=f"{facts.section}, {table.section}",
                check="evaluation_reach",
                grade="unusual" if first else "consistent",
                printed=f"{facts.steps} steps of {facts.step_size:g} at epsilon "
                + ", ".join(f"{eps:g}" for eps in table.positions),
                implied=f"one step fills the ball at epsilon {listed([f'{eps:g}' for eps in first])}"
                if first
                else "several steps to the edge of the ball",
                text=f"Table {table_id.removeprefix('table')}: {name} takes steps of {facts.step_size:g} as stated for "
                f"one epsilon"
                + (
                    f"; at epsilon {listed([f'{eps:g}' for eps in first])} a single step already reaches the edge "
                    "of the ball, and no other step size is given."
                    if first
                    else "."
                ),
            )
