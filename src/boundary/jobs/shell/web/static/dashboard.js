// Keeps a page up to date and writes times in the viewer's own way. Everything else works without.
"use strict";

// Times

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function relative(at) {
  const seconds = (Date.now() - at) / 1000;
  const size = Math.abs(seconds);
  const said = (count, unit) => (seconds >= 0 ? `${count} ${unit} ago` : `in ${count} ${unit}`);
  if (size < 1) return "now";
  if (size < 60) return said(Math.floor(size), "s");
  if (size < 3600) return said(Math.floor(size / 60), "min");
  if (size < 48 * 3600) return said(Math.floor(size / 3600), "h");
  if (size < 30 * 86400) return said(Math.floor(size / 86400), "d");
  return day.format(at);
}

function age(at) {
  const seconds = Math.max(0, (Date.now() - at) / 1000);
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return seconds < 48 * 3600 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86400)} d`;
}

const WAYS = { relative, age, clock: (at) => clock.format(at), axis: (at) => short.format(at), day: (at) => day.format(at), full: (at) => full.format(at) };

function writeTimes(within) {
  for (const one of within.querySelectorAll("time[datetime]")) {
    const at = new Date(one.dateTime);
    const text = WAYS[one.dataset.as](at);
    if (one.textContent !== text) one.textContent = text;
    if (!one.title) one.title = full.format(at);
  }
}

function writeTitles(within) {
  for (const one of within.querySelectorAll("title[data-at]")) {
    one.textContent = `${full.format(new Date(one.dataset.at))}: ${one.textContent}`;
    one.removeAttribute("data-at");
  }
}

// One tree becomes another, and what a person has opened, typed or focused stays

const OPEN = "[data-keep-open][open]";

function isKept(node) {
  return node.matches("input, textarea, select") || node.matches(OPEN);
}

// Whether a person is in the middle of something there: it is not taken away under their hands.
function isInUse(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return false;
  return node.contains(document.activeElement) || node.matches(OPEN) || node.querySelector(OPEN) !== null;
}

function isBare(node) {
  return node.nodeType === Node.COMMENT_NODE || (node.nodeType === Node.TEXT_NODE && !node.data.trim());
}

function isStructure(node) {
  return node.firstElementChild && [...node.childNodes].every((one) => one.nodeType === Node.ELEMENT_NODE || isBare(one));
}

// Elements by what they are about (data-key), else by their kind and how many of it came before.
function named(children) {
  const seen = new Map(), found = new Map();
  for (const one of children) {
    const name = one.dataset.key ?? `${one.nodeName} ${one.getAttribute("class") ?? ""}`;
    seen.set(name, (seen.get(name) ?? 0) + 1);
    found.set(`${name} ${seen.get(name)}`, one);
  }
  return found;
}

// The elements are those of the next tree in its order; those in use are not moved, the others around them.
function arrange(now, next) {
  const old = named(now.children);
  let at = now.firstElementChild;
  for (const [name, node] of named([...next.children])) {
    const known = old.get(name);
    const there = known && known.nodeName === node.nodeName ? known : null;
    if (there) old.delete(name);
    if (there) become(there, node);
    if (there && there !== at && isInUse(there)) {
      while (at !== there) {
        const passed = at;
        at = at.nextElementSibling;
        if (!isInUse(passed)) now.append(passed);
      }
    }
    if (there === at && at) at = at.nextElementSibling;
    else now.insertBefore(there ?? node, at);
  }
  for (const gone of old.values()) if (!isInUse(gone)) gone.remove();
}

function become(now, next) {
  if (isKept(now)) return;
  for (const { name } of [...now.attributes]) {
    if (!next.hasAttribute(name) && name !== "open") now.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) {
    if (now.getAttribute(name) !== value) now.setAttribute(name, value);
  }
  if (isStructure(now) && isStructure(next)) return arrange(now, next);
  const old = [...now.childNodes], fresh = [...next.childNodes];
  fresh.forEach((node, place) => {
    const there = old[place];
    if (!there) now.append(node);
    else if (there.nodeType !== node.nodeType || there.nodeName !== node.nodeName) {
      if (!isInUse(there)) there.replaceWith(node);
    } else if (node.nodeType === Node.ELEMENT_NODE) become(there, node);
    else if (there.data !== node.data) there.data = node.data;
  });
  for (const node of old.slice(fresh.length)) if (!isInUse(node)) node.remove();
}

// Live

const main = document.getElementById("main");
const pulse = document.getElementById("pulse");
const away = document.getElementById("away");
const LOST = "The connection to the dashboard is lost. Trying again.";
let source = null;

function say(state, text) {
  pulse.className = `pulse ${state}`;
  pulse.textContent = state === "live" ? "live" : "lost";
  away.hidden = !text;
  away.firstElementChild.textContent = text || "";
}

function listen() {
  if (source || !pulse || !pulse.dataset.live) return;
  source = new EventSource(pulse.dataset.live);
  source.addEventListener("page", (event) => {
    const next = new DOMParser().parseFromString(`<main>${event.data}</main>`, "text/html").querySelector("main");
    next.id = main.id;
    next.tabIndex = -1;
    writeTimes(next);
    writeTitles(next);
    become(main, next);
    say("live", "");
  });
  source.addEventListener("away", (event) => say("lost", `${event.data.replace(/[.!?]?$/, ".")} Trying again.`));
  source.addEventListener("error", lose);
}

// A browser tries again by itself where nothing answers, and never again where something else than the stream does.
async function lose() {
  if (source.readyState !== EventSource.CLOSED) return say("lost", LOST);
  stop();
  const answer = await fetch(pulse.dataset.live).catch(() => null);
  if (answer && answer.body) answer.body.cancel();
  say("lost", answer && answer.status === 401 ? "You are signed out. Load the page again to sign in." : LOST);
  setTimeout(() => document.hidden || listen(), 3000);
}

function stop() {
  if (source) source.close();
  source = null;
}

document.addEventListener("visibilitychange", () => (document.hidden ? stop() : listen()));
window.addEventListener("pagehide", stop);
window.addEventListener("pageshow", listen);

// Convenience

document.addEventListener("keydown", (event) => {
  const opened = document.querySelector(".ask[open]");
  if (event.key === "Escape" && opened) {
    opened.open = false;
    opened.querySelector("summary").focus();
  }
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
document.addEventListener("click", (event) => {
  for (const one of document.querySelectorAll(".ask[open]")) if (!one.contains(event.target)) one.open = false;
});

const here = document.querySelector("nav [aria-current]");
if (here) here.scrollIntoView({ block: "nearest", inline: "center" });
writeTimes(document);
writeTitles(document);
setInterval(() => writeTimes(document), 1000);
listen();
