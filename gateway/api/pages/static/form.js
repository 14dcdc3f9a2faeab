// A model's parameters as fields, each made from its JSON schema.

import { at, h } from "./dom.js";

/** Show the fields of a model; what was filled in of another model stays where this one has it too. */
export function showParameters(model) {
  const before = new Map(fields().map((field) => [field.name, field.value]));
  at("parameters").replaceChildren(...Object.entries(model.parameters).map(([name, schema]) => labelled(name, schema)));
  for (const field of fields()) {
    const value = before.get(field.name);
    const isPossible = field.tagName !== "SELECT" || [...field.options].some((option) => option.value === value);
    if (value && isPossible) {
      field.value = value;
    }
  }
  showReference(model.reference_image);
}

/** Read what is filled in, as the body of a request holds it. */
export function readParameters() {
  const filled = fields().filter((field) => field.value !== "");
  return Object.fromEntries(filled.map((field) => [field.name, read(field)]));
}

/** Read the reference images: a URL, and files as data URLs. */
export async function readReferences() {
  const url = at("reference-url")?.value.trim();
  const files = [...(at("reference-file")?.files ?? [])];
  const all = [...(url ? [url] : []), ...(await Promise.all(files.map(dataUrl)))];
  return all.length > 1 ? all : all[0];
}

const fields = () => [...at("parameters").querySelectorAll("input, select")];

function labelled(name, schema) {
  const id = `parameter-${name}`;
  const described = `${id}-about`;
  const common = { id, name, "data-type": schema.type, "aria-describedby": described };
  const choices = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const examples = schema.examples && !choices ? `${id}-examples` : null;
  const field = choices
    ? h("select", common, h("option", { value: "" }, "-"), choices.map((value) => h("option", { value }, value)))
    : h("input", { ...common, ...kind(schema), list: examples, autocomplete: "off", placeholder: placeholder(schema) });
  return h(
    "div",
    {},
    h("label", { for: id }, name),
    field,
    examples && h("datalist", { id: examples }, schema.examples.map((value) => h("option", { value }))),
    h("p", { id: described, class: "hint" }, (schema.description ?? "").replaceAll("`", "")),
  );
}

function kind(schema) {
  if (schema.type !== "integer" && schema.type !== "number") {
    return { type: "text", maxlength: schema.maxLength, pattern: schema.pattern?.replace(/^\^|\$$/g, "") };
  }
  return { type: "number", min: schema.minimum, max: schema.maximum, step: schema.type === "integer" ? 1 : "any" };
}

function placeholder(schema) {
  const isBounded = schema.minimum !== undefined && schema.maximum !== undefined && schema.maximum < 1e6;
  return isBounded ? `${schema.minimum} to ${schema.maximum}` : schema.examples?.[0];
}

function read(field) {
  switch (field.dataset.type) {
    case "boolean":
      return field.value === "true";
    case "integer":
    case "number":
      return Number(field.value);
    default:
      return field.value;
  }
}

function showReference({ use, max }) {
  if (use === "refuses") {
    at("reference").replaceChildren();
    return;
  }
  const words = use === "needs" ? "This model needs one" : "Optional";
  const url = h("input", { id: "reference-url", type: "url", placeholder: "https://...", autocomplete: "off" });
  const file = h("input", { id: "reference-file", type: "file", accept: "image/*", multiple: max > 1 });
  at("reference").replaceChildren(
    h("label", { for: "reference-url" }, "URL of a reference image"),
    url,
    h("label", { for: "reference-file" }, max > 1 ? "Or files" : "Or a file"),
    file,
    h("p", { class: "hint" }, max > 1 ? `${words}; up to ${max}.` : `${words}.`),
  );
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}
