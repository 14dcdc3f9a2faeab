// Keys: to create, to look at, to revoke.

import { get, send } from "./api.js";
import { at, copy, h, table } from "./dom.js";
import { count, day, money, moment } from "./words.js";

const LIMITS = ["requests_per_minute", "images_per_day", "budget_usd_per_month", "max_concurrent"];
const MARKS = { active: "good", expired: "soft", revoked: "bad" };

export const fetchKeys = (team) => get("keys", { team });

/** Let the form create keys; `changed` is called when there is a new one, or one fewer. */
export function prepareKeys(models, changed) {
  at("key-models").replaceChildren(
    ...models.map(({ id }) => h("label", {}, h("input", { type: "checkbox", name: "models", value: id }), id)),
  );
  at("create").addEventListener("submit", (event) => {
    event.preventDefault();
    create(event.target, changed);
  });
}

export function showKeys(keys, changed) {
  const shown = keys.filter((key) => at("ended").checked || key.state === "active");
  const columns = [
    { name: "Key", cell: (key) => [key.name || "without a name", h("code", { class: "under" }, `${key.prefix}-...`)] },
    { name: "Team", cell: (key) => key.team },
    { name: "State", cell: (key) => h("span", { class: `mark ${MARKS[key.state]}` }, key.state) },
    { name: "Limits", cell: (key) => rights(key) },
    { name: "Created", kind: "moment", cell: (key) => day(key.created) },
    { name: "Ends", kind: "moment", cell: (key) => (key.expires ? moment(key.expires) : "never") },
    { name: "Last used", kind: "moment", cell: (key) => (key.used ? moment(key.used) : "never") },
    { name: "Revoke", kind: "alone", cell: (key) => (key.state === "active" ? revoker(key, changed) : null) },
  ];
  at("keys-table").replaceChildren(
    table("Keys", columns, shown, { isCaptionShown: false, empty: "There is no key yet." }),
  );
}

function rights(key) {
  const limits = [
    key.requests_per_minute !== null && `${count(key.requests_per_minute)} requests a minute`,
    key.images_per_day !== null && `${count(key.images_per_day)} images a day`,
    key.budget_usd_per_month !== null && `${money(key.budget_usd_per_month)} a month`,
    key.max_concurrent !== null && `${count(key.max_concurrent)} at a time`,
    key.models.length > 0 && `only ${key.models.join(", ")}`,
    key.no_cache && "no cache",
  ].filter(Boolean);
  return limits.length > 0 ? limits.join("; ") : h("span", { class: "none" }, "none of its own");
}

async function create(form, changed) {
  const given = new FormData(form);
  const body = { team: given.get("team"), name: given.get("name") };
  for (const name of LIMITS.filter((limit) => given.get(limit) !== "")) {
    body[name] = Number(given.get(name));
  }
  if (given.get("days")) {
    body.expires = Math.floor(Date.now() / 1000) + Number(given.get("days")) * 86_400;
  }
  const models = given.getAll("models");
  if (models.length > 0) {
    body.models = models;
  }
  const button = form.querySelector("button.main");
  button.disabled = true;
  at("create-problem").textContent = "";
  try {
    const made = await send("POST", "keys", body);
    form.reset();
    await changed();
    showSecret(made);
  } catch (refusal) {
    at("create-problem").textContent = refusal.message;
  } finally {
    button.disabled = false;
  }
}

function showSecret(made) {
  const copies = h("button", { type: "button", click: () => copy(copies, made.key) }, "Copy");
  const done = h("button", { type: "button", click: () => at("new-key").replaceChildren() }, "I have it");
  at("new-key").replaceChildren(
    h(
      "div",
      { class: "card" },
      h("h3", {}, `The new key of ${made.team}`),
      h("p", { class: "hint" }, "It is shown this once: the gateway keeps only a hash."),
      h("code", { class: "secret" }, made.key),
      h("div", { class: "row" }, copies, done),
    ),
  );
  at("new-key").scrollIntoView({ block: "nearest" });
  copies.focus();
}

function revoker(key, changed) {
  const name = key.name || key.id;
  return h("button", { type: "button", class: "danger", "aria-label": `Revoke ${name} of ${key.team}`, click: ask }, "Revoke");

  function ask() {
    const dialog = at("revoke");
    at("revoke-text").textContent = `Programs that use ${name} of ${key.team} are refused at once, and for good.`;
    dialog.returnValue = "cancel";
    dialog.addEventListener("close", answered, { once: true });
    dialog.showModal();
  }

  async function answered() {
    if (at("revoke").returnValue !== "revoke") {
      return;
    }
    try {
      await send("DELETE", `keys/${key.id}`);
    } catch (refusal) {
      at("problem").textContent = refusal.message;
    }
    await changed();
    at("keys").focus();
  }
}
