
// ---- the pass

const pass = JSON.parse(document.getElementById("pass").textContent);
const last = pass.boxes.length - 1; // of the loss; constants follow
pass.engine?.facts.slice(last + 1).forEach(({ id, name }, i) => {
  const { data, shape } = pass.engine.program.nodes[last + 1 + i];
  pass.boxes.push({ id, name, data: onALine(data.map(Number), shape), because: [] });
});
const end = pass.moves.length;
const buttonFor = (deed) => document.querySelector(`[data-do="${deed}"]`);
const boxes = pass.boxes.map((box) => ({ ...box, group: part(box.id) }));
const [LISTED, TINY, LEGIBLE] = [12, 0.6, 0.9];
let at = 0;
let asked = last; // the selected box
let follows = true; // it is the box of the step
let timer;
let moves;
let onAsk = () => {}; // when a node or a cell is selected
let onCell = () => {};
let tell = () => {}; // reports the step to the surrounding page
let guessing = false; // in predict mode, which disables the steps

/** Load a story: the recorded one, or one with other numbers. */
function load(story) {
  moves = story.moves;
  story.boxes.forEach((box, i) => Object.assign(boxes[i], box, { history: [], arrived: [] }));
  for (const change of story.start) boxes[change.box].history.push({ ...change, at: 0 });
  moves.forEach((move, i) => {
    for (const change of move.changes) boxes[change.box].history.push({ ...change, at: i + 1 });
    for (const sent of move.sends) boxes[sent.to].arrived.push({ ...sent, at: i + 1, from: move.box });
  });
}

load(pass);

const signOf = (size = 0) => (size === null ? "odd" : size > 0 ? "plus" : size < 0 ? "minus" : "zero");

/** Find the sign that all numbers of a line share, ignoring zeros. */
function signOfText(text) {
  if (text.includes("nan")) return "odd";
  const signs = new Set((text.match(/−?(?:\d[\d.e+-]*|inf)/g) ?? []).map((one) => (
    one[0] === "−" ? "minus" : one === "0" ? "zero" : "plus"
  )));
  if (signs.size > 1) signs.delete("zero");
  return signs.size > 1 ? "mixed" : [...signs][0] ?? "";
}

/** Find the sign of a contribution; numbers of both signs have none. */
function signOfSent({ says, size }) {
  const shown = says.split(" = ").at(-1).replace(/^\(.*?\)|, of shape .*/g, "");
  return signOfText(shown) === "mixed" ? "mixed" : signOf(size);
}

/** Fill a list; of a long one, show the last items. */
function list(where, items) {
  const ul = part(where);
  ul.replaceChildren();
  const more = Math.max(0, items.length - LISTED);
  if (more) element("li", {}, ul, `… ${more} more`);
  for (const [text, kind = ""] of items.slice(more)) element("li", { class: kind }, ul, text);
}

// ---- the picture

function now(box) {
  return box.history.findLast((change) => change.at <= at) ?? { lines: ["–"], size: 0 };
}

/** Squeeze texts into their room if the reader's font is wider than expected. */
function squeezeAll(texts) { // measured all at once, as each change forces a new layout
  for (const [text] of texts) text.removeAttribute("textLength");
  const long = texts.filter(([text, room]) => text.getComputedTextLength() > room);
  for (const [text, room] of long) {
    text.setAttribute("textLength", room);
    text.setAttribute("lengthAdjust", "spacingAndGlyphs");
  }
}

/** List the texts of a box's title, each with the room to its right. */
function titleOf(box, right) {
  const titles = [...box.group.querySelectorAll("text:not(.grad, .data)")].filter((text) => text.textContent.trim());
  return titles.map((text, k) => {
    const next = titles[k + 1]?.getAttribute("y") === text.getAttribute("y") ? titles[k + 1] : null;
    return [text, (next ? next.getAttribute("x") - 8 : right - 3) - text.getAttribute("x")];
  });
}

/** Write what a box shows at this step; return its texts. */
function writeBox(i) {
  const box = boxes[i];
  const state = now(box);
  const texts = [...box.group.querySelectorAll(".grad")];
  texts.forEach((text, k) => {
    const line = state.lines[k] ?? "";
    const sign = signOfText(line);
    text.textContent = line;
    text.setAttribute("class", `grad ${sign}`);
    if (/\S\s+\S/.test(line)) { // colour each number by its sign
      text.textContent = "";
      for (const [one] of line.matchAll(/\s*\S+/g)) element("tspan", { class: signOfText(one) }, text, one);
    }
  });
  paint(box, "data-cells", box.cells);
  paint(box, "grad-cells", state.cells);
  const length = Math.abs(state.size ?? 1) * box.wide;
  box.bar.setAttribute("width", length);
  box.bar.setAttribute("x", box.left + (state.size < 0 ? box.wide - length : 0)); // negative from the right
  box.bar.setAttribute("class", `bar ${signOf(state.size)}`);
  box.group.classList.toggle("active", at > 0 && moves[at - 1].box === i);
  box.group.classList.toggle("asked", !follows && asked === i);
  return texts.map((text) => [text, box.room]);
}

function showEdges(n) {
  for (const sent of moves[n].sends) {
    const group = part(sent.edge);
    const state = n + 1 === at ? "active" : n < at ? "done" : "waiting";
    group.setAttribute("class", `edge ${state} ${n < at ? signOf(sent.size) : ""}`);
    if (group.classList.contains("minus")) makeDouble(group);
    const label = group.querySelector("text");
    if (label) label.textContent = sent.short ?? "";
  }
}

/** Draw an edge as a double line: a wide one, and the background in its middle. */
function makeDouble(group) {
  const line = group.querySelector("path");
  if (!line || group.querySelector(".middle")) return;
  const middle = line.cloneNode();
  middle.setAttribute("class", "middle");
  line.after(middle);
}

/** Pan the picture so that a box is visible. */
function bringIn(box) {
  if (fitted) return;
  const [frame, window] = [box.group.getBoundingClientRect(), panel.getBoundingClientRect()];
  const off = (low, high, from, to) => (low < from ? from - low + 20 : high > to ? to - high - 20 : 0);
  const [right, down] = [
    off(frame.left, frame.right, window.left, window.right),
    off(frame.top, frame.bottom, window.top, window.bottom),
  ];
  if (right || down) pan(right, down);
}

// ---- the story

function showStory() {
  const move = moves[at - 1];
  part("says").setAttribute("aria-live", timer ? "off" : "polite"); // announced by screen readers, but not while playing
  part("says").textContent = move ? `${at} of ${end}: ${move.says}` : end ? `Before step 1 of ${end}` : "This pass has no steps";
  part("line").textContent = (move && boxes[move.box].line) ?? "";
  part("equations").replaceChildren();
  for (const text of move?.equations ?? []) {
    const line = element("li", {}, part("equations"));
    typeset(text, line);
    line.style.fontSize = `${clamp(0.7, line.clientWidth / line.scrollWidth, 1)}em`; // a long one is smaller
  }
  list("sends", (move?.sends ?? []).map((sent) => [
    `to ${boxes[sent.to].name}: ${sent.says}${sent.reason ? ` (${sent.reason})` : ""}`, signOfSent(sent),
  ]));
  showGrid(move?.grid);
  part("margin").textContent = move?.margin ?? "";
  part("at").value = at;
  part("at").setAttribute("aria-valuetext", part("says").textContent);
  part("count").textContent = `${at} of ${end}`;
  showLedger();
}

function showLedger() {
  const box = boxes[asked];
  part("who").value = asked;
  const kept = box.history.find((change) => change.at === 0);
  const arrived = box.arrived.filter((sent) => sent.at <= at);
  const rest = box.arrived.length - arrived.length;
  list("entries", [
    ...(kept ? [[`from earlier passes: ${kept.lines.join("; ")}`]] : []),
    ...arrived.map((sent) => [`from ${boxes[sent.from].name}: ${sent.says}`, signOfSent(sent)]),
    ...(rest ? [[`${rest} more to come`, "nothing"]] : []),
  ]);
  const state = now(box);
  const total = state.lines.map((line) => line.replace(/[\u2007\u00a0 ]+/g, " ").trim()).join("; ");
  part("sum").textContent = `= ${total}${state.lines[0] !== "–" ? "" : asked > last ? " (a constant has no gradient)" : " (not computed)"}`;
  list("because", rest || !at ? [] : box.because.map((text) => [text.startsWith("…") ? text : `because ${text}`]));
}

function ask(i) {
  onAsk(i);
  const before = asked;
  [asked, follows] = [i, false];
  squeezeAll([before, i].flatMap(writeBox));
  showLedger();
}

/** Show contributions at the pointer if their list is out of sight. */
function answer(i, { clientX, clientY }) {
  const bubble = part("answer");
  const edge = (id, side) => part(id).getBoundingClientRect()[side];
  bubble.hidden = !matchMedia("(max-width: 50rem)").matches || edge("ledger", "bottom") <= edge("controls", "top");
  bubble.replaceChildren();
  element("b", {}, bubble, `${boxes[i].name} ${part("sum").textContent}`);
  for (const item of part("entries").children) bubble.append(item.cloneNode(true));
  const [wide, high] = [bubble.offsetWidth, bubble.offsetHeight];
  bubble.style.left = `${clamp(4, clientX - wide / 2, innerWidth - wide - 4)}px`;
  bubble.style.top = `${clientY > high + 24 ? clientY - high - 16 : clientY + 24}px`;
}

// ---- moving

function go(position, keepPlaying = false) {
  if (guessing) return;
  if (!keepPlaying) pause();
  arrive(position);
}

function arrive(position) {
  const before = at;
  at = clamp(0, Math.round(position) || 0, end);
  const [low, high] = [Math.min(before, at), Math.max(before, at)];
  const touched = new Set();
  for (let n = Math.max(0, low - 1); n < high; n += 1) {
    showEdges(n);
    touched.add(moves[n].box);
    for (const change of moves[n].changes) touched.add(change.box);
  }
  const move = moves[at - 1];
  part("answer").hidden = true;
  if (follows) asked = move ? move.box : last;
  squeezeAll([...touched].flatMap(writeBox));
  showStory();
  if (move) bringIn(boxes[move.box]);
  tell();
  if (!timer) remember();
}

/** Keep the step in the address. */
function remember() {
  try {
    history.replaceState(null, "", `#step=${at}`);
  } catch { /* a page inside a notebook has no address of its own */ }
}

function pause() {
  if (!timer) return;
  clearTimeout(timer);
  timer = undefined;
  const button = buttonFor("play");
  button.textContent = "▶ Play";
  button.setAttribute("aria-label", "Play");
}

function play() {
  if (guessing) return;
  if (timer) {
    pause();
    showStory();
    remember();
    return;
  }
  const button = buttonFor("play");
  button.textContent = "❚❚ Pause";
  button.setAttribute("aria-label", "Pause");
  const tick = () => {
    if (at >= end) return play();
    timer = setTimeout(tick, 1000 / part("speed").value);
    return go(at + 1, true);
  };
  timer = 1;
  if (at >= end) go(0, true);
  tick();
}

actions.play = play;
Object.assign(keys, { b: "back", n: "next", " ": "play" });

// ---- the start

/** Add a box to a list of choices. Constants come last, in a group. */
function listBox(select, i, text) {
  const group = i > last && (select.querySelector("optgroup") ?? element("optgroup", { label: "Constants" }, select));
  element("option", { value: i }, group || select, text);
}

/** Measure the picture, once it has a layout. */
function measure() {
  const frames = boxes.map((box) => box.group.querySelector("polygon").getBBox()); // before any change
  boxes.forEach((box, i) => {
    const frame = frames[i];
    [box.left, box.wide] = [frame.x, frame.width];
    box.room = frame.width - (i > last ? 6 : 48); // beside the words "data" and "grad"
    box.bar = element("rect", { x: frame.x, y: frame.y + frame.height - 3, width: 0, height: 4 }, box.group);
    box.tip = element("title", {}, box.group, box.name + (box.data ? ` = ${box.data}` : ""));
    box.group.dataset.box = i;
    for (const [name, value] of [["tabindex", 0], ["role", "button"], ["aria-label", box.name]]) {
      box.group.setAttribute(name, value);
    }
    listBox(part("who"), i, box.name);
  });
  squeezeAll(boxes.flatMap((box) => [
    ...titleOf(box, box.left + box.wide),
    ...[...box.group.querySelectorAll(".data")].map((text) => [text, box.room]),
  ]));
}

svg.setAttribute("role", "group"); // whose nodes are buttons
svg.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" && event.key !== " ") return;
  event.preventDefault();
  event.stopPropagation();
  ask(+event.target.closest(".node").dataset.box);
});
svg.addEventListener("focusin", (event) => bringIn(boxes[event.target.dataset.box]));
let pressed;
panel.addEventListener("pointerdown", (event) => { pressed = event; });
panel.addEventListener("click", (event) => {
  if (Math.hypot(event.clientX - pressed.clientX, event.clientY - pressed.clientY) > 5) return; // a drag
  const node = document.elementFromPoint(event.clientX, event.clientY)?.closest(".node");
  part("answer").hidden = true;
  if (!node?.dataset.box) return;
  ask(+node.dataset.box);
  answer(+node.dataset.box, event);
});
part("at").max = end;
part("who").addEventListener("change", (event) => ask(+event.target.value));
const linked = () => go(+(/step=(\d+)/.exec(location.hash)?.[1] ?? at));
addEventListener("hashchange", linked);
document.body.classList.toggle("large", boxes.length > 300);

function showAll() {
  moves.forEach((_, n) => showEdges(n));
  squeezeAll(boxes.flatMap((_, i) => writeBox(i)));
}

/** Fit the picture; if it is too small to read, zoom in and follow the steps. */
function look() {
  fit();
  if (view.scale < TINY) {
    zoom(LEGIBLE / view.scale);
    bringIn(boxes[moves[at - 1]?.box ?? last]);
  }
}

part("fixed").textContent = pass.fixed && `You cannot change numbers on this page: ${pass.fixed}.`;
for (const name of ["whatif", "guess"]) part(name).hidden = true;
buttonFor("guess").hidden = !pass.engine;
