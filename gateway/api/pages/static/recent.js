// The newest generations, and what became of them.

import { get } from "./api.js";
import { at, h, table } from "./dom.js";
import { count, moment, money } from "./words.js";

const FEW = 12;
const MANY = 100;

let shown = FEW;

export async function fetchRecent(team) {
  const [generations, thumbnails] = await Promise.all([
    get("generations", { state: "all", count: String(MANY), team }),
    get("thumbnails", { team }),
  ]);
  return { generations, thumbnails };
}

export function showRecent(fetched) {
  const { generations, thumbnails } = fetched;
  const open = generations.data
    .filter((one) => one.state === "open")
    .map((one) => ({ ...one, images: null, cost_usd: null, outcome: ["soft", "under way"] }))
    .reverse();
  const ended = generations.settlements.map((entry) => ({ ...entry, outcome: outcomeOf(entry) }));
  const rows = [...open, ...ended];
  const pictures = new Map(thumbnails.data.map((one) => [one.generation, one.url]));
  const thumbnail = { name: "Picture", kind: "picture-cell", cell: (row) => small(row, pictures.get(row.id)) };
  const columns = [
    { name: "Time", cell: (row) => h("span", { class: "moment" }, moment(row.at)) },
    ...(thumbnails.allowed ? [thumbnail] : []),
    { name: "Outcome", kind: "outcome-cell", cell: ({ outcome: [kind, words] }) => h("span", { class: `mark ${kind}` }, words) },
    { name: "Model", kind: "model-cell", cell: (row) => row.model },
    { name: "Team", kind: "team-cell", cell: (row) => row.team },
    { name: "Images", kind: "number amount", cell: (row) => (row.images === null ? null : count(row.images)) },
    { name: "Cost", kind: "number cost", cell: (row) => (row.cost_usd === null ? null : money(row.cost_usd)) },
    { name: "Generation", kind: "alone", cell: (row) => h("code", { class: "id" }, row.id) },
  ];
  at("recent-table").replaceChildren(
    table("Recent generations", columns, rows.slice(0, shown), { isCaptionShown: false, empty: "Nothing has been drawn yet." }),
    rows.length > shown ? h("button", { type: "button", class: "more", click: showMore }, `Show ${rows.length - shown} more`) : "",
  );

  function showMore() {
    shown = MANY;
    showRecent(fetched);
    at("recent").focus();
  }
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
