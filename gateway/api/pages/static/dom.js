// Building elements; text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/** Make an element: h("p", {class: "hint"}, "text", child). What is null or false is left out. */
export const h = (name, attributes, ...children) => fill(document.createElement(name), attributes, children);

/** Make an element of SVG. */
export const svg = (name, attributes, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

/** Find an element by its id. */
export const at = (id) => document.getElementById(id);

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (typeof value === "function") {
      element.addEventListener(name, value);
    } else if (value === true) {
      element.setAttribute(name, "");
    } else if (value !== null && value !== undefined && value !== false) {
      element.setAttribute(name, value);
    }
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/**
 * Make a table that becomes a list of cards on a phone. A column is {name, cell, kind}: `cell` makes a row's content,
 * null where there is none; `kind` is a class. The first column heads its row.
 */
export function table(caption, columns, rows, { isCaptionShown = true, empty = "Nothing yet." } = {}) {
  if (rows.length === 0) {
    return h("div", {}, isCaptionShown && h("h3", {}, caption), h("p", { class: "empty" }, empty));
  }
  const head = columns.map((column) => h("th", { scope: "col", role: "columnheader", class: column.kind }, column.name));
  const body = rows.map((row) =>
    h("tr", { role: "row" }, columns.map((column, index) => cell(column, column.cell(row), index === 0))),
  );
  // Roles, because a table that is laid out as a list is none any more to some screen readers.
  const made = h(
    "table",
    { role: "table", "aria-label": isCaptionShown ? null : caption },
    isCaptionShown && h("caption", {}, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, head)),
    h("tbody", { role: "rowgroup" }, body),
  );
  return h("div", { class: "scroll cards", role: "group", "aria-label": caption, tabindex: "0" }, made);
}

function cell(column, content, isFirst) {
  if (isFirst) {
    return h("th", { scope: "row", role: "rowheader" }, content);
  }
  const kind = [column.kind, content === null && "bare"].filter(Boolean).join(" ");
  return h("td", { role: "cell", class: kind || null, "data-name": column.name }, content);
}

/** Put text on the clipboard, and say so on the button for a moment. */
export async function copy(button, text) {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Select it by hand"; // no clipboard without https
  }
  setTimeout(() => (button.textContent = label), 2000);
}
