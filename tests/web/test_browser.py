"""A person on call, in a real browser, over a real worker: look, open, retry, pause, undo."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from boundary.jobs import Jobs
from boundary.jobs.web import TokenAuth, create_app
from devservers.waiting import until
from tests.web import browsing
from tests.web.shop import register

CHROMIUM = browsing.chromium()
MARKUP = "<img src=x onerror=\"document.title='run'\"><script>document.title='run'</script>\"'>"
PAGES = ("/", "/?range=24h", "/jobs", "/dead", "/queues", "/schedules", "/workers", "/audit")

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is here; name one with CHROMIUM=…"),
    pytest.mark.timeout(120),
    pytest.mark.xdist_group("browser"),
]


class Shop(NamedTuple):
    """A dashboard over a shop with a worker."""

    address: str
    jobs: Jobs
    folder: Path
    worker: subprocess.Popen[bytes]

    def mend(self) -> None:
        (self.folder / "mended").touch()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    made = context.new_page()
    troubles: list[str] = []
    made.on("pageerror", lambda error: troubles.append(str(error)))
    made.on(
        "console", lambda said: troubles.append(said.text) if "Refused to" in said.text else None
    )
    made.on("dialog", lambda dialog: troubles.append(f"a dialog: {dialog.message}"))
    yield made
    context.close()
    assert not troubles


@pytest.fixture(params=["sqlite", "redis"])
def shop(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    url = f"sqlite:///{tmp_path}/shop.db"
    if request.param == "redis":
        url = request.getfixturevalue("redis_url")
    monkeypatch.setenv("SHOP_FOLDER", str(tmp_path))
    with (
        Jobs(url) as jobs,
        browsing.worker_process(url) as worker,
        browsing.served(create_app(jobs)) as address,
    ):
        register(jobs)
        yield Shop(address, jobs, tmp_path, worker)


def ended(shop: Shop, count: int) -> None:
    """So many jobs have reached their end."""
    until(lambda: shop.jobs.stats().total_processed >= count, f"{count} jobs to end", 30)


def test_on_call(shop: Shop, page: Page) -> None:
    """Search, open, see why, mend, retry, and watch it succeed without a reload."""
    made = shop.jobs.enqueue("charge", {"order": 1017, "note": "the red kettle"})
    shop.jobs.enqueue("send_mail", {"to": "ada@example.com"})
    ended(shop, 2)
    page.goto(shop.address + "/")
    expect(page.locator(".attention")).to_contain_text("1 of 2 jobs failed for good")
    page.get_by_role("link", name="Jobs", exact=True).click()
    page.get_by_role("searchbox").fill("red kettle")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("table.jobs tbody tr")).to_have_count(1)
    page.locator("table.jobs").get_by_role("link", name="charge").click()
    assert page.url.endswith(f"/jobs/{made.id}")
    expect(page.locator(".why")).to_contain_text("It failed for good")
    expect(page.locator(".timeline li")).to_have_count(2)
    expect(page.locator(".trace").first).to_contain_text("BankClosed")
    shop.mend()
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".note:not(#away)")).to_contain_text("charge waits in payments again")
    expect(page.locator("h1 .status")).to_have_text("completed")
    expect(page.locator("pre.json").nth(1)).to_contain_text("charged 1017")
    (act,) = shop.jobs.audit()
    assert (act.by, act.what, act.target) == ("local", "retry", str(made.id))


def test_a_queue_is_paused_and_its_jobs_wait(shop: Shop, page: Page) -> None:
    shop.jobs.enqueue("send_mail", {"to": "ada@example.com"})
    ended(shop, 1)
    page.goto(shop.address + "/queues")
    row = page.locator("tr", has_text="mail")
    row.get_by_role("button", name="Pause").click()
    expect(row.locator(".tag")).to_have_text("paused")
    waits = shop.jobs.enqueue("send_mail", {"to": "grace@example.com"})
    expect(row.locator("td.num").first).to_have_text("1")  # live, without a reload
    row.get_by_text("Purge…").click()
    expect(page.get_by_role("button", name="Delete 1 jobs")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Delete 1 jobs")).to_be_hidden()
    page.locator(".note:not(#away)").get_by_role("button", name="Undo").click()
    expect(page.locator(".note:not(#away)")).to_contain_text("Undone")
    until(lambda: shop.jobs.find(waits.id).status == "completed", "the mail to go out", 20.0)  # type: ignore[union-attr]


def test_what_somebody_is_in_the_middle_of_stays_while_rows_move(shop: Shop, page: Page) -> None:
    """An open question is about its row, and what is typed stays typed, whatever comes live."""
    for queue in ("alpha", "beta", "gamma"):
        shop.jobs.pause(queue)
        shop.jobs.enqueue("send_mail", {"to": "ada@example.com"}, queue=queue)
    page.goto(shop.address + "/queues")
    names = page.locator("tbody td.c-name a")
    expect(names).to_have_text(["alpha", "beta", "gamma"])
    row = page.locator("tr", has_text="beta")
    row.get_by_text("Purge…").click()
    page.evaluate("window.asked = document.querySelector('.ask[open]')")
    button = page.get_by_role("button", name="Delete 1 jobs")
    button.focus()
    for _ in range(3):
        shop.jobs.enqueue("send_mail", {"to": "ada@example.com"}, queue="gamma")
    expect(names).to_have_text(["gamma", "alpha", "beta"])
    for _ in range(5):
        shop.jobs.enqueue("send_mail", {"to": "ada@example.com"}, queue="delta-new")
    expect(names).to_contain_text(["gamma", "alpha", "beta"])
    assert page.evaluate("window.asked.isConnected && window.asked.open")
    assert page.evaluate("window.asked.closest('tr').dataset.key") == "beta"
    assert page.evaluate("window.asked.contains(document.activeElement)")
    button.click()
    expect(page.locator(".note:not(#away)")).to_contain_text("1 jobs are gone from beta")
    for order in range(4):
        shop.jobs.enqueue("charge", {"order": order})
    until(shop.jobs.failure_groups, "dead letters", 30)
    page.goto(shop.address + "/dead")
    page.get_by_text("Retry all…").click()
    page.get_by_placeholder("As fast as they can").fill("0.5")
    for order in range(4):
        shop.jobs.enqueue("charge", {"order": order})
    expect(page.locator(".cause-group .count")).to_have_text("8", timeout=30_000)
    box = page.get_by_placeholder("As fast as they can")
    expect(box).to_be_focused()
    expect(box).to_have_value("0.5")


def test_the_overview_is_light_and_quick(shop: Shop, page: Page) -> None:
    """Below 150 KB with all its files; how quick depends on the machine, and is printed."""
    for number in range(30):
        shop.jobs.enqueue("send_mail", {"to": f"person-{number}@example.com"})
    ended(shop, 30)
    opened = browsing.open_page(page, shop.address + "/")
    weight = sum(opened.files.values())
    assert 10_000 < weight < 150_000, opened.files
    assert all(file.startswith(shop.address) for file in opened.files), "nothing is from elsewhere"
    print(f"overview: {weight:,} bytes, first contentful paint after {opened.painted_ms:.0f} ms")


def test_a_group_is_retried(shop: Shop, page: Page) -> None:
    """Three first; then, when these have succeeded, the rest."""
    for order in range(8):
        shop.jobs.enqueue("charge", {"order": order})
    ended(shop, 8)
    page.goto(shop.address + "/dead")
    group = page.locator(".cause-group")
    expect(group).to_have_count(1)
    expect(group.locator(".count")).to_have_text("8")
    shop.mend()
    group.get_by_role("button", name="Retry 3").click()
    expect(page.locator(".note:not(#away)")).to_contain_text("3 dead letters wait again")
    expect(group.locator(".count")).to_have_text("5")
    group.get_by_text("Retry all…").click()
    group.get_by_label("At most so many a second").fill("50")
    group.get_by_role("button", name="Retry 5").click()
    expect(page.locator(".empty")).to_contain_text("No dead letters")
    until(lambda: shop.jobs.queue_stats("payments").succeeded_total == 8, "all to succeed", 30.0)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[tuple[str, Jobs, list[str]]]:
    """Markup in every field there is; the address, the doors, and the pages of its jobs."""
    with Jobs(f"sqlite:///{tmp_path}/shop.db") as jobs:

        @jobs.handler(name="bad", max_retries=0)
        def bad(text: str) -> None:
            raise type(MARKUP, (Exception,), {})(text)

        @jobs.handler(name="good")
        def good(text: str) -> dict[str, str]:
            return {text: text}

        made = [
            jobs.enqueue(kind, {"text": MARKUP}, metadata={MARKUP: MARKUP})
            for kind in ("bad", "good")
        ]
        jobs.schedule("beat", handler="good", args={"text": MARKUP}, every=3600)
        made.append(jobs.enqueue("later", {MARKUP: [MARKUP]}, delay=1000))
        worker = threading.Thread(target=jobs.worker().run_until_empty)  # Playwright's loop is here
        worker.start()
        worker.join()
        jobs.pause("default", by="<b>" + MARKUP[:90])
        with browsing.served(create_app(jobs)) as address:
            yield address, jobs, [f"/jobs/{job.id}" for job in made]


def test_markup_is_executed_nowhere(full: tuple[str, Jobs, list[str]], page: Page) -> None:
    address, _, opened = full
    from urllib.parse import quote

    for path in (
        *PAGES,
        *opened,
        f"/jobs?q={quote(MARKUP)}",
        f"/jobs?queue={quote(MARKUP)}",
        f"/{quote(MARKUP)}",
    ):
        page.goto(address + path)
        page.wait_for_timeout(30)
        assert "run" not in page.title().split("·")[0].split(), path
        assert page.locator("img, main script").count() == 0, path


def test_nothing_hinders_people(full: tuple[str, Jobs, list[str]], browser: Browser) -> None:
    """axe-core finds no violation, in the light and in the dark, wide and narrow."""
    from axe_playwright_python.sync_playwright import Axe

    address, _, opened = full
    found: list[str] = []
    for scheme, width in (("light", 1280), ("dark", 390)):
        context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 900}, bypass_csp=True
        )
        seen = context.new_page()
        for path in (*PAGES, *opened):
            seen.goto(address + path)
            result = Axe().run(seen)
            found += [
                f"{scheme} {width} {path} {each['id']}: {each['nodes'][0]['html'][:120]}"
                for each in result.response["violations"]
            ]
        context.close()
    assert found == []


def test_it_can_be_used_by_keyboard_and_without_a_script(
    full: tuple[str, Jobs, list[str]], browser: Browser
) -> None:
    address, _, (dead, *_) = full
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(address + "/queues")
    plain.keyboard.press("Tab")
    assert plain.locator(":focus").inner_text() == "Skip to content"
    plain.get_by_role("button", name="Resume").focus()
    plain.keyboard.press("Enter")
    expect(plain.locator(".note:not(#away)")).to_contain_text("default is served again")
    plain.goto(address + dead)
    plain.locator("summary", has_text="Delete…").focus()
    plain.keyboard.press("Enter")
    plain.get_by_role("button", name="Delete this job").click()
    expect(plain.locator(".note:not(#away)")).to_contain_text("is gone")
    context.close()


@pytest.mark.parametrize("width", [1440, 390])
def test_nothing_is_wider_than_the_screen(
    full: tuple[str, Jobs, list[str]], browser: Browser, width: int
) -> None:
    address, _, opened = full
    context = browser.new_context(viewport={"width": width, "height": 844})
    seen = context.new_page()
    for path in (*PAGES, *opened):
        seen.goto(address + path)
        assert seen.evaluate("document.documentElement.scrollWidth") <= width, path
    context.close()


def test_a_dashboard_that_goes_away_is_told_and_comes_back(
    tmp_path: Path, page: Page, redis_server: Any
) -> None:
    """The store stops answering while a page is open; the page says so, and recovers by itself."""
    with (
        Jobs(redis_server.url(), "away", config={"redis": {"timeout": 400}}) as jobs,
        browsing.served(create_app(jobs)) as address,
    ):
        page.goto(address + "/queues")
        expect(page.locator("#pulse")).to_have_text("live")
        redis_server.pause()
        try:
            expect(page.locator("#away")).to_be_visible()
            expect(page.locator("#pulse")).to_have_text("lost")
        finally:
            redis_server.resume()
        expect(page.locator("#away")).to_be_hidden()
        expect(page.locator("#pulse")).to_have_text("live")


def test_signing_in(tmp_path: Path, page: Page) -> None:
    with (
        Jobs(f"sqlite:///{tmp_path}/shop.db") as jobs,
        browsing.served(create_app(jobs, TokenAuth("operators", "viewers"))) as address,
    ):
        jobs.enqueue("later", {}, delay=100)
        page.goto(address + "/queues")
        page.get_by_label("Token").fill("viewers")
        page.keyboard.press("Enter")
        expect(page.get_by_role("link", name="Queues")).to_be_visible()
        page.goto(address + "/queues")
        expect(page.locator("table.queues")).to_be_visible()
        expect(page.get_by_role("button", name="Pause")).to_have_count(0)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Token")).to_be_visible()


def test_a_page_whose_stream_is_refused_goes_on_asking(tmp_path: Path, page: Page) -> None:
    with Jobs(f"sqlite:///{tmp_path}/shop.db") as jobs:
        app = create_app(jobs, TokenAuth("a long secret"))
        with browsing.served(app) as address:
            page.goto(f"{address}/queues")
            page.get_by_label("Token").fill("a long secret")
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("h1")).to_have_text("Queues")
            expect(page.locator("#pulse")).to_have_text("live")
            page.route("**/live/**", lambda route: route.fulfill(status=502, body="no gateway"))
            app.state.hub.end()
            expect(page.locator("#away")).to_contain_text("Trying again")
            page.unroute("**/live/**")
            expect(page.locator("#pulse")).to_have_text("live")
            page.context.clear_cookies()
            app.state.hub.end()
            expect(page.locator("#away")).to_contain_text("You are signed out")
            page.reload()
            page.get_by_label("Token").fill("a long secret")
            page.get_by_role("button", name="Sign in").click()
            expect(page.locator("h1")).to_have_text("Queues")
