"""What a run makes of its benches' figures. Pure."""

import json
from math import inf, nan

import pytest

from tests.bench import __main__ as bench
from tests.bench import cluster, reaction
from tests.bench.__main__ import Run
from tests.bench.targets import missed, summary

SLOW_MS, TARGET_MS = 1100, 1000


def command_row(figure, most: int | None = TARGET_MS):
    return {"command": "wardshift list", "p50_ms": figure, "target_ms": most}


@pytest.mark.parametrize("figure", [SLOW_MS, inf, nan, None])
def test_a_figure_that_is_not_within_its_target_is_named(figure):
    (line,) = missed("command", [command_row(900), command_row(figure)])
    assert line == f"command, wardshift list: p50_ms is {figure}, at most 1000"


@pytest.mark.parametrize("row", [command_row(TARGET_MS), command_row(SLOW_MS, None)])
def test_a_target_that_is_met_and_a_figure_without_one_are_not(row):
    assert missed("command", [row]) == []
    assert missed("ledger", [row]) == []


def test_rows_without_their_columns_are_not_taken_to_have_met_anything():
    with pytest.raises(KeyError):
        missed("command", [{"command": "wardshift list"}])


def test_the_poll_path_is_held_to_its_median():
    def row(tick_s, written_s):
        return reaction._row(tick_s, [{"decided": 0.1, "written": written_s, "proven": 1.0}] * 3)

    met, short, free = row(1.0, 0.8), row(0.25, 0.31), row(5.0, 4.0)
    (line,) = missed("reaction", [met, short, free])
    assert line.startswith("reaction, tick 0.25 s: written_p50_s is 0.31")


def test_a_message_is_held_to_its_tail_and_to_the_bare_write():
    bare = cluster._row("bare write", [0.01] * 3, None)
    slow = cluster._row("message -> written", [0.01, 0.09], 0.1, bare=0.01)
    late = cluster._row("message -> proven", [0.1, 0.6], 0.5)
    first, second = missed("cluster", [bare, slow, late])
    assert "message -> proven: p99_ms is 600" in first
    assert "message -> written: times_bare_p99 is 9.0, at most 5" in second


def test_the_last_word_names_what_was_missed_and_what_failed():
    assert summary([], []) == "no target was missed"
    assert summary(["a, b"], []) == "targets missed: 1 (a, b)"
    said = summary(["a", "b"], ["cluster"])
    assert said == "targets missed: 2 (a; b); failed, see above: cluster"


def test_a_bench_that_fails_keeps_its_rows_and_none_of_the_others(tmp_path, capsys):
    def breaks(_quick):
        yield command_row(SLOW_MS)
        raise RuntimeError("waited in vain")

    run = Run(tmp_path, quick=True)
    run.measure("command", breaks)
    run.measure("ledger", lambda _: [{"appends_per_s": 300}])
    assert run.failed == ["command"]
    assert len(run.short) == 1, "what it had measured is held to its targets"
    kept = json.loads((tmp_path / "command.json").read_text())
    assert kept["rows"] == [command_row(SLOW_MS)]
    assert kept["ended"] == "failed (RuntimeError: waited in vain)"
    assert json.loads((tmp_path / "ledger.json").read_text())["ended"] == "measured"
    assert "command: failed" in capsys.readouterr().err


@pytest.mark.parametrize(("figure", "code"), [(TARGET_MS, 0), (SLOW_MS, 1)])
def test_a_run_ends_with_1_where_a_target_was_missed(figure, code, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench, "OUT", tmp_path)
    monkeypatch.setitem(bench.BENCHES, "command", lambda _: [command_row(figure)])
    assert bench.main(["command"]) == code
    assert ("targets missed: 1" in capsys.readouterr().err) is bool(code)
