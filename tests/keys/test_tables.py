"""A ledger sorts the tables of a run by what their paths lead to."""

import numpy as np

from jaxrng_doctor.analysis.keys.tables import INPUTS, MORE, KeyTable, Ledger, variable_path

LOOP = ((3, 0), (2, 0))
OTHER = ((3, 0), (5, 0))


def table(*reached):
    return KeyTable(np.zeros((len(reached), 2), np.uint32), np.array(reached))


def test_a_ledger_has_uses_variables_and_the_loops_that_were_cut():
    use, variable = table(True), table(True)
    end, other_end = ((3, 0), (2, MORE)), ((3, 0), (5, MORE))
    at_input, at_output = variable_path(LOOP, INPUTS, 1), variable_path((), 4, 0)
    records = [
        (LOOP, use), (at_input, variable), (at_output, variable), (end, table(False, True)),
        (other_end, table(False, False)),
    ]  # fmt: skip

    ledger = Ledger.of(records, {0: use}, {OTHER: "it fails"})

    assert ledger.keys == {LOOP: use}
    assert ledger.variables == {at_input: variable, at_output: variable}
    assert (ledger.outputs, ledger.failed) == ({0: use}, {OTHER: "it fails"})
    assert set(ledger.cut) == {LOOP}


def test_a_loop_is_cut_for_its_condition_and_its_body():
    ledger = Ledger(cut={LOOP})

    assert ledger.is_cut(((3, 0), (2, 0)))
    assert ledger.is_cut(((3, 0), (2, 1)))
    assert not ledger.is_cut(OTHER)
    assert not ledger.is_cut(((1, 0), (2, 1)))
    assert not ledger.is_cut(((2, 1),))
    assert not ledger.is_cut(())


def test_the_paths_of_variables_differ_from_those_of_equations_and_of_each_other():
    found = [variable_path(LOOP, index, number) for index in (INPUTS, 0, 2) for number in (0, 1)]

    assert len(set(found)) == len(found)
    assert all(path[:-1] == LOOP and path[-1][1] < 0 for path in found)
