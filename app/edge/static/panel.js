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
  return fetch(url, request);
}

// One more try with a newer token: the first may have expired while the machine slept.
async function sendTwiceIfRefused(url, request) {
  const response = await send(url, request);
  return response.status === 401 ? send(url, request) : response;
}

function refresh() {
  window.htmx?.trigger("#panel", "refresh");
}

function showNotice(traceId) {
  const trace = document.getElementById("refresh-failed-trace");
  trace.hidden = !traceId;
  trace.querySelector("code").textContent = traceId ?? "";
  document.getElementById("refresh-failed").hidden = false;
}

async function showFailure(response) {
  // whoever may no longer see the issue must not keep an old copy of it on the screen
  if ([401, 403, 404].includes(response.status)) document.getElementById("panel").replaceChildren();
  const problem = await response.json().catch(() => ({}));
  showNotice(problem.trace_id);
}

function showLocalTimes() {
  // set by a host that knows the reader's own; without them, the browser's
  const { locale, timeZone } = document.documentElement.dataset;
  const zoned = new Intl.DateTimeFormat(locale, {
    timeZone,
    weekday: "short", day: "numeric", month: "short", year: "numeric",
    hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  for (const time of document.querySelectorAll("time[data-instant]")) {
    time.textContent = zoned.format(new Date(time.dateTime));
    time.title = time.dateTime;
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
  const response = event.detail.ctx.response.raw;
  const isFragment = response.ok && response.headers.get("content-type")?.startsWith("text/html");
  if (!isFragment) {
    event.preventDefault();
    showFailure(response);
  }
});

document.addEventListener("htmx:error", () => showNotice());

document.addEventListener("htmx:after:swap", () => {
  document.getElementById("refresh-failed").hidden = true;
  showLocalTimes();
  announce();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-refresh]")) refresh();
});

document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});

document.addEventListener("DOMContentLoaded", () => {
  showLocalTimes();
  announce();
  reportHeight();
});
