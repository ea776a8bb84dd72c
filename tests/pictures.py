"""Take the pictures of docs/pictures/prefect-*.png anew, from a demonstration that was kept up.

    wardshift demo --keep                 in one window, until it says where to look
    make pictures                         in another

A headless Chromium opens each page as a person would; CHROMIUM names it where it is not found.
What is on the pictures is practice, never a patient.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx2
from playwright.sync_api import Page, ViewportSize, sync_playwright

from orchestrator.adapters.planfile import load_plan
from orchestrator.bootstrap import read_site
from orchestrator.cli.demo.play import DEMO_HOME
from orchestrator.cli.machine import practice_plan

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SIZE: ViewportSize = {"width": 1440, "height": 900}
SETTLES_MS = 4_000  # Prefect's graphs are drawn step by step
LIMIT_S = 20.0
WARDS = {ward.id for ward in load_plan(practice_plan()).plan.wards}


def main(home: Path = DEMO_HOME) -> None:
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
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
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


def chromium() -> str:
    """Raises: LookupError where there is none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        raise LookupError("no Chromium found: name it in CHROMIUM")
    return path


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
