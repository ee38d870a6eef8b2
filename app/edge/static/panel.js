// The adapter between htmx, our fragments and the Connect host: token, theme, height, zone, refresh.
// Without it the page is still readable: times in UTC, no refresh by itself.
"use strict";

// before the first paint, so that a dark Jira shows no white flash
window.AP?.theming?.initializeTheming?.();

const SMALLEST_CHANGE_PX = 2; // a host that rounds heights would otherwise be asked again for ever

// A context token lives for minutes and the panel may stay open all day: one per request, never kept.
// A host that does not answer must not hold the request for ever: the time limit of htmx aborts the signal.
function freshToken(signal) {
  return new Promise((resolve, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    window.AP.context.getToken(resolve);
  });
}

async function send(url, request) {
  request.headers.Authorization = `JWT ${await freshToken(request.signal)}`;
  request.headers["Accept-Language"] = document.documentElement.lang; // what is fetched later reads as the page does
  return fetch(url, request);
}

// A refusal can bring what is to be shown in its place; nothing else under its status is ever put on the page, for a
// proxy answers in HTML too.
async function shown(response) {
  if (response.ok || !response.headers.get("content-type")?.startsWith("application/problem+json")) return response;
  const { html } = await response.clone().json().catch(() => ({}));
  if (typeof html !== "string") return response;
  const headers = { "Content-Type": "text/html; charset=utf-8", "X-Pledge-Fragment": "refusal" };
  return new Response(html, { status: response.status, headers });
}

// One more try with a newer token: the first may have expired while the machine slept.
async function sendTwiceIfRefused(url, request) {
  const response = await send(url, request);
  return shown(response.status === 401 ? await send(url, request) : response);
}

function refresh() {
  window.htmx?.trigger("#panel", "refresh");
}

// What was read stays true until it is read again; of what was sent nobody knows whether it arrived.
function showNotice({ title, trace_id: traceId } = {}, isSending = false) {
  const notice = document.getElementById("refresh-failed");
  for (const part of notice.querySelectorAll("[data-of]")) part.hidden = (part.dataset.of === "sending") !== isSending;
  const reason = document.getElementById("refresh-failed-reason");
  reason.hidden = !title;
  reason.textContent = title ?? "";
  const trace = document.getElementById("refresh-failed-trace");
  trace.hidden = !traceId;
  trace.querySelector("code").textContent = traceId ?? "";
  notice.hidden = false;
}

async function showFailure(response, isSending) {
  // Whoever may no longer see the issue must not keep an old copy of it on the screen. Other refusals (a lapsed licence,
  // a role that is missing, too many requests) take nothing away that could be seen before.
  if ([401, 404].includes(response.status)) document.getElementById("panel").replaceChildren();
  showNotice(await response.json().catch(() => ({})), isSending);
}

// Set by a host that knows the reader's own; without it the browser's of the page's language: no date in another one.
function ownLocale() {
  const { dataset, lang } = document.documentElement;
  return dataset.locale ?? navigator.languages.find((one) => one.split("-")[0] === lang) ?? lang;
}

function inZone(timeZone, more) {
  return new Intl.DateTimeFormat(ownLocale(), {
    timeZone: timeZone ?? document.documentElement.dataset.timeZone,
    weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", ...more,
  });
}

// A zone that the browser does not know is another one: the server has written the time in words.
function isOwnTime(at, zone) {
  try {
    return inZone().format(at) === inZone(zone).format(at);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return false;
  }
}

function showLocalTimes() {
  const own = inZone(undefined, { timeZoneName: "short" });
  for (const time of document.querySelectorAll("time[data-instant]")) {
    const text = own.format(new Date(time.dateTime));
    if (time.textContent === text) continue; // else this change would be seen, and told again, for ever
    time.textContent = text;
    time.title = time.dateTime;
  }
  // the policy's time is said only where it is another than the reader's
  for (const line of document.querySelectorAll("[data-zone]")) {
    line.hidden = isOwnTime(new Date(line.dataset.at), line.dataset.zone);
  }
}

// Only a change of state is told to a screen reader; a countdown that speaks would never be silent.
let announced;
function announce() {
  const text = document.getElementById("panel")?.dataset.announcement ?? "";
  if (announced !== undefined && text !== announced) document.getElementById("announcement").textContent = text;
  announced = text;
}

function reportHeight() {
  let reported = 0;
  const content = document.getElementById("content");
  new ResizeObserver(() => {
    const height = Math.ceil(content.getBoundingClientRect().height);
    if (Math.abs(height - reported) < SMALLEST_CHANGE_PX) return;
    reported = height;
    window.AP?.resize?.("100%", `${height}px`);
  }).observe(content);
}

document.addEventListener("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  if (document.hidden && ctx.sourceEvent?.type === "every") {
    event.preventDefault();
    return;
  }
  // the address of this page holds the signed token of the frame: it must not travel on, and into logs
  delete ctx.request.headers["HX-Current-URL"];
  // the event cannot wait for a token, the fetch that htmx awaits can
  ctx.fetch = sendTwiceIfRefused;
});

document.addEventListener("htmx:before:response", (event) => {
  const { request, response: { raw: response } } = event.detail.ctx;
  const isHtml = response.headers.get("content-type")?.startsWith("text/html");
  if (isHtml && (response.ok || response.headers.has("X-Pledge-Fragment"))) return;
  event.preventDefault();
  showFailure(response, request.method === "POST");
});

document.addEventListener("htmx:error", (event) => showNotice({}, event.detail?.ctx?.request?.method === "POST"));

document.addEventListener("htmx:after:swap", (event) => {
  document.getElementById("refresh-failed").hidden = true;
  announce();
  const isForm = event.target.id === "decisions";
  // of a form that was sent, what it came to; a link keeps the focus where it is
  if (isForm || event.detail?.ctx?.request?.method === "POST") document.querySelector("[data-focus]")?.focus();
  if (!isForm) return;
  if (event.target.querySelector("[data-recorded]")) refresh();
});

// The forms are asked for when somebody wants to decide: until then nobody has to ask Jira who may.
document.addEventListener("toggle", (event) => {
  const waiting = event.target.id === "decide" && event.target.open && document.querySelector("#decisions [data-empty]");
  if (waiting) window.htmx.trigger("#decisions", "refresh");
}, true);

// before the next paint, whoever put the times there: so nothing moves when they are rewritten
new MutationObserver(showLocalTimes).observe(document, { subtree: true, childList: true, characterData: true });

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-refresh]")) refresh();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});

document.addEventListener("DOMContentLoaded", () => {
  announce();
  reportHeight();
});
