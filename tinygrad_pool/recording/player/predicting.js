
// ---- predict before you step

const [FEW, NEAR, PARTS] = [16, 0.01, 400];
let score;

const isNear = (x, w) => Math.abs(x - w) <= NEAR * Math.abs(w) + 1e-12;

/** Parse a number as people write it: 0,5 or −1/4 or 2*3. */
function read(text) {
  const plain = text.replaceAll("−", "-").replaceAll(",", ".").replaceAll(/[·×]/g, "*");
  const parsed = (one) => (/^[-+.\de]+$/i.test(one.trim()) ? +one : NaN);
  const [first, ...rest] = plain.split(/(?=[*/])/);
  return rest.reduce((x, one) => (one[0] === "*" ? x * parsed(one.slice(1)) : x / parsed(one.slice(1))), parsed(first));
}

/** List the questions of a step: each finite contribution; of a large array, its largest element. */
function questionsOf(n) {
  const step = done.steps[n];
  const { of } = engine.nodes[step.node];
  const asked_ = of.flatMap((p, k) => {
    const c = step.sent[k];
    if (p > last || c === null || !flat(c).length || !flat(c).every(isFinite)) return [];
    const all = [...flat(c).keys()];
    const some = all.length <= FEW ? all : [all.reduce((a, b) => (Math.abs(c[b]) > Math.abs(c[a]) ? b : a))];
    return some.map((j) => ({ step, n, p, k, j, right: flat(c)[j], whole: all.length === some.length }));
  });
  const sums = [...new Set(of)].filter((p) => !engine.nodes[p].shape.length && into(done, p).length > 1
    && into(done, p).every(({ n: other }) => other <= n) && engine.nodes[p].kept === undefined && isFinite(done.grads[p]));
  return [...asked_, ...sums.map((p) => ({ step, n, p, j: 0, right: done.grads[p], whole: true }))];
}

/** Split a contribution into the parts that each unit above sends. */
function partsOf({ step, k, j }) {
  const g = step.upstream;
  if (!Array.isArray(g)) return [step.sent[k]].map((c) => flat(c)[j]);
  if (g.length > PARTS) return [];
  return g.map((one, u) => {
    const alone = Array(g.length).fill(0);
    alone[u] = one;
    return flat(done.backs[step.node](alone)[k])[j];
  });
}

/** List the upstream gradients of the units that look at a cell. */
function lookersAt({ step, n, k, j, p }, parts) {
  const g = flat(step.upstream);
  const grid = moves[n].grid;
  if (grid) {
    const [cells, units] = [grid.cells.length * grid.cells[0].length, grid.windows.length];
    if (Math.floor(j / cells) !== grid.at) return [];
    return grid.windows.flatMap((links, u) => (links.some(([c]) => c === j % cells) ? [g[grid.at * units + u]] : []));
  }
  const alike = flat(step.sent[k]).length === g.length && engine.nodes[p].shape.length === engine.nodes[step.node].shape.length;
  return alike ? [g[j]] : g.length === 1 ? g : g.filter((_, u) => parts[u]);
}

const isOneOf = (x, some) => some.some((one) => isNear(x, one));
const sumOf = (some) => `add up: ${some.map((one) => number(one)).join(" + ")}`;

/** Name the mistake behind a wrong answer, and say what is right. */
function misconception(question, x) {
  const { step, n, p, k, j, right } = question;
  const fact = engine.facts[step.node];
  const name = engine.facts[p].name;
  if (Number.isNaN(x)) return ["not a number", "type a number, such as 0.5 or −1/4"];
  if (k === undefined) {
    const arrived = into(done, p).map(({ sent }) => sent);
    if (isOneOf(x, arrived)) return ["forgot to add up all uses", `${name} is used ${arrived.length} times, and the contributions ${sumOf(arrived)}`];
    return ["wrong sum", `the contributions ${sumOf(arrived)}`];
  }
  const parts = partsOf(question);
  const seen_ = lookersAt(question, parts);
  const own = flat(done.values[p])[j];
  const ys = flat(done.values[step.node]);
  const y = ys[ys.length === 1 ? 0 : j];
  const sent = parts.filter(Boolean);
  const g = seen_.length === 1 ? seen_[0] : undefined;
  const all = seen_.reduce((sum, one) => sum + one, 0);
  const slope = !Array.isArray(step.upstream) && !engine.nodes[p].shape.length ? done.backs[step.node](1)[k] : undefined;
  if (right && isNear(x, -right)) return ["wrong sign", "the magnitude is right"];
  if (fact.chooses && !(fact.off && right === 0)) {
    if (Math.abs(x) > Math.abs(right) && isNear(x, paidToAll(question, own))) return ["sent all of it to every tie", `several share the maximum, and ties="${fact.ties}" sends ${fact.ties === "even" ? "each an equal share" : `all of it to the ${fact.ties} one`}`];
    if (x && right === 0 && isOneOf(x, [...seen_, all])) return ["sent it to a loser", "a maximum sends the whole gradient to its winner, and 0 to the others"];
  }
  if (x === 0 && right && own === 0) return ["took the value 0 for the slope", fact.chooses ? `${name} is 0, but it won, so it gets the gradient` : `the slope with respect to ${name} counts, not ${name} itself`];
  if (sent.length > 1 && isOneOf(x, sent)) return [`forgot to add up all ${moves[n].grid ? "windows" : "uses"}`, `${sent.length} units look at it, and their contributions ${sumOf(sent)}`];
  if (fact.bends && g !== undefined && isNear(x, g)) return ["forgot σ′", `multiply by the slope of the activation at ${number(own)}`];
  if (slope !== undefined && isNear(x, slope)) return ["forgot the upstream gradient", `multiply the slope ${number(slope)} by the upstream gradient ${number(step.upstream)}`];
  const isSlopeless = g !== undefined && isNear(x, g);
  if (!isSlopeless && [own, y].some((one) => isNear(x, one) || (g !== undefined && isNear(x, g * one)))) return ["used the data as the slope", "a number is not its slope; see the rule below"];
  return [isSlopeless ? "forgot the slope" : "wrong number", "multiply the upstream gradient by the slope, the local derivative"];
}

/** Add up what an element would get if every unit that ties for a maximum got all of it. */
function paidToAll({ step, n, j, p }, own) {
  const [grid, g] = [moves[n].grid, flat(step.upstream)];
  if (!grid) return flat(done.values[step.node]).reduce((sum, y, u) => (y === own ? sum + g[u] : sum), 0);
  const [cells, units] = [grid.cells.length * grid.cells[0].length, grid.windows.length];
  if (Math.floor(j / cells) !== grid.at) return 0;
  const x = done.values[p].slice(grid.at * cells);
  return grid.windows.reduce((sum, links, u) => {
    const best = links.some(([c]) => c === j % cells) && links.every(([c]) => x[c] <= own);
    return best ? sum + g[grid.at * units + u] : sum;
  }, 0);
}

function label({ p, j, k, whole }) {
  const { shape } = engine.nodes[p];
  const at_ = shape.length ? `[${places(shape)[j].join(", ")}]` : "";
  const value = number(flat(done.values[p])[j]);
  return k === undefined ? `total gradient of ${engine.facts[p].name}` : `to ${engine.facts[p].name}${at_} (value ${value}${whole ? "" : ", one of many"})`;
}

/** Ask about the next step; steps without a question are skipped. */
function question() {
  const form = part("guess");
  while (at < end && !questionsOf(at).length) arrive(at + 1);
  form.replaceChildren();
  if (at >= end) {
    const reasons = Object.entries(score.reasons).map(([name, times]) => `${name}${times > 1 ? ` (${times})` : ""}`);
    element("p", { class: "ask", role: "status", tabindex: -1 }, form, `You predicted ${score.right} of ${score.asked}.`).focus();
    if (reasons.length) element("p", {}, form, `Mistakes: ${reasons.join(", ")}.`);
    element("button", { type: "button" }, element("p", {}, form), "Try again").addEventListener("click", () => begin());
    return;
  }
  const asked_ = questionsOf(at);
  element("p", { class: "ask" }, form, `${at + 1} of ${end}: ${moves[at].says}. What does it send?`);
  let table;
  const fields = asked_.map((one) => {
    const { shape } = engine.nodes[one.p];
    if (shape.length && one.whole && one.j === 0) {
      element("p", {}, form, `to ${engine.facts[one.p].name}, each element (grey: its value):`);
      table = element("div", { class: "cells", style: `grid-template-columns: repeat(${shape.at(-1)}, 1fr)` }, form);
    }
    const all = shape.length && one.whole;
    const row = all ? table : element("label", {}, form, label(one));
    const typing = { type: "text", autocomplete: "off", spellcheck: "false", placeholder: all ? number(flat(done.values[one.p])[one.j], 3) : "" };
    return element("input", { ...typing, ...(all && { "aria-label": label(one) }) }, row);
  });
  document.body.classList.add("asking");
  const { grid: windows } = moves[at];
  showGrid(windows && {
    ...windows, landed: windows.landed.map((row) => row.map(() => "0")),
    windows: windows.windows.map((links) => links.map(([c]) => [c, "0"])),
  });
  const answers = element("ul", { "aria-live": "polite" }, form);
  const button = element("button", { type: "button" }, element("p", {}, form), "Check");
  button.addEventListener("click", () => {
    if (button.textContent === "Check") check(asked_, fields, answers, button);
    else question();
  });
  for (const field of fields) {
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // or the button, which is focused next, would receive it too
      button.click();
    });
  }
  if (window === window.top || document.hasFocus()) fields[0].focus(); // or the surrounding page would scroll here
  light(done.steps[at].node);
}

function check(asked_, fields, answers, button) {
  asked_.forEach((one, i) => {
    const x = read(fields[i].value);
    const right = isNear(x, one.right);
    score.asked += 1;
    score.right += right ? 1 : 0;
    fields[i].readOnly = true;
    fields[i].className = right ? "right" : "wrong";
    fields[i].setAttribute("aria-invalid", !right);
    if (right) return;
    const [name, instead] = misconception(one, x);
    score.reasons[name] = (score.reasons[name] ?? 0) + 1;
    element("li", {}, answers, `${label(one)}: the answer is ${number(one.right)}. ${name[0].toUpperCase()}${name.slice(1)}: ${instead}.`);
  });
  if (!answers.children.length) element("li", {}, answers, "Right.");
  document.body.classList.remove("asking");
  arrive(at + 1);
  button.textContent = at < end ? "Next" : "Score";
  button.focus();
}

/** Mark the node in question. */
function light(i) {
  ask(i);
  follows = true;
  boxes[i].group.classList.add("asked");
}

function begin() {
  score = { right: 0, asked: 0, reasons: {} };
  pause();
  arrive(0);
  question();
}

function guess() {
  guessing = !guessing;
  const button = buttonFor("guess");
  button.setAttribute("aria-pressed", guessing);
  button.textContent = guessing ? "Stop" : "Predict";
  document.body.classList.toggle("guessing", guessing);
  part("guess").hidden = !guessing;
  for (const other of document.querySelectorAll("#controls :is(button:not([data-do='guess']), input, select)")) other.disabled = guessing;
  document.body.classList.remove("asking");
  if (guessing) begin();
  else arrive(at);
}

actions.guess = guess;
