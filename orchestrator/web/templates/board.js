"use strict";
(() => {
  const own = document.currentScript.dataset;
  const pollMs = Number(own.pollMs);
  const oldMs = Number(own.oldAfterS) * 1000;
  const now = document.getElementById("now");
  const age = document.getElementById("age");
  const said = document.getElementById("said");
  const alert = document.getElementById("old");
  let summary = "";

  // Two clocks: one stands still while a computer sleeps, the other one can be set.
  const moment = () => ({ wall: Date.now(), steady: performance.now() });
  const since = (then) => Math.max(Date.now() - then.wall, performance.now() - then.steady);
  let seen = moment();
  let seenAgeMs = Number(own.ageS) * 1000;
  const ageMs = () => since(seen) + seenAgeMs;

  const show = () => {
    const isOld = ageMs() > oldMs;
    document.documentElement.classList.toggle("old", isOld);
    if (alert.hidden === isOld) alert.hidden = !isOld;
    age.textContent = age.dataset.text.replace("{n}", Math.floor(ageMs() / 1000));
    const text = now.querySelector("header").dataset.summary;
    document.title = (isOld ? "⚠ " + alert.querySelector("strong").textContent : text);
    if (text !== summary) { summary = text; said.textContent = text; }
  };

  const look = async () => {
    const began = moment();
    const answer = await fetch("/now" + location.search, {
      cache: "no-store",
      signal: AbortSignal.timeout(oldMs / 2),
    });
    const html = await answer.text();
    const lookedMs = Number(answer.headers.get("Board-Age")) * 1000;
    if (!answer.ok || !html.includes("data-summary") || !(since(began) + lookedMs < oldMs)) return;
    now.innerHTML = html;
    seen = began;
    seenAgeMs = lookedMs;
  };

  const turn = async () => {
    try { await look(); } catch (error) { console.warn("board: no answer", error); }
    show();
    setTimeout(turn, pollMs);
  };
  setInterval(show, 500);
  document.addEventListener("visibilitychange", show);
  window.addEventListener("pageshow", show);
  turn();
})();
