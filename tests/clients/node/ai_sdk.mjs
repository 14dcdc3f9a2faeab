// Makes the calls that its argument lists with the Vercel AI SDK, and prints what came of each.

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, RetryError, generateImage } from "ai";

const job = JSON.parse(process.argv[2]);

async function outcome({ provider, model, ...options }) {
  let attempts = 0;
  const settings = {
    baseURL: job.base_url,
    apiKey: job.key,
    fetch: (...request) => {
      attempts += 1;
      return fetch(...request);
    },
  };
  const providers = {
    openai: () => createOpenAI(settings).image(model),
    compatible: () => createOpenAICompatible({ ...settings, name: "gateway" }).imageModel(model),
  };
  try {
    const { images, warnings } = await generateImage({ model: providers[provider](), ...options });
    return { images: images.map(({ mediaType, base64 }) => ({ mediaType, base64 })), warnings, attempts };
  } catch (error) {
    const last = RetryError.isInstance(error) ? error.lastError : error;
    if (!APICallError.isInstance(last)) throw error;
    return { error: { status: last.statusCode, text: last.message, ...last.data?.error }, attempts };
  }
}

console.log(JSON.stringify(await Promise.all(job.calls.map(outcome))));
