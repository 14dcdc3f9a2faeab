// The dashboard: fetches everything, and shows it.

import { get, logOut } from "./api.js";
import { at, h } from "./dom.js";
import { fetchKeys, prepareKeys, showKeys } from "./keys.js";
import { fetchConsumption, showLimits } from "./limits.js";
import { fetchRecent, showRecent } from "./recent.js";
import { fetchUsage, showUsage } from "./usage.js";
import { time } from "./words.js";

let keys = [];

async function refresh() {
  const team = at("team").value;
  at("main").setAttribute("aria-busy", "true");
  at("problem").textContent = "";
  try {
    const [usage, teams, consumption, recent, held] = await Promise.all([
      fetchUsage(team), get("teams"), fetchConsumption(team), fetchRecent(team), fetchKeys(team),
    ]);
    keys = held.data;
    nameTeams(teams.data);
    showUsage(usage);
    showLimits(teams.data.filter((one) => !team || one.team === team), keys, consumption);
    showRecent(recent);
    showKeys(keys, refresh);
    at("status").textContent = `As of ${time(Date.now() / 1000)} UTC.`;
  } catch (refusal) {
    at("problem").textContent = refusal.message;
  }
  at("main").removeAttribute("aria-busy");
}

function nameTeams(teams) {
  const chosen = at("team").value;
  const options = teams.map(({ team }) => h("option", { value: team }, team));
  at("team").replaceChildren(h("option", { value: "" }, "All teams"), ...options);
  at("team").value = chosen;
  at("teams").replaceChildren(...teams.map(({ team }) => h("option", { value: team })));
}

at("log-out").addEventListener("click", logOut);
at("refresh").addEventListener("click", refresh);
at("team").addEventListener("change", refresh);
at("ended").addEventListener("change", () => showKeys(keys, refresh));
refresh();
get("models").then(({ data }) => prepareKeys(data, refresh), () => {});
