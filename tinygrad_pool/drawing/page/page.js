"use strict";

const LARGEST_FIT = 2; // a small graph does not fill the window
const CLOSEST = 40;
const MARGIN = 8;
const panel = document.querySelector("main");
const svg = panel.querySelector("svg");
const shown = document.querySelector("output");
const { x, y, width, height } = svg.viewBox.baseVal;
const fingers = new Map();
let view; // its centre in the picture's units, and pixels per unit
let fitted = true;
let printing = false;

const clamp = (low, value, high) => Math.min(Math.max(value, low), high);

function fitScale() {
  const [w, h] = [panel.clientWidth - 2 * MARGIN, panel.clientHeight - 2 * MARGIN];
  return Math.max(Math.min(w / width, h / height, LARGEST_FIT), 1e-6);
}

function show() {
  view.x = clamp(x, view.x, x + width);
  view.y = clamp(y, view.y, y + height);
  const [w, h] = [panel.clientWidth / view.scale, panel.clientHeight / view.scale];
  svg.setAttribute("viewBox", [view.x - w / 2, view.y - h / 2, w, h].join(" "));
  shown.textContent = `${Math.round(100 * view.scale / fitScale())} %`;
}

function fit() {
  view = { x: x + width / 2, y: y + height / 2, scale: fitScale() };
  fitted = true;
  show();
}

function pan(right, down) {
  view.x -= right / view.scale;
  view.y -= down / view.scale;
  fitted = false;
  show();
}

/** Zoom and leave the point of the window where it is, by default the panel's middle. */
function zoom(factor, point) {
  const box = panel.getBoundingClientRect();
  const [right, down] = point
    ? [point.x - box.left - box.width / 2, point.y - box.top - box.height / 2]
    : [0, 0];
  const least = fitScale() / 2;
  const scale = clamp(least, view.scale * factor, Math.max(CLOSEST, least));
  view.x += right / view.scale - right / scale;
  view.y += down / view.scale - down / scale;
  view.scale = scale;
  fitted = false;
  show();
}

const actions = {
  in: () => zoom(1.25),
  out: () => zoom(0.8),
  fit,
  left: () => pan(60, 0),
  right: () => pan(-60, 0),
  up: () => pan(0, 60),
  down: () => pan(0, -60),
};
const keys = {
  "+": "in", "=": "in", "-": "out", "−": "out", "_": "out", "0": "fit",
  ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down",
};

/** Find what a key means, unless a control that has the focus needs it for itself. */
function meaning(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const own = event.target.matches("button") ? event.key === " " || event.key === "Enter"
    : event.target.matches("select, input");
  return own ? undefined : (event.shiftKey && keys[`Shift ${event.key}`]) || keys[event.key];
}

document.addEventListener("keydown", (event) => {
  const action = actions[meaning(event)];
  if (!action) return;
  event.preventDefault();
  action();
});

for (const button of document.querySelectorAll("button")) {
  button.addEventListener("click", () => actions[button.dataset.do]());
}

panel.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
  const speed = event.ctrlKey ? 0.01 : 0.002; // a pinch on a touchpad comes as Ctrl and a wheel
  zoom(Math.exp(-clamp(-200, event.deltaY * lines, 200) * speed), { x: event.clientX, y: event.clientY });
}, { passive: false });

/** Find the middle of the fingers, and how far the first two are apart. */
function grip() {
  const [a, b = a] = fingers.values();
  return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, apart: Math.hypot(a.x - b.x, a.y - b.y) };
}

panel.addEventListener("pointerdown", (event) => {
  if (event.button !== 0) return;
  panel.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
});

panel.addEventListener("pointermove", (event) => {
  if (!fingers.has(event.pointerId)) return;
  const before = grip();
  fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  const after = grip();
  pan(after.x - before.x, after.y - before.y);
  if (before.apart && after.apart) zoom(after.apart / before.apart, after);
});

for (const end of ["pointerup", "pointercancel"]) {
  panel.addEventListener(end, (event) => fingers.delete(event.pointerId));
}

addEventListener("beforeprint", () => {
  printing = true;
  svg.setAttribute("viewBox", [x, y, width, height].join(" "));
});
addEventListener("afterprint", () => {
  printing = false;
  show();
});

new ResizeObserver(() => {
  if (!printing) (fitted ? fit : show)();
}).observe(panel);
for (const part of document.querySelectorAll("[hidden]")) part.hidden = false;
fit();
