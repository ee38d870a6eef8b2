// The host's side of a framed app: answers its frames, and nobody else.
"use strict";
(() => {
  const root = document.documentElement;

  const frames = () => [...document.querySelectorAll("iframe[data-channel]")];

  const fetchToken = async (frame) => {
    const answer = await fetch(frame.dataset.token, { cache: "no-store" });
    if (!answer.ok) throw new Error("no token");
    return (await answer.json()).token;
  };

  const calls = {
    getToken: fetchToken,
    getContext: (frame) => ({ jira: { issue: { id: frame.dataset.issueId, key: frame.dataset.issue } } }),
    theme: () => root.dataset.colorMode,
    resize: (frame, args) => {
      const height = Math.min(Math.max(parseInt(args.height, 10) || 0, 20), 5000);
      frame.style.height = `${height}px`;
    },
    sizeToParent: (frame) => { frame.style.height = "80vh"; },
  };

  // registered before the body is parsed, so that no early message of a frame is lost
  window.addEventListener("message", async (event) => {
    const frame = frames().find((one) => one.contentWindow === event.source);
    const message = event.data;
    if (!frame || event.origin !== frame.dataset.origin || !message || message.channel !== frame.dataset.channel) return;
    const answer = { channel: message.channel, id: message.id };
    try {
      if (!Object.hasOwn(calls, message.call)) throw new Error("no such call");
      answer.result = await calls[message.call](frame, message.args || {});
    } catch (error) {
      answer.error = error.message;
    }
    event.source.postMessage(answer, frame.dataset.origin);
  });

  document.addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme").addEventListener("click", () => {
      const mode = root.dataset.colorMode === "dark" ? "light" : "dark";
      root.dataset.colorMode = mode;
      const here = new URL(location.href);
      here.searchParams.set("theme", mode);
      history.replaceState(null, "", here);
      document.querySelectorAll("input[name=theme]").forEach((one) => { one.value = mode; });
      frames().forEach((one) => one.contentWindow.postMessage({ channel: one.dataset.channel, theme: mode }, one.dataset.origin));
    });
  });
})();
