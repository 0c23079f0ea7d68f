
// ---- what if a leaf or a constant had another value

const [SAMPLES, HALVINGS, MOST_TURNS] = [96, 60, 8];
const leaves = [...engine.nodes.keys()].filter( // and constants
  (i) => engine.nodes[i].run === undefined && flat(engine.nodes[i].data).length);
const recorded = engine.nodes.map((node) => node.data);
let given = recorded;
let done = compute(engine, given);
let [leaf, cell] = [leaves[0], 0]; // which number of which leaf is changed
let range;
let span; // half of it
let turns = [];
let [drawing, least, most] = [];

const unchanged = () => given.every((data, i) => Object.is(data, recorded[i]));
const numberOf = (data) => flat(data[leaf])[cell];
const places = (shape) => (shape.length ? places(shape.slice(0, -1)).flatMap((at) => (
  Array.from({ length: shape.at(-1) }, (_, i) => [...at, i]))) : [[]]);

/** Tell constants apart by operation, place and numbers: an input of several neurons is alike. */
function useOf(i) {
  const [user, place] = boxes[i].id.slice(1).split("c");
  return `${engine.facts[user].op} ${place} ${recorded[i]}`;
}

const others = () => (leaf > last ? leaves.filter((i) => i > last && i !== leaf && useOf(i) === useOf(leaf)) : []);
const chosen = () => [leaf, ...(part("alike").checked ? others() : [])];

/** Return the data of all leaves, with another number in the chosen places. */
function withNumber(x) {
  const places_ = chosen();
  return given.map((data, i) => {
    const number = engine.nodes[i].single ? Math.fround(x) : x;
    return !places_.includes(i) ? data : Array.isArray(data) ? data.with(cell, number) : number;
  });
}

const lossOf = ({ values }) => flat(values[last]).reduce((sum, y, i) => sum + y * flat(engine.seed)[i], 0);
const lossName = (engine.nodes[last].shape.length ? "Σ " : "") // of an array, the curve shows the sum
  + (flat(engine.seed).every((g) => g === 1) ? "" : "g · ") + engine.facts[last].name;
const slopeOf = ({ grads }) => chosen().reduce((sum, i) => sum + (grads[i] === undefined ? 0 : flat(grads[i])[cell]), 0);

/** Compute the loss with another number, and the choices made on the way. */
function tried(x) {
  marks = [];
  try {
    const loss = lossOf(compute(engine, withNumber(x), true));
    return { x, loss, marks };
  } catch {
    return { x, loss: NaN, marks: [] };
  } finally {
    marks = undefined;
  }
}

/** Find the first node that chooses differently. */
const firstTurn = (a, b) => a.marks.find(([, choice], i) => choice !== b.marks[i]?.[1])?.[0];

/** Return whether a slope jumps by more than rounding and the bisection leave, and visibly. */
const jumps = ({ slopes: [low, high] }) => (
  Math.abs(low - high) > Math.max(1e-9 * (most - least) / span, 1e-3 * Math.abs(low)));

/** Find where the slope may jump, by bisection between two numbers with different choices. */
function turnsBetween(low, high, most = 3) {
  const end = high;
  for (let k = 0; k < HALVINGS && firstTurn(low, high) !== undefined; k += 1) {
    const x = (low.x + high.x) / 2;
    if (x === low.x || x === high.x) break;
    const middle = tried(x);
    if (firstTurn(low, middle) === undefined) low = middle;
    else high = middle;
  }
  const at = Math.abs(high.x) < 1e-12 * span ? 0 : high.x; // bisection approaches 0 but does not reach it
  const later = most > 1 && firstTurn(high, end) !== undefined ? turnsBetween(high, end, most - 1) : [];
  try {
    const sides = [low, high].map(({ x }) => compute(engine, withNumber(x)));
    return [{ x: at, node: firstTurn(low, high), sides, slopes: sides.map(slopeOf), loss: high.loss }, ...later];
  } catch {
    return later;
  }
}

/** Merge two turns in one place: a shared tie is a third choice between two others. */
function withTurn(some, turn) {
  const last = some.at(-1);
  if (last === undefined || turn.x - last.x > 1e-6 * span) return [...some, turn];
  const [sides, slopes] = ["sides", "slopes"].map((both) => [last[both][0], turn[both][1]]);
  return [...some.slice(0, -1), { ...last, sides, slopes }];
}

/** Sample the loss over the range of the slider, and find its kinks. */
function survey() {
  const [low, high] = range;
  const began = performance.now();
  tried(low);
  const n = performance.now() - began > 8 ? 24 : SAMPLES;
  const samples = Array.from({ length: n + 1 }, (_, i) => tried(low + (high - low) * i / n));
  turns = samples.slice(1).flatMap((sample, i) => (
    firstTurn(samples[i], sample) === undefined ? [] : turnsBetween(samples[i], sample)));
  turns = turns.reduce(withTurn, []);
  drawing = [...samples, ...turns].filter(({ loss }) => Number.isFinite(loss)).sort((a, b) => a.x - b.x);
  const losses = drawing.map(({ loss }) => loss);
  [least, most] = [losses.reduce(min, Infinity), losses.reduce(max, -Infinity)];
  turns = turns.filter(jumps).slice(0, MOST_TURNS);
}

/** Describe a kink. */
function turnSaid({ x, node, sides, slopes }) {
  const fact = engine.facts[node];
  const winners = sides.map((side) => fact.rivals && rivalSaid(side, fact.rivals[contest(side, node).winner]));
  const switches = winners[0] !== winners[1] ? ` switches from ${winners[0]} to ${winners[1]} and` : " has a kink:";
  return `${called()} = ${number(x)}, where ${fact.name}${switches} the slope jumps from ${number(slopes[0])} to ${number(slopes[1])}`;
}

const [WIDE, HIGH, RIM, TOP] = [260, 92, 6, 22]; // the text is above the curve

/** Draw the loss as a function of the number, with its kinks, and the gradient as a tangent. */
function showCurve() {
  const [low, high] = range;
  const tall = most - least || 1;
  const across = (x) => RIM + (WIDE - 2 * RIM) * (x - low) / (high - low);
  const up = (y) => HIGH - RIM - (HIGH - RIM - TOP) * (y - least) / tall;
  const figure = part("curve");
  figure.replaceChildren();
  const picture = element("svg", { viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img" }, figure);
  picture.setAttribute("aria-label", `${lossName} from ${number(least)} to ${number(most)} over ${called()} from ${number(low)} to ${number(high)}`);
  for (const { x } of turns) element("line", { x1: across(x), x2: across(x), y1: 0, y2: HIGH, class: "turn" }, picture);
  element("polyline", { points: drawing.map(({ x, loss }) => `${across(x)},${up(loss)}`).join(" ") }, picture);
  const [x, y, slope] = [numberOf(given), lossOf(done), slopeOf(done)];
  if ([x, y, slope].every(Number.isFinite)) {
    const [[x1, y1], [x2, y2]] = [low, high].map((end) => [across(end), up(y + slope * (end - x))]);
    element("line", { x1, y1, x2, y2, class: `tangent ${signOf(slope)}` }, picture);
    element("circle", { cx: across(x), cy: up(y), r: 5, class: signOf(slope) }, picture);
  }
  const words = `${lossName} = ${number(y)}, slope ${number(slope)}`;
  squeezeAll([[element("text", { x: RIM, y: 12 }, picture, words), WIDE - 2 * RIM]]);
}

const called = () => {
  const { shape } = engine.nodes[leaf];
  const { name } = engine.facts[leaf];
  const index = shape.length ? `[${places(shape)[cell].join(", ")}]` : "";
  const more = chosen().length - 1;
  return leaf > last ? name.replace("constant", `constant${index}`) + (more ? ` and ${more} more` : "") : name + index;
};

const RELATIONS = {
  "<": (x, w) => x < w, "<=": (x, w) => x <= w, ">": (x, w) => x > w, ">=": (x, w) => x >= w, bool: (x) => x !== 0,
};

/** Warn of choices by Python that would now differ: the page keeps the recorded ones. */
function forksSaid() {
  return engine.forks.filter(({ node, relation, answer: was, other, rival }) => {
    const against = rival === null ? Number(other) : flat(done.values[rival])[0];
    return RELATIONS[relation]?.(flat(done.values[node])[0], against) !== was;
  }).map(({ says }) => `${says}; it would now choose differently, but the page keeps the old choice. `).join("");
}

function showTurns() {
  const [x, was] = [numberOf(given), numberOf(recorded)];
  const changed = Object.is(x, was) ? "" : `${called()} was ${number(was)}. `;
  const near = [turns.findLast((turn) => turn.x < x), turns.find((turn) => turn.x >= x)].filter(Boolean);
  const listed = near.map(turnSaid).join("; ");
  const constant = leaf > last ? "A constant has no gradient: the slope is what it would be as a Value. " : "";
  part("turns").textContent = changed + constant + forksSaid() + (listed ? `Nearest kink${near.length > 1 ? "s" : ""} of ${lossName}: ${listed}.` : "");
}

/** Show the pass with the present numbers. */
function retell() {
  const story = unchanged() ? { ...pass, moves: pass.moves.map((move) => ({ ...move })) } : retold(done);
  story.moves.forEach((move, n) => {
    const step = done.steps[n];
    move.margin = move.grid ? windowMargin(done, step, move.grid) : marginOf(done, step);
  });
  load(story);
  squeezeAll(boxes.flatMap((box, i) => {
    const lines = numbers(done.values[i], engine.nodes[i].shape).split("\n");
    box.tip.textContent = `${box.name} = ${box.data}`;
    return [...box.group.querySelectorAll(".data")].map((text, k) => {
      if (text.textContent.trim() !== (lines[k] ?? "").trim()) text.textContent = lines[k] ?? "";
      return [text, box.room];
    });
  }));
  grid = undefined;
  showAll();
  showStory();
}

/** Give the chosen leaf another number, or say why the page cannot compute with it. */
function give(x, typed) {
  const before = given;
  given = withNumber(x);
  if (Object.is(numberOf(given), numberOf(recorded))) given = given.map((data, i) => (String(data) === String(recorded[i]) ? recorded[i] : data));
  try {
    done = compute(engine, given);
  } catch (error) {
    given = before;
    part("turns").textContent = `${called()} = ${number(x)} cannot be computed: ${error.message}.`;
    return;
  }
  retell();
  if (typed || x < range[0] || x > range[1]) reach();
  showNumber();
}

/** Set the range of the slider: three times the number to both sides. */
function reach() {
  const [x, was] = [numberOf(given), numberOf(recorded)].map((one) => (Number.isFinite(one) ? one : 0));
  span = Math.max(1, 3 * Math.abs(was), 1.5 * Math.abs(x - was));
  range = [was - span, was + span];
  [part("slide").min, part("slide").max] = range;
  part("slide").step = span / 100;
  survey();
}

function showNumber() {
  const x = numberOf(given);
  const { single } = engine.nodes[leaf];
  const typed = +part("to").value;
  if (document.activeElement !== part("to") || (single ? Math.fround(typed) : typed) !== x) {
    part("to").value = !isFinite(x) ? "" : single ? +x.toPrecision(8) : x;
  }
  part("slide").value = x;
  part("slide").setAttribute("aria-valuetext", `${called()} = ${number(x)}`);
  buttonFor("reset").disabled = unchanged();
  showCurve();
  showTurns();
}

function choose(i, place = 0) {
  if (i !== leaf) part("alike").checked = false;
  [leaf, cell] = [i, place];
  const { length } = others();
  part("too").hidden = !length;
  part("too").lastChild.textContent = `and ${length} more like it`;
  part("leaf").value = i;
  const { shape } = engine.nodes[i];
  part("cell").hidden = !shape.length;
  part("cell").replaceChildren();
  if (shape.length) places(shape).forEach((at, k) => element("option", { value: k }, part("cell"), `[${at.join(", ")}]`));
  part("cell").value = place;
  part("to").setAttribute("aria-label", `${called()} were`);
  part("slide").setAttribute("aria-label", called());
  reach();
  showNumber();
}

Object.assign(actions, {
  reset: () => {
    given = recorded;
    done = compute(engine, given);
    retell();
    choose(leaf, cell);
  },
});

for (const i of leaves) {
  const { name } = engine.facts[i];
  listBox(part("leaf"), i, i > last ? name.replace("constant", boxes[i].data) : name);
}
part("leaf").addEventListener("change", (event) => choose(+event.target.value));
part("alike").addEventListener("change", () => choose(leaf, cell));
part("cell").addEventListener("change", (event) => choose(leaf, +event.target.value));
let waiting;
part("slide").addEventListener("input", (event) => {
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => give(+(+event.target.value).toPrecision(6)));
});
part("to").addEventListener("input", (event) => {
  if (event.target.value !== "" && Number.isFinite(+event.target.value)) give(+event.target.value, true);
});

/** Begin with the numbers of the recorded pass. */
function openInstrument() {
  part("whatif").hidden = !leaves.length;
  retell();
  if (leaves.length) choose(leaf);
  onCell = (k) => {
    const p = at && engine.nodes[done.steps[at - 1].node].of[0];
    if (leaves.includes(p) && !guessing) choose(p, k);
  };
  onAsk = (i) => { if (leaves.includes(i) && i !== leaf && !guessing) choose(i); };
}
