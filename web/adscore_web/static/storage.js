// What a tab holds, kept in the browser so that a reload loses nothing. Each tab has its own.

const NAME = "adscore-page";
const KEPT_DAYS = 14;
const DAY = 86_400_000;

let database = null;
let tab = "";

/** Opens the storage and returns what this tab held. Without storage the page works on. */
export async function open() {
  tab = await ownTab();
  database = await opened().catch(() => null); // a private window, or a full disk
  const [state, files] = await Promise.all([get("tabs", tab), all("files", tab)]);
  forgetOld();
  const value = { ...state?.value, ...JSON.parse(sessionStorage.getItem(lastName()) ?? "{}") };
  sessionStorage.removeItem(lastName()); // after a crash it would be old
  return { state: value, files: new Map(files.map((file) => [file.id, file.blob])) };
}

const lastName = () => `last-${tab}`; // a copied tab has another name, and takes nothing from its original

/** Keeps a small state before the page is gone: a database would be too slow. */
export function keepAtOnce(value) {
  try {
    sessionStorage.setItem(lastName(), JSON.stringify(value));
  } catch {
    // It is too large; what was kept a moment ago has to do.
  }
}

/** A name for this tab. A copied tab has its original's session: whoever comes later gets a new name. */
async function ownTab() {
  const kept = sessionStorage.getItem("tab");
  const name = kept && (await isFree(kept)) ? kept : crypto.getRandomValues(new Uint32Array(3)).join("-");
  if (name !== kept) await isFree(name);
  sessionStorage.setItem("tab", name);
  return name;
}

function isFree(name) {
  if (!navigator.locks) return Promise.resolve(true);
  return new Promise((resolve) => {
    navigator.locks.request(lockName(name), { ifAvailable: true }, (lock) => {
      resolve(lock !== null);
      return lock && new Promise(() => {}); // held until the tab is gone
    });
  });
}

const lockName = (name) => `${NAME}-${name}`;

function opened() {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("tabs", { keyPath: "tab" });
      request.result.createObjectStore("files", { keyPath: ["tab", "id"] });
    };
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function run(store, mode, work) {
  if (!database) return Promise.resolve(undefined);
  return new Promise((resolve) => {
    const transaction = database.transaction(store, mode);
    const request = work(transaction.objectStore(store));
    transaction.oncomplete = () => resolve(request?.result);
    transaction.onerror = transaction.onabort = () => resolve(undefined);
  });
}

const get = (store, key) => run(store, "readonly", (open) => open.get(key));
const ofTab = (name) => IDBKeyRange.bound([name], [name, []]);
const all = async (store, name) => (await run(store, "readonly", (open) => open.getAll(ofTab(name)))) ?? [];

export const keepFile = (id, blob) => run("files", "readwrite", (open) => open.put({ tab, id, blob }));
export const dropFile = (id) => run("files", "readwrite", (open) => open.delete([tab, id]));
export const keepState = (value) => run("tabs", "readwrite", (open) => open.put({ tab, time: Date.now(), value }));

/** Forgets what closed tabs left behind two weeks ago. */
async function forgetOld() {
  const tabs = (await run("tabs", "readonly", (open) => open.getAll())) ?? [];
  const held = new Set(((await navigator.locks?.query())?.held ?? []).map((lock) => lock.name));
  for (const one of tabs) {
    if (Date.now() - one.time < KEPT_DAYS * DAY || held.has(lockName(one.tab))) continue;
    await run("files", "readwrite", (open) => open.delete(ofTab(one.tab)));
    await run("tabs", "readwrite", (open) => open.delete(one.tab));
  }
}
