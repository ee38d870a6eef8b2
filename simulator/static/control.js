// Sends the control page's forms and shows what came back.
"use strict";
(() => {
  const shown = document.getElementById("answer");

  const read = (field) => {
    if (field.value === "true") return true;
    return field.type === "number" || "number" in field.dataset ? Number(field.value) : field.value;
  };

  const body = (form) => {
    const whole = {};
    for (const field of form.querySelectorAll("[name]")) {
      const [outer, inner] = field.name.split(".");
      if (inner) whole[outer] = { ...whole[outer], [inner]: read(field) };
      else whole[outer] = read(field);
    }
    return whole;
  };

  const request = (form) => {
    if (form.dataset.json) {
      const headers = { "Content-Type": "application/json" };
      return fetch(form.dataset.json, { method: "POST", headers, body: JSON.stringify(body(form)) });
    }
    return fetch(`${form.dataset.post}?${new URLSearchParams(body(form))}`, { method: "POST" });
  };

  document.addEventListener("submit", async (event) => {
    event.preventDefault();
    shown.textContent = "…";
    try {
      shown.textContent = await (await request(event.target)).text();
    } catch (error) {
      shown.textContent = error.message;
    }
  });
})();
