// Requests to the gateway: by the session's cookie, and with the page's token.

const token = document.querySelector("meta[name=csrf-token]").content;

/** What the gateway refused: its own words, and the parameter at fault. */
export class Refusal extends Error {
  constructor(status, error) {
    super(error?.message ?? `The gateway answered with ${status}.`);
    this.status = status;
    this.param = error?.param ?? null;
    this.code = error?.code ?? null;
  }
}

/** Fetch JSON from below /admin. */
export const get = (path, query = {}) => request("GET", path, query);

/** Change something below /admin. */
export const send = (method, path, body) => request(method, path, {}, body);

/** End the session. */
export async function logOut() {
  const left = await fetch("/logout", { method: "POST", headers: { "x-csrf-token": token } });
  if (left.ok) location.assign("/login");
  else alert("You are still logged in: the gateway could not end your session. Try again.");
}

async function request(method, path, query, body) {
  const named = Object.entries(query).filter(([, value]) => value);
  const search = new URLSearchParams(named).toString();
  const response = await fetch(`/admin/${path}${search && `?${search}`}`, {
    method,
    headers: { "x-csrf-token": token, ...(body && { "content-type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  if (response.status === 401) {
    location.assign(`/login?next=${location.pathname}`); // the session is over
    return new Promise(() => {});
  }
  const answer = await response.json();
  if (!response.ok) {
    throw new Refusal(response.status, answer.error);
  }
  return answer;
}
