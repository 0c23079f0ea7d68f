
// ---- the run

const run = JSON.parse(document.getElementById("run").textContent);
const end = run.steps.length - 1;
const LONGEST = 17; // letters of a name beside its line
let room; // around the picture, and for a line of text
let at = end;

const colourOf = (i) => `--colour: hsl(${270 - (250 * i) / Math.max(1, run.names.length - 1)} 65% var(--lightness))`;
const finite = (value) => typeof value === "number";
const across = (step) => room.left + ((width - room.left - room.right) * (step - run.steps[0])) / Math.max(1, run.steps[end] - run.steps[0]);
const seriesOf = (what) => what === "loss" ? [run.loss] : run.names.map((_, i) => run[what].map((row) => row[i]));

const written = (value) => (finite(value) ? number(value) : value);

// ---- the picture

/** Choose a scale: log, unless numbers are below 0; zeros lie on the ground, beneath all others. */
function scaleOf(lines) {
  const all = lines.flat().filter(finite);
  const log = all.some((value) => value > 0) && all.every((value) => value >= 0);
  const of = (value) => (log ? Math.log10(value) : value);
  const shown = all.map(of).filter(Number.isFinite);
  let [low, high] = [Math.min(...shown, Infinity), Math.max(...shown, -Infinity)];
  if (!shown.length) [low, high] = [0, 1];
  if (high - low < 1e-9) [low, high] = [low - 0.5, high + 0.5];
  if (log && high - low > 1) [low, high] = [Math.floor(low), Math.ceil(high)];
  const zero = log && all.includes(0);
  if (zero) low -= (high - low) / 12;
  const up = (value) => {
    const share = Number.isFinite(of(value)) ? (of(value) - low) / (high - low) : 0;
    return height - room.bottom - (height - room.top - room.bottom) * share;
  };
  return { log, zero, low, high, up };
}

/** Choose at most about six numbers to write beside an axis. */
function ticks(low, high, whole) {
  const rough = (high - low) / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  let each = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  if (whole) each = Math.max(1, Math.round(each));
  const first = Math.ceil(low / each - 1e-9);
  return Array.from({ length: Math.floor(high / each + 1e-9) - first + 1 }, (_, i) => Number(((first + i) * each).toPrecision(12)));
}

function axes({ log, zero, low, high, up }) {
  if (zero) element("text", { x: room.left - 6, y: up(0) + room.line / 3, "text-anchor": "end" }, svg, "0");
  for (const tick of ticks(low, high, log && high - low > 1)) {
    const value = log ? 10 ** tick : tick;
    element("line", { class: "grid", x1: room.left, x2: width - room.right, y1: up(value), y2: up(value) }, svg);
    element("text", { x: room.left - 6, y: up(value) + room.line / 3, "text-anchor": "end" }, svg, written(value));
  }
  for (const tick of ticks(run.steps[0], Math.max(run.steps[end], run.steps[0] + 1), true)) {
    element("text", { x: across(tick), y: height - room.bottom / 3, "text-anchor": "middle" }, svg, tick.toLocaleString("en"));
  }
}

/** Draw one line, in pieces where numbers are missing; what is infinite is a cross at the top. */
function curve(values, i, up) {
  let piece = [];
  const style = { style: colourOf(i) };
  const draw = () => {
    if (piece.length === 1) element("circle", { ...style, cx: piece[0][0], cy: piece[0][1], r: 2 }, svg);
    else if (piece.length) element("polyline", { ...style, points: piece.map((p) => p.map((x) => x.toFixed(1)).join()).join(" ") }, svg);
    piece = [];
  };
  values.forEach((value, k) => {
    if (finite(value)) piece.push([across(run.steps[k]), up(value)]);
    else draw();
    if (value === "inf") element("text", { class: "odd", x: across(run.steps[k]), y: room.top, "text-anchor": "middle" }, svg, "×");
  });
  draw();
}

/** Write the names at the ends of their lines, or up to three lines below, as many as there is room for. */
function names(lines, up) {
  const ends = lines.map((values, i) => ({ i, k: Math.max(0, values.findLastIndex(finite)) }));
  const heights = ends.map((end) => ({ ...end, y: up(lines[end.i][end.k] ?? 0) })).sort((a, b) => a.y - b.y);
  let free = room.top + room.line; // below the crosses
  for (const { i, k, y } of heights) {
    const down = Math.max(y, free);
    if (down > y + 3.5 * room.line) continue;
    element("text", { class: "name", style: colourOf(i), x: across(run.steps[k]) + 6, y: down + room.line / 3 }, svg, run.names[i].slice(0, LONGEST));
    free = down + room.line;
  }
}

function drawPicture() {
  const by = 1.3 / fitScale(); // text has 13 pixels, whatever the window
  const letters = Math.max(...run.names.map((name) => Math.min(name.length, LONGEST)));
  room = { left: 46 * by, right: (10 + 6 * letters) * by, top: 12 * by, bottom: 26 * by, line: 11 * by };
  svg.style.fontSize = `${10 * by}px`;
  if (end < 0) return;
  for (const old of svg.querySelectorAll("line, text, polyline, circle")) old.remove();
  const lines = seriesOf(part("what").value);
  const scale = scaleOf(lines);
  axes(scale);
  for (const { step } of run.events) element("line", { class: "event", x1: across(step), x2: across(step), y1: room.top, y2: height - room.bottom }, svg);
  lines.forEach((values, i) => curve(values, i, scale.up));
  if (part("what").value !== "loss") names(lines, scale.up);
  element("line", { id: "cursor", y1: room.top, y2: height - room.bottom }, svg);
  placeCursor();
}

function placeCursor() {
  for (const side of ["x1", "x2"]) part("cursor").setAttribute(side, across(run.steps[at]));
}

// ---- one step

function showStep() {
  const step = run.steps[at];
  part("says").textContent = end < 0 ? "No step was watched." : `Step ${step.toLocaleString("en")}: loss ${written(run.loss[at])}`;
  run.rows.forEach((cells, i) => ["gradient", "share", "weight"].forEach((what, k) => {
    const value = end < 0 ? null : run[what][at][i];
    cells[k].textContent = value === null ? "–" : written(value);
    cells[k].className = value === null || finite(value) ? "" : "bad";
  }));
  const here = run.events.filter((event) => event.step === step);
  part("why").hidden = !here.length;
  part("why").textContent = here.map((event) => `${event.says}\n${event.why}`).join("\n\n");
  part("at").value = at;
  part("at").setAttribute("aria-valuetext", part("says").textContent);
  if (end >= 0) placeCursor();
}

function go(to) {
  at = clamp(0, to, Math.max(0, end));
  showStep();
}

run.rows = run.names.map((name, i) => {
  const row = element("tr", {}, part("rows"));
  element("td", { style: colourOf(i) }, row, name);
  return [0, 1, 2].map(() => element("td", {}, row));
});
for (const event of run.events) {
  const button = element("button", { type: "button" }, element("li", {}, part("events")), event.says);
  button.addEventListener("click", () => go(run.steps.indexOf(event.step)));
}

part("at").max = Math.max(0, end);
part("what").addEventListener("change", drawPicture);
addEventListener("resize", drawPicture);
drawPicture();
go(run.events.length ? run.steps.indexOf(run.events[0].step) : end);
