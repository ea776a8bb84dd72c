"""`python -m tests.pictures`: see the package."""

from orchestrator import logs
from tests.pictures import live, pages, prefect
from tests.pictures.browser import chromium, served
from tests.pictures.listing import PAGE, page


def main() -> None:
    """Try the script, take every picture, write the page that shows them."""
    logs.configure("pictures", level="CRITICAL")  # what breaks here is broken on purpose
    with chromium() as browser, served() as where:
        for check in live.CHECKS:
            check(browser, where)
            print(f"{check.__name__}: as it must be")
        pages.take_boards(browser, where)
        pages.take_forms(browser, where)
        if prefect.is_kept_up():
            prefect.take_prefect(browser)
        else:
            print("no demonstration is kept up: the pictures of Prefect stay as they are")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
