// The newest generations, and what became of them.

import { get } from "./api.js";
import { at, h, table } from "./dom.js";
import { count, moment, money } from "./words.js";

const SHOWN = 30;

export async function fetchRecent(team) {
  const [generations, thumbnails] = await Promise.all([
    get("generations", { state: "all", count: String(SHOWN), team }),
    get("thumbnails", { team }),
  ]);
  return { generations, thumbnails };
}

export function showRecent({ generations, thumbnails }) {
  const open = generations.data
    .filter((one) => one.state === "open")
    .map((one) => ({ ...one, images: null, cost_usd: null, outcome: ["soft", "under way"] }))
    .reverse();
  const ended = generations.settlements.map((entry) => ({ ...entry, outcome: outcomeOf(entry) }));
  const rows = [...open, ...ended].slice(0, SHOWN);
  const pictures = new Map(thumbnails.data.map((one) => [one.generation, one.url]));
  const thumbnail = { name: "Picture", kind: "alone", cell: (row) => small(row, pictures.get(row.id)) };
  const columns = [
    { name: "Time", cell: (row) => h("span", { class: "moment" }, moment(row.at)) },
    ...(thumbnails.allowed ? [thumbnail] : []),
    { name: "Outcome", cell: ({ outcome: [kind, words] }) => h("span", { class: `mark ${kind}` }, words) },
    { name: "Model", cell: (row) => row.model },
    { name: "Team", cell: (row) => row.team },
    { name: "Images", kind: "number", cell: (row) => (row.images === null ? null : count(row.images)) },
    { name: "Cost", kind: "number", cell: (row) => (row.cost_usd === null ? null : money(row.cost_usd)) },
    { name: "Generation", kind: "alone", cell: (row) => h("code", { class: "id" }, row.id) },
  ];
  at("recent-table").replaceChildren(
    table("Recent generations", columns, rows, { isCaptionShown: false, empty: "Nothing has been drawn yet." }),
  );
}

function outcomeOf(entry) {
  if (entry.kind === "resolved") {
    return ["good", "resolved"];
  }
  if (entry.images > 0) {
    return entry.unknown > 0 ? ["warn", "partly unknown"] : ["good", entry.kind === "late" ? "arrived late" : "delivered"];
  }
  return entry.unknown > 0 ? ["warn", "unknown"] : ["bad", "failed"];
}

function small(row, url) {
  if (!url || !(row.images > 0)) {
    return null;
  }
  const alt = `What ${row.model} drew for ${row.team}`;
  return h("img", { class: "thumbnail", src: url, alt, width: 56, height: 56, loading: "lazy" });
}
