// A bar a day, drawn as SVG.

import { h, svg } from "./dom.js";

const WIDTH = 600;
const HEIGHT = 160;
const LEFT = 76;
const BOTTOM = 26;
const TOP = 14;

/** Draw `days`, each {day: "2026-11-24", value}; `write` makes text of a value. */
export function chart(title, days, write) {
  const total = days.reduce((sum, { value }) => sum + value, 0);
  const top = niceAbove(Math.max(...days.map(({ value }) => value)));
  const step = (WIDTH - LEFT) / days.length;
  const height = HEIGHT - BOTTOM - TOP;
  const grid = [0, top / 2, top].map((value) => {
    const y = TOP + height * (1 - value / top);
    return [
      svg("line", { x1: LEFT, x2: WIDTH, y1: y, y2: y }),
      svg("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, write(value)),
    ];
  });
  const bars = days.map(({ day, value }, index) => {
    const tall = value > 0 ? Math.max((height * value) / top, 1.5) : 0;
    const place = { x: LEFT + step * index + step * 0.15, y: TOP + height - tall, width: step * 0.7, height: tall, rx: 1.5 };
    const isLast = index === days.length - 1;
    return svg("rect", { ...place, class: isLast && "today" }, svg("title", {}, `${day}: ${write(value)}`));
  });
  const every = Math.ceil(days.length / 4);
  const labels = days.map(({ day }, index) => {
    const isShown = (days.length - 1 - index) % every === 0;
    const isLast = index === days.length - 1;
    const x = isLast ? WIDTH : LEFT + step * (index + 0.5);
    const place = { x, y: HEIGHT - 4, "text-anchor": isLast ? "end" : "middle" };
    return isShown && svg("text", place, short(day));
  });
  const picture = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}, ${days.length} days: ${write(total)} in all` },
    grid.flat(),
    svg("g", { class: "bars" }, bars),
    labels,
  );
  const caption = h("figcaption", {}, title, h("span", {}, ` - ${write(total)} in all`));
  return h("figure", { class: "chart" }, caption, picture);
}

/** Find a round number that is not below `value`, of which the half is round as well. */
function niceAbove(value) {
  if (!(value > 0)) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 6, 8, 10].map((factor) => factor * power).find((nice) => nice >= value * 0.999);
}

function short(day) {
  const [, month, date] = day.split("-");
  return `${Number(date)} ${"Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split(" ")[month - 1]}`;
}
