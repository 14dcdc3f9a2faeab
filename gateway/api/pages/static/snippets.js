// The same request as a program would send it.

const OF_THE_SDK = new Set([
  "model", "prompt", "n", "size", "quality", "style", "background", "moderation", "response_format", "output_format",
  "output_compression", "user",
]);
const LONGEST = 60; // characters of a reference image

/** Write a request with OpenAI's Python library. */
export function python(origin, body, isAnew) {
  const own = Object.entries(body).filter(([name]) => OF_THE_SDK.has(name));
  const others = Object.entries(body).filter(([name]) => !OF_THE_SDK.has(name));
  const lines = own.map(([name, value]) => `    ${name}=${literal(value)},`);
  if (others.length > 0) {
    const pairs = others.map(([name, value]) => `${literal(name)}: ${literal(value)}`);
    lines.push(`    extra_body={${pairs.join(", ")}},`);
  }
  if (isAnew) {
    lines.push('    extra_headers={"cache-control": "no-cache"},');
  }
  return [
    "import base64",
    "import os",
    "from pathlib import Path",
    "",
    "from openai import OpenAI",
    "",
    "client = OpenAI(",
    `    base_url=${literal(`${origin}/v1`)},`,
    '    api_key=os.environ["GATEWAY_KEY"],',
    ")",
    "answer = client.images.generate(",
    ...lines,
    ")",
    "for number, image in enumerate(answer.data):",
    "    picture = base64.b64decode(image.b64_json)",
    `    Path(f"picture-{number}.{answer.output_format}").write_bytes(picture)`,
  ].join("\n");
}

/** Write a request for a shell. */
export function curl(origin, body, isAnew) {
  const json = JSON.stringify(shortened(body), null, 2).replaceAll("'", "'\\''");
  return [
    `curl ${origin}/v1/images/generations \\`,
    '  -H "Authorization: Bearer $GATEWAY_KEY" \\',
    "  -H 'Content-Type: application/json' \\",
    ...(isAnew ? ["  -H 'Cache-Control: no-cache' \\"] : []),
    `  -d '${json}'`,
  ].join("\n");
}

function literal(value) {
  const short = shortened(value);
  if (typeof short === "boolean") {
    return short ? "True" : "False";
  }
  return Array.isArray(short) ? `[${short.map(literal).join(", ")}]` : JSON.stringify(short);
}

/** Cut the bytes of reference images off, which nobody wants to read. */
function shortened(value) {
  if (typeof value === "string") {
    return value.startsWith("data:") && value.length > LONGEST ? `${value.slice(0, LONGEST)}...` : value;
  }
  if (Array.isArray(value)) {
    return value.map(shortened);
  }
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, held]) => [name, shortened(held)]));
  }
  return value;
}
