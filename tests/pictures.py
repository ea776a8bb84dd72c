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

from orchestrator.bootstrap import read_site
from orchestrator.cli.demo.play import DEMO_HOME

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
SIZE: ViewportSize = {"width": 1440, "height": 900}
SETTLES_MS = 4_000  # Prefect's graphs are drawn step by step
LIMIT_S = 20.0


def main(home: Path = DEMO_HOME) -> None:
    """Look at every page, and keep what was seen."""
    prefect = read_site(home).prefect_ui
    runs = newest_runs(prefect)
    pages = {
        "prefect-runs": "/runs",
        "prefect-programme": f"/runs/flow-run/{runs['programme']}",
        "prefect-ward": f"/runs/flow-run/{runs['returned ward']}",
        "prefect-rollback": f"/runs/flow-run/{runs['rollback-record']}",
        "prefect-artifacts": f"/artifacts/key/{runs['page']}",
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
    """The ids of the runs to look at; `page`: the key of the return's own page."""
    back = newest(prefect, "rollback-record")
    ward = back["parameters"]["ward"]
    return {
        "programme": newest(prefect, "programme")["id"],
        "rollback-record": back["id"],
        "returned ward": newest(prefect, "ward", tag=ward)["id"],
        "page": f"rollback-{ward}",
    }


def newest(prefect: str, flow: str, *, tag: str | None = None) -> dict[str, Any]:
    """The newest run of a flow, of that ward if one is named. Raises: LookupError."""
    asked: dict[str, Any] = {
        "flows": {"name": {"any_": [flow]}},
        "sort": "START_TIME_DESC",
        "limit": 50,
    }
    answer = httpx2.post(
        f"{prefect}/api/flow_runs/filter", json=asked, timeout=LIMIT_S, trust_env=False
    )
    found = [
        run
        for run in answer.raise_for_status().json()
        if tag is None or tag in run["tags"] or run["parameters"].get("ward") == tag
    ]
    if not found:
        raise LookupError(f"no run of {flow} {tag or ''} at {prefect}: run `wardshift demo --keep`")
    return found[0]


def chromium() -> str:
    """Raises: LookupError where there is none."""
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        raise LookupError("no Chromium found: name it in CHROMIUM")
    return path


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
