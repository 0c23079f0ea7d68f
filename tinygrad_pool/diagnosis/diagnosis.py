"""Diagnose why a network does not learn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from textwrap import fill
from typing import Any

import numpy as np

from tinygrad_pool.diagnosis import dead_units, numerics, training, unreached
from tinygrad_pool.diagnosis.alike import units_alike
from tinygrad_pool.diagnosis.findings import FEW, SEVERITIES, WRONG_NUMBERS, Finding
from tinygrad_pool.diagnosis.layers import Layer, by_degrees, extreme, layers_of, table_of, trend
from tinygrad_pool.diagnosis.losses import wrong_inputs
from tinygrad_pool.diagnosis.python_branches import choices_of_python, taken_for_numbers
from tinygrad_pool.diagnosis.survey import ROWS, Survey
from tinygrad_pool.diagnosis.zero_gradients import Zeros, zero_gradients
from tinygrad_pool.engine.rerun import check_value
from tinygrad_pool.engine.staleness import set_since
from tinygrad_pool.engine.value import Value
from tinygrad_pool.formatting import counted
from tinygrad_pool.recording.recording import record

LISTED = 12
WIDTH = 100

ALWAYS = (
    numerics.not_finite,
    unreached.not_reached,
    unreached.cut_off,
    unreached.never_taken,
    unreached.not_listed,
    unreached.nothing_to_learn,
    choices_of_python,
    taken_for_numbers,
    training.made_anew,
    training.gradients_left,
    training.data_set_since,
    wrong_inputs,
)
"""Checks that do not need finite numbers."""

IF_FINITE = (numerics.wrong_rules, numerics.underflow, numerics.ties)


class Diagnosis:
    """The result of `diagnose`: `findings`, most severe first, and measurements of the `layers`.

    `limits` lists what could not be checked.
    """

    def __init__(
        self, loss: Value, findings: list[Finding], layers: list[Layer], survey: Survey | None
    ) -> None:
        self.loss, self.findings, self.layers = loss, findings, layers
        self.limits = [*_limits(survey, findings)] if survey else []
        name = survey.recording.names.get(id(loss)) if survey else None
        self._name = loss.label or name or "the loss"
        self._counts = (len(survey.nodes), len(survey.parameters)) if survey else (1, 0)

    def __repr__(self) -> str:
        n = len(self.findings)
        result = f"{counted(n, 'finding')}, worst first" if n else "nothing was found"
        nodes, parameters = self._counts
        counts = f"{counted(nodes, 'node')}, {counted(parameters, 'parameter')}"
        parts = [f"Diagnosis of {self._name} ({counts}): {result}."]
        for i, finding in enumerate(self.findings[:LISTED], 1):
            lines = (f"{i}. {finding}", f"   {finding.why}")
            parts.append("\n".join(fill(line, WIDTH, subsequent_indent="   ") for line in lines))
        if n > LISTED:
            parts.append(f"… and {n - LISTED} more, in .findings")
        if self.limits:
            parts.append(fill(f"Not checked: {'; '.join(self.limits)}.", WIDTH))
        if self.layers:
            parts.append(table_of(self.layers, ROWS).text())
        return "\n\n".join(parts)


def diagnose(
    loss: Value,
    gradient: Any = None,
    *,
    parameters: Any = None,
    names: Mapping[str, Any] | None = None,
) -> Diagnosis:
    """Diagnose why a network does not learn; most severe finding first.

    `parameters` is a module, a Value, or lists and dicts of these; parameters that no gradient
    reaches are reported. `names=globals()` names Values after their variables, and finds modules
    among them. Without either, leaves that are used as weights count as parameters. Examples are
    along the first axis. No `.grad` changes.

    If the graph was built under `tg.traced()`, findings quote lines, and choices by Python's max
    and if are reported.

    Raises DataError if `loss` is not a Value, and whatever `Value.backward` raises.

    >>> w, x = Value(2.0, label="w"), Value(0.0, label="x")
    >>> print(diagnose(w * x).findings[0].why)
    w gets nothing from mul#2: the other factor is 0
    """
    check_value(loss, "diagnose")
    if not loss.parents:
        return Diagnosis(loss, [unreached.no_graph(loss)], [], None)
    with np.errstate(all="ignore"):
        survey = Survey(record(loss, gradient, names=names), parameters, names)
        gates, slopes = dead_units.gates_of(survey), dead_units.slopes_by_row(survey)
        layers = layers_of(survey, gates, slopes)
        findings = [f for check in ALWAYS for f in check(survey)]
        if all(f.severity != WRONG_NUMBERS for f in findings):  # NaN makes the rest meaningless
            findings += [*numerics.cancelling(survey), *_lost(survey, gates)]
            findings += dead_units.saturated(survey, slopes)
            findings += units_alike(survey)
            findings += by_degrees(survey, [*trend(survey, layers)] or [*extreme(survey, layers)])
            findings += [f for check in IF_FINITE for f in check(survey)]
    findings.sort(key=lambda f: SEVERITIES.index(f.severity))
    return Diagnosis(loss, findings, layers, survey)


def _lost(survey: Survey, gates: list[dead_units.Gate]) -> Iterator[Finding]:
    """Report zero gradients and dead units, each cause once."""
    dead = [gate for gate in gates if gate.dead and gate.evidence >= FEW]
    whole = [gate for gate in dead if gate.rectifies and gate.all_dead]
    scopes = frozenset(scope for gate in dead for scope in gate.scopes)
    explained, rows = False, set[str]()
    for finding, keys in zero_gradients(Zeros(survey), scopes):
        origins = {key.row for key in keys}
        cited = [gate for gate in whole if gate.row in origins]
        why = finding.why
        if cited and cited[0] is not whole[0]:
            why += f". The first layer with all relus off is {whole[0].name}{whole[0].inputs}"
        explained |= bool(cited)
        rows |= origins
        yield finding._replace(why=why)

    def is_known(gate: dead_units.Gate) -> bool:
        return gate.all_dead and (gate.row in rows or (explained and gate.rectifies))

    yield from dead_units.always_shut(gate for gate in dead if not is_known(gate))


def _limits(survey: Survey, findings: list[Finding]) -> Iterator[str]:
    """List what was not checked, and why."""
    if not any(node.about.line for node in survey.nodes if node.parents):
        yield "Python's own max, min, if and float() (build the graph under tg.traced())"
    if not survey.given:
        yield "parameters that the loss does not depend on (pass parameters=)"
    if any(f.severity == WRONG_NUMBERS for f in findings):
        yield "dead units, zero gradients, trends and ties (make all numbers finite first)"
    elif stale := set_since(survey.nodes):
        yield f"ties, and the new data of {survey.names(stale)} (run the forward pass again)"
