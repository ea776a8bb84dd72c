"""The pictures of docs/pictures/prefect-*.png, from a demonstration that was kept up."""

from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Browser, Page, ViewportSize

from orchestrator.adapters.planfile import load_plan
from orchestrator.bootstrap import read_site
from orchestrator.cli.demo.play import DEMO_HOME
from orchestrator.cli.machine import practice_plan
from orchestrator.errors import ConfigError
from tests.pictures.browser import PICTURES

SIZE: ViewportSize = {"width": 1440, "height": 900}
SETTLES_MS = 4_000  # Prefect's graphs are drawn step by step
LIMIT_S = 20.0
WARDS = {ward.id for ward in load_plan(practice_plan()).plan.wards}


def is_kept_up(home: Path = DEMO_HOME) -> bool:
    """Whether a demonstration's Prefect answers."""
    try:
        url = f"{read_site(home).prefect_ui}/api/health"
        return httpx2.get(url, timeout=LIMIT_S, trust_env=False).is_success
    except (ConfigError, httpx2.HTTPError):
        return False


def take_prefect(browser: Browser, home: Path = DEMO_HOME) -> None:
    """Look at every page, and keep what was seen."""
    prefect = read_site(home).prefect_ui
    runs = newest_runs(prefect)
    pages = {
        "prefect-runs": "/runs",
        "prefect-programme": f"/runs/flow-run/{runs['programme']}",
        "prefect-ward": f"/runs/flow-run/{runs['returned ward']}",
        "prefect-rollback": f"/runs/flow-run/{runs['rollback-record']}",
        "prefect-artifacts": f"/artifacts/artifact/{runs['page']}",
    }
    for name, path in pages.items():
        page = browser.new_page(viewport=SIZE)
        page.goto(f"{prefect}{path}")
        settle(page)
        page.screenshot(path=PICTURES / f"{name}.png")
        print(f"{name}: {prefect}{path}")
        page.close()


def settle(page: Page) -> None:
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLES_MS)


def newest_runs(prefect: str) -> dict[str, str]:
    """The ids of the runs to look at, and of the return's own page."""
    back = newest(prefect, "rollback")
    ward = newest(prefect, "ward", *WARDS.intersection(back["tags"]))
    return {
        "programme": newest(prefect, "programme")["id"],
        "rollback-record": back["id"],
        "returned ward": ward["id"],
        "page": asked(
            f"{prefect}/api/artifacts/filter",
            {"artifacts": {"flow_run_id": {"any_": [back["id"]]}}},
        )[0]["id"],
    }


def newest(prefect: str, *tags: str) -> dict[str, Any]:
    """The newest run with all of these tags. Raises: LookupError."""
    wanted = {"flow_runs": {"tags": {"all_": tags}}, "sort": "START_TIME_DESC", "limit": 1}
    found = asked(f"{prefect}/api/flow_runs/filter", wanted)
    if not found:
        raise LookupError(f"no run with {tags} at {prefect}: run `wardshift demo --keep`")
    return found[0]


def asked(url: str, wanted: dict[str, Any]) -> list[dict[str, Any]]:
    answer = httpx2.post(url, json=wanted, timeout=LIMIT_S, trust_env=False)
    return answer.raise_for_status().json()
