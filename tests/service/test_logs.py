from hypothesis import given
from hypothesis import strategies as st

from orchestrator.logs import DROPPED, drop_identifiers

# Synthetic on purpose: the shape of Swedish identity numbers, with dates that never were.
dates = st.tuples(st.integers(1900, 2099), st.integers(1, 12), st.integers(1, 91))
tails = st.from_regex(r"[0-9A-Z][0-9]{2}[0-9A-Z]", fullmatch=True)
signs = st.sampled_from(["", "-", "+"])


def shaped(date, sign, tail, *, short):
    year, month, day = date
    text = f"{year:04}{month:02}{day:02}"
    return f"{text[2:] if short else text}{sign}{tail}"


@given(
    dates, signs, tails, st.booleans(), st.sampled_from(["patient {}", "{}", "[{}] read", "x {}."])
)
def test_what_looks_like_an_identity_number_does_not_pass(date, sign, tail, short, around):
    number = shaped(date, sign, tail, short=short)
    line = drop_identifiers(None, "info", {"event": "note.read", "detail": around.format(number)})
    assert number not in line["detail"]
    assert DROPPED in line["detail"]


@given(dates, tails)
def test_nested_values_are_cleaned_too(date, tail):
    number = shaped(date, "-", tail, short=False)
    line = drop_identifiers(None, "info", {"event": "x", "found": [{"who": (number,)}]})
    assert number not in str(line)


def test_ordinary_values_stay():
    line = {"event": "tick.finished", "ward": "medicine-52", "took_s": 0.12, "epoch": 7}
    assert drop_identifiers(None, "info", dict(line)) == line
