// How far teams and keys are into their limits.

import { get } from "./api.js";
import { at, h, svg, table } from "./dom.js";
import { count, money } from "./words.js";

const LIMITS = ["requests_per_minute", "images_per_day", "budget_usd_per_month", "max_concurrent"];

export const fetchConsumption = (team) => get("consumption", { team });

/** Show teams, and those of their keys that have limits of their own. */
export function showLimits(teams, keys, consumption) {
  const held = new Map(consumption.data.map((one) => [one.key ?? `team ${one.team}`, one]));
  const unused = { images_today: 0, cost_usd_this_month: 0, under_way: 0 };
  const rows = teams.flatMap((team) => [
    { name: team.team, limits: team, used: held.get(`team ${team.team}`) ?? unused },
    ...keys
      .filter((key) => key.team === team.team && key.state === "active" && LIMITS.some((name) => key[name] !== null))
      .map((key) => ({ name: key.team, key, limits: key, used: held.get(key.id) ?? unused })),
  ]);
  const gauges = (name, limit, used, write) => ({
    name,
    cell: (row) => gauge(row.used[used], row.limits[limit], write),
  });
  const columns = [
    { name: "Team or key", cell: (row) => [row.name, h("span", { class: "under" }, scope(row))] },
    gauges("Images today", "images_per_day", "images_today", count),
    gauges("Cost this month", "budget_usd_per_month", "cost_usd_this_month", money),
    gauges("At the same time", "max_concurrent", "under_way", count),
    {
      name: "Requests a minute",
      cell: ({ limits }) => limits.requests_per_minute === null ? unlimited() : count(limits.requests_per_minute),
    },
  ];
  at("limits-table").replaceChildren(
    table("Limits", columns, rows, { isCaptionShown: false, empty: "There is no team yet: create a key for one." }),
  );
}

const scope = ({ key }) => (key ? `key ${key.name || key.id}` : "the whole team");
const unlimited = () => h("span", { class: "none" }, "no limit");

function gauge(used, limit, write) {
  if (limit === null) {
    return [h("span", {}, write(used), " ", h("span", { class: "none" }, "- no limit"))];
  }
  const part = limit > 0 ? Math.min(used / limit, 1) : 1;
  const state = part >= 1 ? " full" : part >= 0.8 ? " near" : "";
  const bar = svg(
    "svg",
    { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { width: 100 * part, height: 6 }),
  );
  return h("div", { class: `gauge${state}` }, `${write(used)} of ${write(limit)}`, bar);
}
