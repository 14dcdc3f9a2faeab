// What was used: totals, charts, and tables by team and by model.

import { get } from "./api.js";
import { chart } from "./chart.js";
import { at, h, table } from "./dom.js";
import { count, money, plural } from "./words.js";

const DAY_MS = 86_400_000;

/** Fetch all that `showUsage` needs, of a team or of all (""). */
export async function fetchUsage(team) {
  const today = new Date().toISOString().slice(0, 10);
  const month = `${today.slice(0, 8)}01`;
  const ask = (since, by) => get("usage", { since, until: today, by, team });
  const [byDay, ...reports] = await Promise.all([
    ask("30d", "day"), ask(today, "team"), ask(month, "team"), ask(today, "model"), ask(month, "model"),
  ]);
  return { today, byDay, reports };
}

export function showUsage({ today, byDay, reports }) {
  const [teamsToday, teamsMonth, modelsToday, modelsMonth] = reports;
  at("totals").replaceChildren(...totals(teamsToday.total, teamsMonth.total));
  const lines = new Map(byDay.lines.map((line) => [line.day, line]));
  const days = Array.from({ length: 30 }, (_, index) =>
    new Date(Date.parse(today) - (29 - index) * DAY_MS).toISOString().slice(0, 10),
  );
  const series = (what) => days.map((day) => ({ day, value: lines.get(day)?.[what] ?? 0 }));
  at("charts").replaceChildren(chart("Images", series("images"), count), chart("Cost", series("cost_usd"), money));
  at("tables").replaceChildren(
    compared("By team", "team", teamsToday, teamsMonth),
    compared("By model", "model", modelsToday, modelsMonth),
  );
}

function totals(today, month) {
  const asked = month.requests;
  const share = asked ? Math.round((100 * (month.hits + month.joins)) / asked) : 0;
  return [
    total("Today", money(today.cost_usd), plural(today.images, "image")),
    total("This month", money(month.cost_usd), plural(month.images, "image")),
    total("Requests this month", count(asked), `${count(month.denied)} more denied by limits`),
    total("Answered for free", `${share} %`, "from the cache, or joined"),
    total("Without a picture", count(month.failures), `and ${plural(month.unknown, "image")} of unknown outcome`),
  ];
}

const total = (name, figure, beside) =>
  h("div", { class: "total" }, h("h2", {}, name), h("p", { class: "figure" }, figure), h("p", { class: "beside" }, beside));

/** Put today beside the month; the dearest comes first. */
function compared(caption, by, today, month) {
  const now = new Map(today.lines.map((line) => [line[by], line]));
  const lines = month.lines.toSorted((a, b) => b.cost_usd - a.cost_usd || b.images - a.images);
  const column = (name, cell) => ({ name, cell, kind: "number" });
  return table(
    caption,
    [
      { name: by === "team" ? "Team" : "Model", cell: (line) => line[by] },
      column("Today", (line) => count(now.get(line[by])?.images ?? 0)),
      column("Cost today", (line) => money(now.get(line[by])?.cost_usd ?? 0)),
      column("This month", (line) => count(line.images)),
      column("Cost this month", (line) => money(line.cost_usd)),
    ],
    lines,
    { empty: "Nothing was asked for this month." },
  );
}
