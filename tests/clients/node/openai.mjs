// Makes the calls that its argument lists with openai-node, and prints what came of each.

import OpenAI from "openai";

const job = JSON.parse(process.argv[2]);

async function outcome(call) {
  let attempts = 0;
  const client = new OpenAI({
    baseURL: job.base_url,
    apiKey: call.key ?? job.key,
    fetch: (...request) => {
      attempts += 1;
      return fetch(...request);
    },
  });
  try {
    return { ...(await verbs[call.verb](client, call.with ?? {})), attempts };
  } catch (error) {
    if (!(error instanceof OpenAI.APIError)) throw error;
    return { error: described(error), attempts };
  }
}

const verbs = {
  async generate(client, parameters) {
    const { data, request_id } = await client.images.generate(parameters).withResponse();
    return { reply: data, request_id };
  },

  async stream(client, parameters) {
    const events = [];
    for await (const event of await client.images.generate({ ...parameters, stream: true })) events.push(event);
    return { events };
  },

  async models(client) {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    return { ids };
  },
};

function described(error) {
  const { status, code, param, type, requestID, message } = error;
  return { class: error.constructor.name, status, code, param, type, request_id: requestID, text: message };
}

console.log(JSON.stringify(await Promise.all(job.calls.map(outcome))));
