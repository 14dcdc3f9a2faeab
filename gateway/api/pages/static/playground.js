// The playground: a form of what a model takes, its picture, and the same request as a program.

import { get, logOut, Refusal } from "./api.js";
import { at, copy, h } from "./dom.js";
import { readParameters, readReferences, showParameters } from "./form.js";
import { curl, python } from "./snippets.js";
import { currentKey, prepareKey } from "./teamkey.js";
import { money, plural } from "./words.js";

const HEADERS = [
  ["x-gateway-cache", "Cache"], ["x-gateway-adjusted", "Adjusted"], ["x-gateway-ignored", "Ignored"],
  ["x-gateway-generation-id", "Generation"],
];
const models = new Map();
let pictures = [];

const isAnew = () => at("anew").checked;

async function bodyNow() {
  const image = await readReferences();
  const body = { model: at("model").value, prompt: at("prompt").value, ...readParameters(), ...(image && { image }) };
  return { ...body, response_format: "b64_json" };
}

async function showSnippets() {
  const body = await bodyNow();
  at("python-code").textContent = python(location.origin, body, isAnew());
  at("curl-code").textContent = curl(location.origin, body, isAnew());
}

function showModel() {
  const model = models.get(at("model").value);
  at("about-model").textContent = `${model.price} an image. Sizes: ${model.sizes}.`;
  at("prompt").maxLength = model.prompt_max_chars;
  showParameters(model);
  showSnippets();
}

async function draw(event) {
  event.preventDefault();
  at("failure").textContent = "";
  if (!currentKey()) {
    at("failure").textContent = "A key is needed first: paste one, or make one.";
    at("pasted").focus();
    return;
  }
  at("draw").disabled = true;
  at("status").textContent = "Drawing...";
  const started = performance.now();
  try {
    const response = await ask(await bodyNow());
    const answer = await response.json();
    if (!response.ok) {
      throw new Refusal(response.status, answer.error);
    }
    showAnswer(answer, response.headers, (performance.now() - started) / 1000);
  } catch (error) {
    at("status").textContent = "No picture.";
    at("failure").textContent = error.param ? `${error.message} (${error.param})` : error.message;
  }
  at("draw").disabled = false;
}

function ask(body) {
  return fetch("/v1/images/generations", {
    method: "POST",
    credentials: "omit",
    headers: {
      authorization: `Bearer ${currentKey()}`,
      "content-type": "application/json",
      ...(isAnew() && { "cache-control": "no-cache" }),
    },
    body: JSON.stringify(body),
  });
}

function showAnswer(answer, headers, seconds) {
  pictures.forEach((url) => URL.revokeObjectURL(url));
  pictures = answer.data.map((item) => objectUrl(item, answer.output_format));
  at("pictures").replaceChildren(...answer.data.map((item, index) => figure(item, pictures[index], index, answer)));
  const facts = HEADERS.map(([header, name]) => [name, headers.get(header)]);
  const cost = headers.get("x-gateway-cost-usd");
  const all = [["Cost", cost === null ? null : money(Number(cost))], ...facts, ["Took", `${seconds.toFixed(1)} s`]];
  at("facts").replaceChildren(
    ...all.filter(([, value]) => value !== null).flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
  at("picture").scrollIntoView({ block: "nearest" });
  at("status").textContent = `${plural(answer.data.length, "picture")} of ${at("model").value}.`;
}

function objectUrl(item, format) {
  if (item.url) {
    return item.url;
  }
  const bytes = Uint8Array.from(atob(item.b64_json), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: `image/${format ?? "png"}` }));
}

function figure(item, url, index, answer) {
  const words = item.revised_prompt ?? at("prompt").value;
  const name = `picture-${index}.${answer.output_format ?? "png"}`;
  return h(
    "figure",
    { class: "picture" },
    h("img", { src: url, alt: words }),
    h("figcaption", {}, h("span", {}, [answer.size, answer.output_format].filter(Boolean).join(", ")),
      h("a", { href: url, download: name }, "Download")),
  );
}

async function start() {
  at("log-out").addEventListener("click", logOut);
  const [catalogue, teams] = await Promise.all([get("models"), get("teams")]);
  catalogue.data.forEach((model) => models.set(model.id, model));
  at("model").replaceChildren(...catalogue.data.map(({ id }) => h("option", { value: id }, id)));
  at("model").value = catalogue.default;
  at("model").addEventListener("change", showModel);
  at("ask").addEventListener("input", showSnippets);
  at("ask").addEventListener("submit", draw);
  document.querySelectorAll("[data-copies]").forEach((button) => {
    button.addEventListener("click", () => copy(button, at(button.dataset.copies).textContent));
  });
  prepareKey(teams.data);
  showModel();
}

start().catch((refusal) => (at("problem").textContent = refusal.message));
