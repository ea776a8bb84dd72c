import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.adapters import planschema
from orchestrator.adapters.planfile import load_plan
from orchestrator.errors import ConfigError, ExitCode

DATA = Path(__file__).parents[2] / "wards" / "data"
PRACTICE = (DATA / "practice.yaml").read_text(encoding="utf-8")
# Each mistake: what stands there, what is written instead, and words of the message.
MISTAKES = (
    ("beds: 24", "beds: many", "wards[0].beds"),
    ("id: children-12", "id: surgery-31", "surgery-31 is there twice"),
    ("provider: legacy\n    purpose", "provider: legcy\n    purpose", "did you mean legacy?"),
    ("guard: restore", "guard: restored", "policy.guard"),
    ('opens: "08:00"', "opens: 800", "windows.opens"),
    ("lease_s: 5", "lease_s: 2", "may look dead"),
    ("provider: staff\n    slice: results\n    scrape: {metric: staff_results_orphan_total",
     "provider: staff\n    slice: result\n    scrape: {metric: staff_results_orphan_total",
     "did you mean results?"),
    ("per: staff_tasks_total, window_s: 10", "window_s: 10", "reduce ratio needs per"),
    ("threshold: {at_most: 8, warn: 5,", "threshold: {at_most: 8, warn: 9,", "after the limit"),
    ("resume_roles: [clinical_safety_officer, programme_lead]",
     "resume_roles: [clinical_safety_officer, programme_boss]", "programme_boss is not known"),
)  # fmt: skip


def written(folder, text):
    path = folder / "plan.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def with_ten_mistakes():
    text = PRACTICE
    for before, after, _ in MISTAKES:
        assert text.count(before) == 1, before
        text = text.replace(before, after)
    return text


def problems(path):
    with pytest.raises(ConfigError) as refused:
        load_plan(path)
    assert refused.value.exit_code is ExitCode.USAGE
    return refused.value.problems


@pytest.mark.parametrize("name", sorted(path.name for path in DATA.glob("*.yaml")))
def test_the_programmes_we_ship_are_sound(name):
    assert load_plan(DATA / name).plan.wards


def test_ten_mistakes_give_ten_messages_each_with_its_line(tmp_path):
    text = with_ten_mistakes()
    path = written(tmp_path, text)
    told = problems(path)
    for before, after, words in MISTAKES:
        (message,) = [one for one in told if words in one]
        line = int(message.removeprefix(f"{path}:").split(":")[0])
        changed = next(part for part in after.split("\n") if part not in before.split("\n"))
        before_it = text[: text.rindex(after)] + after[: after.index(changed)]
        assert abs(line - before_it.count("\n") - 1) <= 1, message  # what spans lines has its first
    assert len(told) == len(MISTAKES) == 10


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "is a mapping", id="empty"),
        pytest.param("- a\n- b\n", "is a mapping", id="a list"),
        pytest.param("a: 1\na: 2\n", "duplicate key", id="a duplicate key"),
        pytest.param("a: &x 1\nb: *x\n", "anchors and aliases", id="an alias"),
        pytest.param("a: [1,\n", "plan.yaml:2", id="not YAML"),
        pytest.param("a:\n\t- b\n", "plan.yaml:2", id="a tab"),
    ],
)
def test_what_is_no_plan_is_refused_with_a_sentence(tmp_path, text, words):
    assert words in "\n".join(problems(written(tmp_path, text)))


def test_unreadable_files(tmp_path):
    assert "cannot be read" in problems(tmp_path / "missing.yaml")[0]
    path = tmp_path / "plan.yaml"
    path.write_bytes(b"\xff\xfe")
    assert "not UTF-8" in problems(path)[0]
    path.write_bytes(b"#" * 1_000_001)
    assert "larger than" in problems(path)[0]


def test_the_hash_is_of_the_meaning(tmp_path):
    first = load_plan(written(tmp_path, PRACTICE)).hash
    commented = "# a comment\n" + PRACTICE.replace("beds: 24", "beds: 24  # really")
    assert load_plan(written(tmp_path, commented)).hash == first
    turned = PRACTICE.replace(
        'legacy: {product: Practice legacy EHR, version: "7.4"}',
        'legacy: {version: "7.4", product: Practice legacy EHR}',
    )
    assert turned != PRACTICE
    assert load_plan(written(tmp_path, turned)).hash == first
    other = PRACTICE.replace("beds: 24", "beds: 25")
    assert load_plan(written(tmp_path, other)).hash != first


def test_clock_times_and_no_stay_text(tmp_path):
    told = problems(written(tmp_path, PRACTICE.replace('opens: "08:00"', "opens: 12:30:00")))
    assert any("windows.opens" in one for one in told)
    named = PRACTICE.replace("name: Medicine 52", "name: no")
    assert load_plan(written(tmp_path, named)).plan.wards[0].name == "no"


@settings(max_examples=150, deadline=None)
@given(
    start=st.integers(0, len(PRACTICE) - 1),
    length=st.integers(0, 40),
    text=st.text(alphabet="abc:-[]{}#&*!|>'\"%@\n\t 019.é", max_size=12),
)
def test_no_text_makes_it_stumble(tmp_path_factory, start, length, text):
    path = tmp_path_factory.mktemp("plan") / "plan.yaml"
    path.write_text(PRACTICE[:start] + text + PRACTICE[start + length :], encoding="utf-8")
    try:
        load_plan(path)
    except ConfigError as error:
        assert error.problems


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        pytest.param("beds: 24", "beds: true", "true and false do not belong", id="a truth"),
        pytest.param("beds: 24", 'beds: "24"', "without quotes", id="text for a number"),
        pytest.param("lease_s: 5", 'lease_s: "5"', "without quotes", id="text for seconds"),
        pytest.param("tripwire: true", "tripwire: 1", "tripwire", id="a number for a truth"),
    ],
)
def test_nothing_is_made_to_fit(tmp_path, before, after, words):
    assert before in PRACTICE
    assert words in "\n".join(problems(written(tmp_path, PRACTICE.replace(before, after, 1))))


def test_a_date_that_no_calendar_has_is_told_with_its_line_and_hides_nothing(tmp_path):
    (line,) = [one for one in PRACTICE.splitlines() if one.startswith("starts_on:")]
    text = PRACTICE.replace(line, "starts_on: 2027-02-30").replace("lease_s: 5", "lease_s: 2")
    told = problems(written(tmp_path, text))
    number = text.splitlines().index("starts_on: 2027-02-30") + 1
    assert any(f":{number}: starts_on" in one for one in told)
    assert any("may look dead" in one for one in told)


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("rounds: 3,", "rounds: 0,", "policy.drill.rounds"),
        ("window_s: 900", "window_s: soon", "policy.stop.window_s"),
        ("alone: [ward_head,", "alone: [3,", "policy.stop.alone[0]"),
        ("hours_before_busiest_login: 3", "on_holidays: perhaps", "windows.on_holidays"),
        ('closes: "16:30"', 'closes: "16:30"\n  closed: [{from: 2027-06-21}]', "windows.closed[0]"),
        (', version: "7.4"', "", "legacy.version"),
        ('start: "13:30"', 'start: "25:30"', "shift_patterns.ward-24h[0].spans[1].start"),
    ],
)
def test_a_wrong_value_hides_no_mistake_elsewhere(tmp_path, before, after, where):
    text = PRACTICE.replace("approvals: [clinical_safety_officer, w", "approvals: [oficer, w", 1)
    assert text.count(before) == 1
    found = problems(written(tmp_path, text.replace(before, after)))
    assert any(where in problem for problem in found)
    assert any("oficer is not known" in problem for problem in found)
    assert all(where in problem or "oficer is not known" in problem for problem in found), found


def test_every_key_of_a_plan_is_in_the_reference():
    text = (DATA.parents[1] / "docs/reference/plan.md").read_text(encoding="utf-8")
    sections = [one for one in vars(planschema).values() if isinstance(one, type)]
    keys = {
        (section.__name__, key)
        for section in sections
        if issubclass(section, planschema.Section)
        for key in section.model_fields
    }
    missing = sorted(one for one in keys if not re.search(rf"\b{one[1]}\b", text))
    assert not missing
