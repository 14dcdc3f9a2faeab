// The key that the playground draws with: pasted, or made for an hour. It is kept in this module and nowhere else.

import { send } from "./api.js";
import { at, h } from "./dom.js";
import { time } from "./words.js";

const LIFE_S = 3600;

let made = null;

/** Give the key to draw with, "" where there is none. */
export const currentKey = () => at("pasted").value.trim() || made || "";

export function prepareKey(teams) {
  at("key-team").replaceChildren(...teams.map(({ team }) => h("option", { value: team }, team)));
  at("make-key").disabled = teams.length === 0;
  at("make-key").addEventListener("click", make);
  at("pasted").addEventListener("input", () => {
    at("key-status").textContent = at("pasted").value.trim() ? "Draws with the pasted key." : noKey();
  });
}

const noKey = () => (made ? "Draws with the key that was made." : "No key yet.");

async function make() {
  const team = at("key-team").value;
  const expires = Math.floor(Date.now() / 1000) + LIFE_S;
  at("make-key").disabled = true;
  try {
    const answer = await send("POST", "keys", { team, name: "playground", expires });
    made = answer.key;
    at("pasted").value = "";
    at("key-status").textContent = `Draws for ${team} with a key that ends at ${time(expires)} UTC.`;
  } catch (refusal) {
    at("key-status").textContent = refusal.message;
  }
  at("make-key").disabled = false;
}
