// What Forge does differently from Connect: transport, theme, links, locale. All else is panel.js, the same file in
// both hosts; it runs first, so that the listener below has the last word on how a request travels.
import { invokeRemote, router, view } from "@forge/bridge";

const BAD_GATEWAY = 502;

// The bridge carries JSON objects only: each name with the list of its values, so that one value is no special case.
function fieldsOf(body) {
  const fields = {};
  for (const [name, value] of body) {
    if (typeof value !== "string") throw new TypeError("a file cannot be sent through the bridge");
    (fields[name] ??= []).push(value);
  }
  return fields;
}

function questionOf(url, { method, body }) {
  const { origin, pathname, search } = new URL(url, location.href);
  if (origin !== location.origin) throw new TypeError("a fragment is asked of our own backend only");
  const headers = { "Accept-Language": document.documentElement.dataset.locale ?? navigator.language };
  const question = { path: pathname + search, method, headers };
  if (!body) return question;
  return { ...question, headers: { ...headers, "Content-Type": "application/json" }, body: fieldsOf(body) };
}

// Whatever holds no fragment becomes a refusal, also an answer of Forge itself that has no status.
function responseOf(answer) {
  const { status, body } = answer ?? {};
  if (status >= 200 && status < 600 && typeof body?.html === "string") {
    const headers = { "Content-Type": "text/html; charset=utf-8", "X-Pledge-Fragment": "forge" };
    return new Response(body.html, { status, headers });
  }
  const refusal = status >= 400 && status < 600 ? status : BAD_GATEWAY;
  return new Response(JSON.stringify(body ?? {}), { status: refusal, headers: { "Content-Type": "application/json" } });
}

// The bridge cannot be told to stop; whoever waits for it can.
function aborted(signal) {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

// Forge adds a token of its own to each call: none is seen here, and there is none to renew after a 401.
async function throughBridge(url, request) {
  return responseOf(await Promise.race([invokeRemote(questionOf(url, request)), aborted(request.signal)]));
}

document.addEventListener("htmx:config:request", (event) => {
  event.detail.ctx.fetch = throughBridge;
});

// The frame is sandboxed without pop-ups: the host opens links for us.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || link.download || link.origin === location.origin) return;
  event.preventDefault();
  router.open(link.href);
});

// From the browser, so for display only: the backend takes site, person and issue from the verified token. What the
// browser does not know is left out: a new zone must not cost the reader the panel.
function readAs(context) {
  try {
    const { locale, timeZone } = new Intl.DateTimeFormat(context.locale, { timeZone: context.timezone }).resolvedOptions();
    Object.assign(document.documentElement.dataset, { locale, timeZone });
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  }
}

// What stands in the page before the first fragment: in the language in which that one is going to be asked for.
function speak() {
  const lang = /^de([-_]|$)/i.test(document.documentElement.dataset.locale ?? navigator.language) ? "de" : "en";
  document.documentElement.lang = lang;
  for (const each of document.querySelectorAll("[data-de]")) {
    each.dataset.en ??= each.textContent;
    each.textContent = each.dataset[lang];
  }
}

// What each module of the manifest shows: the place, and what of its context names the object.
const FRAGMENTS = {
  "pledge-issue": ({ issue }) => ["/fragments/issue", { issueId: issue.id, issueKey: issue.key }],
  "pledge-project": ({ project }) => ["/fragments/project", { projectId: project.id, projectKey: project.key }],
  "pledge-site": () => ["/fragments/site", {}],
  "pledge-admin": () => ["/fragments/admin", {}],
};

// Full pages alone have a history in the address of the host; without one the page still works.
async function followHistory() {
  const history = await view.createHistory();
  const first = history.location?.search ?? "";
  window.followAddress(
    {
      push: (state) => history.push(`?${state}`),
      listen: (told) => history.listen((where) => told(where.search ?? "")),
    },
    first,
  );
  return first;
}

async function start() {
  const panel = document.getElementById("panel");
  try {
    const context = await view.getContext();
    readAs(context);
    speak();
    const [path, query] = FRAGMENTS[context.moduleKey](context.extension);
    const first = path === "/fragments/issue" ? "" : await followHistory().catch(() => "");
    const asked = [new URLSearchParams(query), window.keptOf(first)].map(String).filter(Boolean);
    panel.setAttribute("hx-get", `${path}?${asked.join("&")}`);
    window.htmx.process(panel);
  } catch {
    document.dispatchEvent(new CustomEvent("htmx:error")); // panel.js shows it, with a button that refreshes
    panel.addEventListener("refresh", start, { once: true });
  }
}

speak(); // the browser's own, until the host has told its reader's
// without the host's theme the page still has colours of its own
view.theme.enable().catch(() => {});
start();
