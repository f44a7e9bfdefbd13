// When the page is drawn: soon after a change, at a pace that the machine keeps, and never under
// people's fingers.

const DRAWING_SHARE = 4; // drawing may take a quarter of the time, however slow the machine is

const views = [];
let drawing = false;
let drawn = 0; // when the last drawing ended
let took = 0; // and how long it took, in milliseconds

/** Registers what draws a part of the page; it is called after each change. */
export const onChange = (view) => views.push(view);

/** Draws the page with one of the next frames. */
export function draw() {
  if (drawing) return;
  drawing = true;
  setTimeout(() => requestAnimationFrame(drawNow), drawn + (DRAWING_SHARE - 1) * took - performance.now());
}

function drawNow() {
  drawing = false;
  if (isInUse()) {
    held = true;
    return;
  }
  const started = performance.now();
  for (const view of views) view();
  drawn = performance.now();
  took = drawn - started;
}

// === What people have under their fingers is not drawn anew ===

const MENU_MILLISECONDS = 8000; // no event tells that a menu was closed without a choice

let pressed = false;
let composing = false; // letters of an input method
let held = false; // a drawing waits
let menu = -Infinity; // when a menu was opened

const isInUse = () => pressed || composing || performance.now() - menu < MENU_MILLISECONDS;

function release() {
  if (!held) return;
  held = false;
  draw();
}

function watchHands() {
  const opens = ({ target }) => (menu = target.closest?.("select") ? performance.now() : -Infinity);
  const up = () => {
    pressed = false;
    setTimeout(release); // after the click that this makes
  };
  const closed = () => {
    menu = -Infinity;
    release();
  };
  addEventListener("pointerdown", (event) => { pressed = true; opens(event); }, true);
  addEventListener("pointerup", up, true);
  addEventListener("pointercancel", up, true);
  addEventListener("compositionstart", () => (composing = true), true);
  addEventListener("compositionend", () => { composing = false; release(); }, true);
  addEventListener("change", closed, true);
  addEventListener("focusout", closed, true);
  setInterval(() => held && !isInUse() && release(), 500);
}

watchHands();
