// The calls to the page's own server. A failure is a CallError with the name of its cause.

import { settings } from "./texts.js";

export class CallError extends Error {
  constructor(fields) {
    super(fields.message ?? "");
    Object.assign(this, { kind: "page_gone", reason: "", field: "", retry_after_seconds: null }, fields);
  }
}

const PASSING = new Set(["page_gone", "server_gone", "server_slow", "busy", "slow", "not_ready"]);

/** Whether time alone may mend it. */
export const isPassing = (error) => PASSING.has(error.kind);

let token = sessionStorage.getItem("token") ?? "";

/** Remembers who calls, until the tab is closed. */
export function setToken(value) {
  token = value.trim();
  sessionStorage.setItem("token", token);
}

export const models = () => call("models", { method: "GET" });
export const placements = () => call("placements", { method: "GET" });

/** Posts an object and, where there is one, an image file. */
export function post(name, values, image = null, signal = undefined) {
  const json = new TextEncoder().encode(JSON.stringify(values));
  const length = new DataView(new ArrayBuffer(4));
  length.setUint32(0, json.length);
  const body = new Blob([length.buffer, json, ...(image ? [image] : [])]);
  return call(name, { method: "POST", body, signal, headers: { "content-type": "application/octet-stream" } });
}

async function call(name, options) {
  const headers = { ...options.headers, ...(token ? { authorization: `Bearer ${token}` } : {}) };
  let answer, values;
  try {
    answer = await fetch(`${settings.base}api/${name}`, { ...options, headers, credentials: "omit", cache: "no-store" });
    values = await answer.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new CallError(answer && !answer.ok ? { kind: answer.status === 503 ? "busy" : "page_failed" } : {});
  }
  if (!answer.ok || values.error) throw new CallError(values.error ?? { kind: "page_failed" });
  return values;
}
