"""The docs' pictures of board and form: one of every state and view, and each is shown."""

from tests.pictures.listing import PAGE, PICTURES, all_pictures, page
from tests.web.states import STATES
from tests.web.views import VIEWS

PNG = b"\x89PNG\r\n\x1a\n"


def test_every_state_and_view_has_its_pictures() -> None:
    named = set(all_pictures())
    for of, names in (("board", STATES), ("stop", VIEWS)):
        for name in names:
            assert {f"{of}/{name}-phone", f"{of}/{name}-wide"} <= named
    for name in named:
        assert (PICTURES / f"{name}.png").read_bytes().startswith(PNG), name


def test_no_picture_is_of_a_state_that_is_no_more() -> None:
    kept = {path for of in ("board", "stop") for path in (PICTURES / of).iterdir()}
    assert kept == {PICTURES / f"{name}.png" for name in all_pictures()}


def test_the_page_of_the_docs_shows_them_all() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make pictures writes it"
