
// ---- NumPy's functions, of flat arrays in row-major order

const same = (x) => x;
const max = (x, w) => (x >= w || Number.isNaN(x) ? x : w);
const min = (x, w) => (x <= w || Number.isNaN(x) ? x : w);
const rint = (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
let marks; // the choices made so far, while they are being recorded

/** Record a choice that decides which operand wins, and its node. */
function seen(choice) {
  marks?.push([marks.at, String(choice)]);
  return choice;
}

/** Raise to a power. Small exponents are exact, as in NumPy. */
function pow(x, n) {
  switch (n) {
    case 0: return 1;
    case 1: return x;
    case 2: return x * x;
    case 0.5: return x === -Infinity ? Infinity : Math.sqrt(x);
    case -1: return 1 / x;
    default: return x === 1 || (x === -1 && Math.abs(n) === Infinity) ? 1 : x ** n;
  }
}

function each(n, f, ...xs) {
  return Array.from({ length: n }, (_, i) => f(...xs.map((x) => (Array.isArray(x) ? x[i] : x))));
}

const take = (x, cells) => cells.map((cell) => (cell < 0 ? 0 : x[cell]));
const join = (...xs) => xs.flat();

function scatter(x, cells, n, round = same) {
  const y = Array(n).fill(0);
  cells.forEach((cell, i) => { if (cell >= 0) y[cell] = round(y[cell] + x[i]); });
  return y;
}

/** Add up contiguous numbers pairwise, as NumPy does. */
function pairs(x, from, n, round) {
  if (n > 128) {
    const half = Math.floor(n / 2) - (Math.floor(n / 2) % 8);
    return round(pairs(x, from, half, round) + pairs(x, from + half, n - half, round));
  }
  let sum = 0;
  let i = 0;
  if (n >= 8) {
    const r = Array.from({ length: 8 }, (_, k) => +x[from + k]);
    for (i = 8; i + 8 <= n; i += 8) for (let k = 0; k < 8; k += 1) r[k] = round(r[k] + x[from + i + k]);
    const [a, b, c, d] = [0, 2, 4, 6].map((k) => round(r[k] + r[k + 1]));
    sum = round(round(a + b) + round(c + d));
  }
  for (; i < n; i += 1) sum = round(sum + x[from + i]);
  return sum;
}

/** Add up rows of n numbers, of which `run` at a time are contiguous in memory. */
function total(x, n, run, round = same) {
  return Array.from({ length: x.length / n }, (_, row) => {
    let sum = 0;
    for (let i = 0; i < n; i += run) sum = round(sum + pairs(x, row * n + i, run, round));
    return sum;
  });
}

/** Combine the elements of each row of n from left to right, and keep each partial result. */
function running(x, n, f) {
  let sum;
  return x.map((one, i) => { sum = i % n ? f(sum, +one) : +one; return sum; });
}

function best(x, n, better) {
  return Array.from({ length: x.length / n }, (_, row) => x.slice(row * n, (row + 1) * n).reduce(better));
}

function product(x, w, matrices, rows, n, columns, round = same) {
  const y = [];
  for (let i = 0; i < matrices * rows; i += 1) {
    const matrix = Math.floor(i / rows);
    for (let j = 0; j < columns; j += 1) {
      let sum = 0;
      for (let l = 0; l < n; l += 1) sum = round(sum + round(x[i * n + l] * w[(matrix * n + l) * columns + j]));
      y.push(sum);
    }
  }
  return y;
}

/** Find the winners in rows of n; `units` marks the cells that compete. */
function winners(x, n, ties, better, units) {
  const won = Array(x.length).fill(false);
  for (let from = 0; from < x.length; from += n) {
    const here = [...Array(n).keys()].map((i) => from + i).filter((i) => !units || units[i]);
    const most = here.map((i) => x[i]).reduce(better);
    const hits = here.filter((i) => Object.is(x[i], most) || x[i] === most);
    if (ties === "error" && hits.length > 1) throw new Error("two share a maximum, and ties=\"error\" allows one winner");
    for (const i of ties === "even" ? hits : [ties === "last" ? hits.at(-1) : hits[0]]) won[i] = true;
  }
  return won;
}

/** Find the winning links of windows of n cells each; a cell of −1 is padding. */
function links(x, cells, n, ties) {
  const won = winners(take(x, cells), n, ties, max, cells.map((cell) => cell >= 0));
  const at = [...won.keys()].filter((i) => won[i]);
  const unit = at.map((i) => Math.floor(i / n));
  const counts = total(won, n, n);
  const first = at.filter((i, k) => unit[k] !== unit[k - 1]);
  return { unit, cell: at.map((i) => cells[i]), n: counts, first: first.map((i) => cells[i]) };
}

// ---- the pass

const plus = (x, w, round) => (Array.isArray(x) ? x.map((one, i) => round(one + w[i])) : round(x + w));

/** Run both passes. Returns the data of each node, the steps, and each final gradient. */
function compute(program, leaves, forwardOnly = false) {
  const [values, backs] = [[...leaves], []]; // constants come after the nodes that use them
  program.nodes.forEach((node, i) => {
    if (node.run === undefined) return;
    if (marks) marks.at = i;
    [values[i], backs[i]] = functions[node.run](node.of.map((p) => values[p]), node.k);
  });
  if (forwardOnly) return { values };
  const grads = [];
  grads[program.loss] = program.seed;
  const steps = program.order.map((i) => {
    const sent = backs[i](grads[i]);
    program.nodes[i].of.forEach((p, k) => {
      if (sent[k] === null) return;
      const round = program.nodes[p].single ? Math.fround : same;
      grads[p] = grads[p] === undefined ? sent[k] : plus(grads[p], sent[k], round);
    });
    return { node: i, upstream: grads[i], sent };
  });
  return { values, backs, grads, steps };
}

/** Convert strings for infinities and NaN to numbers, and data without axes to a number. */
function loaded(told) {
  const whole = (x) => (Array.isArray(x) ? x.map(Number) : Number(x));
  const constants = told.constants.map(whole);
  const alone = (x, shape) => (shape.length ? whole(x) : Number(x[0]));
  const nodes = told.nodes.map((node) => ({
    ...node,
    data: node.data && alone(node.data, node.shape),
    kept: node.kept && alone(node.kept, node.shape),
    k: (node.k ?? []).map((i) => constants[i]),
  }));
  const loss = told.order[0]; // constants follow
  return { ...told, nodes, loss, seed: alone(told.seed, nodes[loss].shape) };
}
