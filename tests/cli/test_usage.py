"""What goes wrong before anything happens: exit codes, sentences, and that nothing changed."""

from pathlib import Path

import pytest

from orchestrator.errors import ExitCode
from tests.cli.conftest import PLAN, WARD, Home, make_home
from tests.cli.running import wardshift
from tests.contract.test_planfile import with_ten_mistakes, written

APPROVE = ("approve", WARD, "notes", "--role", "ward_head")
NAMED_WRONG = {
    "verb": (("nosuch",), ExitCode.USAGE, "\nTry: wardshift --help"),
    "verb of a group": (("plan", "nosuch"), ExitCode.USAGE, "\nTry: wardshift plan --help"),
    "number, in a group": (
        ("practice", "speed", "fast"),
        ExitCode.USAGE,
        "\nTry: wardshift practice speed --help",
    ),
    "less than nothing": (("history", WARD, "--last", "-1"), ExitCode.USAGE, "--last -1: "),
    "option": (("list", "--nosuch"), ExitCode.USAGE, "--nosuch"),
    "argument missing": (("show",), ExitCode.USAGE, "WARD"),
    "format": (("list", "--format", "xml"), ExitCode.USAGE, "xml"),
    "number": ((*APPROVE, "--yes", "--expect-seq", "three"), ExitCode.USAGE, "three"),
    "ward": (("show", "medicine-53"), ExitCode.REFUSED, "did you mean medicine-52?"),
    "stage": (
        ("approve", WARD, "note", "--role", "ward_head", "--yes", "--expect-seq", "1"),
        ExitCode.REFUSED,
        "did you mean notes?",
    ),
    "role": (
        ("approve", WARD, "notes", "--role", "programme_lead", "--yes", "--expect-seq", "SEQ"),
        ExitCode.REFUSED,
        "clinical_safety_officer, ward_head",
    ),
    "neither ward nor programme": (
        ("resume", "--reason", "x"),
        ExitCode.USAGE,
        "give a ward, or --programme\n",
    ),
    "ward and programme": (
        ("resume", WARD, "--programme", "--reason", "x"),
        ExitCode.USAGE,
        "not both",
    ),
    "plan file": (("plan", "check", "nowhere.yaml"), ExitCode.USAGE, "nowhere.yaml"),
}
UNASKED = {
    "no terminal": (APPROVE, "no terminal"),
    "yes without the seq": ((*APPROVE, "--yes"), "--expect-seq"),
    "hold, no terminal": (("hold", WARD, "--reason", "x"), "no terminal"),
    "rollback, no terminal": (("rollback", WARD), "no terminal"),
    "run, no terminal": (("run",), "no terminal"),
}


@pytest.mark.parametrize(("words", "code", "says"), NAMED_WRONG.values(), ids=NAMED_WRONG.keys())
def test_a_wrong_name_is_said_and_changes_nothing(home: Home, words, code, says) -> None:
    before = home.events()
    seq = str(home.installation.ledger.head())
    ran = home.run(*(seq if word == "SEQ" else word for word in words))
    assert (ran.code, ran.out) == (code, "")
    assert says in ran.err
    assert "Traceback" not in ran.err
    assert home.events() == before


@pytest.mark.parametrize(("words", "says"), UNASKED.values(), ids=UNASKED.keys())
def test_without_a_yes_nothing_changes(home: Home, words, says) -> None:
    before = home.events()
    ran = home.run(*words)
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert says in ran.err
    assert home.events() == before


def test_the_front_page_names_every_verb() -> None:
    from orchestrator.cli.main import GROUPS, VERBS, front_page

    page = front_page()
    assert all(f"\n  {name} " in page for name in (*VERBS, *GROUPS))


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)], ids=["nothing", "long", "short"])
def test_help_is_a_result(tmp_path: Path, words) -> None:
    ran = wardshift(*words, home=tmp_path)
    assert (ran.code, ran.err) == (ExitCode.DONE, "")
    assert "rollback" in ran.out


def test_every_verb_explains_itself_with_its_arguments(tmp_path: Path) -> None:
    from orchestrator.cli.main import GROUPS, VERBS

    verbs = [(name,) for name in VERBS]
    verbs += [(name, verb) for name, (_, inner) in GROUPS.items() for verb in inner]
    for words in verbs:
        ran = wardshift(*words, "--help", home=tmp_path)
        assert ran.code == ExitCode.DONE, (words, ran.err)
        described = [line for line in ran.out.splitlines() if line.startswith("  --")]
        assert all(": " in line for line in described), (words, described)


@pytest.mark.parametrize("words", [("--home", "HERE"), ("--home=HERE",)], ids=["two", "one"])
def test_the_home_may_be_named_before_the_verb(home: Home, tmp_path: Path, words) -> None:
    named = [word.replace("HERE", str(home.path)) for word in words]
    ran = wardshift(*named, "list", "--format", "json", home=tmp_path / "elsewhere")
    assert ran.code == ExitCode.DONE
    assert ran.json["programme"] == "practice"


@pytest.mark.parametrize("verb", ["list", "verify"])
def test_a_folder_that_is_not_there_is_no_installation(tmp_path: Path, verb: str) -> None:
    ran = wardshift(verb, home=tmp_path / "nowhere")
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert "no installation is here" in ran.err
    assert not (tmp_path / "nowhere").exists()


def test_a_home_without_a_plan_says_what_to_do(tmp_path: Path) -> None:
    ran = wardshift("list", home=tmp_path)
    assert ran.code == ExitCode.USAGE
    assert "WARDSHIFT_PLAN" in ran.err


def test_up_without_addresses_begins_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = wardshift("up", str(PLAN), home=home)
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert "WARDSHIFT_GATEWAY_ADMIN is not set; `wardshift up --practice` writes" in ran.err
    assert "Starting" not in ran.err
    assert not home.exists()


def test_every_problem_of_a_plan_is_one_line_with_its_place(tmp_path: Path) -> None:
    text = PLAN.read_text(encoding="utf-8")
    broken = tmp_path / "broken.yaml"
    broken.write_text(
        text.replace("lease_s: 5", "lease_s: 1").replace("candidate: [notes]", "candidate: [nots]"),
        encoding="utf-8",
    )
    ran = wardshift("plan", "check", str(broken), home=tmp_path)
    lines = ran.err.splitlines()
    assert (ran.code, ran.out) == (ExitCode.USAGE, "")
    assert len(lines) >= 2
    assert all(line.startswith(f"{broken}:") and line.split(":")[1].isdigit() for line in lines)


@pytest.mark.parametrize(
    "words", [("plan", "check", "PLAN"), ("up", "PLAN", "--practice")], ids=["plan check", "up"]
)
def test_ten_mistakes_are_ten_lines_and_nothing_starts(
    tmp_path: Path, words: tuple[str, ...]
) -> None:
    broken = written(tmp_path, with_ten_mistakes())
    named = (str(broken) if word == "PLAN" else word for word in words)
    ran = wardshift(*named, home=tmp_path / "home")
    lines = [line for line in ran.err.splitlines() if line.startswith(f"{broken}:")]
    assert (ran.code, ran.out, len(lines)) == (ExitCode.USAGE, "", 10), ran.err
    assert not (tmp_path / "home").exists()


def test_a_ledger_that_cannot_be_read_is_damaged(home: Home) -> None:
    (home.path / "ledger.sqlite").write_bytes(b"this is no database" * 1000)
    for words in (("list",), ("verify",)):
        ran = home.run(*words)
        assert ran.code == ExitCode.CORRUPT, words
        assert "ledger.sqlite" in ran.err
        assert "Traceback" not in ran.err


def test_a_ledger_that_was_never_made_says_what_makes_it(tmp_path: Path) -> None:
    made = make_home(tmp_path / "new")
    (made.path / "ledger.sqlite").unlink()
    ran = made.run("list")
    assert ran.code == ExitCode.USAGE
    assert "wardshift run" in ran.err


def test_a_ledger_that_is_not_there_stops_every_change(home: Home) -> None:
    (home.path / "ledger.sqlite").rename(home.path / "away")
    (home.path / "ledger.sqlite").mkdir()
    ran = home.run(*APPROVE, "--yes", "--expect-seq", "1")
    assert ran.code == ExitCode.UNAVAILABLE
    assert "only rollback works without it" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("up", "--practice", "--prefect-port", "99999"), "--prefect-port 99999"),
        (("up", "--practice", "--sentinel-port", "-1"), "--sentinel-port -1"),
        (("up", "--practice", "--speed", "-1"), "speed -1"),
        (("up", "--practice", "--speed", "nan"), "speed nan"),
        (("practice", "up", "--speed", "0"), "speed 0"),
        (("sentinel", "--port", "99999"), "--port 99999"),
        (("practice", "speed", "-1"), "speed -1"),
        (("practice", "speed", "nan"), "speed nan"),
    ],
)
def test_a_number_that_makes_no_sense_is_one_sentence(home: Home, words, said: str) -> None:
    ran = home.run(*words)
    assert ran.code == ExitCode.USAGE
    assert said in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("words", "known"),
    [
        (("outage", "nosuch"), "kube-apiserver"),
        (("restart", "nosuch"), "kube-apiserver"),
        (("fault", "nosuch", "latency_s=2"), "candidate"),
        (("fault", "candidate"), "latency_s=2"),
    ],
)
def test_a_practice_word_that_is_not_known_is_one_sentence(home: Home, words, known: str) -> None:
    ran = home.run("practice", *words)
    assert ran.code == ExitCode.USAGE
    assert known in ran.err
    assert words[1] in ran.err
    assert "usage:" not in ran.err
    assert "python -m" not in ran.err


def test_a_practice_clock_that_is_not_there_is_one_sentence(home: Home) -> None:
    with (home.path / "site.env").open("a", encoding="utf-8") as file:
        file.write(f"WARDSHIFT_CLOCK_FILE={home.path}/no-clock.json\n")
    for words in (("list",), ("guard",)):
        ran = home.run(*words)
        assert ran.code == ExitCode.USAGE, ran.err
        assert "start the practice hospital" in ran.err
