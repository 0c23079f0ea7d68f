
// ---- the story of a pass with other numbers

const engine = pass.engine && { ...pass.engine, ...loaded(pass.engine.program) };
const LONGEST = 32;
const MOST_CAUSES = 8;

/** Write the cells of a small picture as bytes, as Python does. */
function cellsOf(x, shape, [planes, rows, columns], largest) {
  const [high, wide] = [1, ...shape].slice(-2);
  const every = Math.ceil(Math.max(high, wide) / LONGEST);
  const bytes = [];
  for (let plane = 0; plane < planes; plane += 1) {
    for (let i = 0; i < rows; i += 1) {
      for (let j = 0; j < columns; j += 1) {
        const share = x[(plane * high + i * every) * wide + j * every] / (largest || 1);
        bytes.push(Number.isNaN(share) ? -128 : rint(127 * clamp(-1, share, 1)));
      }
    }
  }
  return btoa(String.fromCharCode(...bytes.map((one) => one & 255)));
}

const valueOf = (done, p) => (p.node === undefined ? Number(p.constant) : done.values[p.node]);

/** Find the winner of a maximum of numbers; for a minimum, compare their negatives. */
function contest(done, i) {
  const { chooses, ties, rivals } = engine.facts[i];
  const sign = chooses === "least" ? -1 : 1;
  const values = rivals.map((p) => sign * valueOf(done, p));
  const best = values.reduce(max);
  const isBest = (one) => one === best || Object.is(one, best); // NaN, too
  return { values, best, winner: ties === "last" ? values.findLastIndex(isBest) : values.findIndex(isBest) };
}

/** Write a local derivative, with the present numbers of constants. */
function symbolOf(done, i, k) {
  const filled = engine.facts[i].symbols[k]
    .replace(/\(\u0001(\d+)\)/g, (_, at) => signed(number(done.values[at])))
    .replace(/\u0001(\d+)/g, (_, at) => number(done.values[at]));
  return filled.replace("^(2−1)", ""); // of a square
}

const signed = (text) => (text.startsWith("−") ? `(${text})` : text);

/** Say that a slope is 0, or underflows to 0. */
function flatOf(done, fact) {
  const xs = (fact.factors || [NaN]).map((p) => valueOf(done, p));
  const small = xs.every((x) => x && Number.isFinite(x)) && (fact.ones || xs[0] !== 1);
  return small ? fact.flat.replace("is 0", "underflows to 0") : fact.flat;
}

/** Explain why the contribution of one number to another is 0. */
function reason(done, step, k) {
  const { node: i, upstream } = step;
  const fact = engine.facts[i];
  const local = done.backs[i](1)[k];
  const at = engine.nodes[i].of[k];
  const x = number(done.values[at]);
  if (local && upstream) {
    const narrower = engine.nodes[i].single || engine.nodes[at].single ? "float32" : "float64";
    return `it underflows, as ${number(upstream, 3)} × ${number(local, 3)} is too small for ${narrower}`.replaceAll("−", "-");
  }
  if (local) return "the upstream gradient is 0";
  if (fact.off) return fact.off.replace("{x}", x);
  if (!fact.rivals) return `${flatOf(done, fact)} at ${x}`;
  const { values, best, winner } = contest(done, i);
  const mine = fact.places[k];
  const behind = best - values[mine];
  const how = Number.isNaN(best) ? ", which is nan" : behind ? `, by ${number(behind)}` : " in a tie";
  return `it lost to ${fact.rivals[winner].name}${how}`;
}

/** List the contributions to a node, step by step. */
const into = (done, at) => done.steps.flatMap((step, n) => engine.nodes[step.node].of.flatMap((p, k) => (
  p === at && step.sent[k] !== null ? [{ step, n, k, sent: step.sent[k] }] : [])));

/** Trace a gradient of 0 upwards to its origin, among numbers. */
function becauseOf(done, i) {
  const grad = done.grads[i];
  const names = engine.facts.map((fact) => fact.name);
  if (i > engine.loss) return []; // a constant
  if (grad === undefined) return ["no node that uses it sends it a gradient"];
  if (i === engine.loss) return pass.boxes[i].because.slice(0, 1); // the backward pass starts here
  if (flat(grad).every((g) => g !== 0 && Number.isFinite(g))) return [];
  if (engine.nodes.some((node) => node.shape.length) || flat(grad).some((g) => !Number.isFinite(g))) {
    return flat(grad).some(Boolean) ? [] : ["of numbers that this page cannot trace; tg.record(…).why can"];
  }
  const [causes, met, waiting] = [new Map(), new Set([i]), [i]]; // each cause with its operation
  if (into(done, i).some(({ sent }) => sent)) return ["the contributions cancel"];
  while (waiting.length) {
    const below = waiting.pop();
    for (const { step, k } of into(done, below)) {
      const above = step.node;
      if (step.upstream || !done.backs[above](1)[k]) {
        const { op, made = "" } = engine.facts[above];
        causes.set(`${names[below]} gets nothing from ${names[above]}: ${reason(done, step, k)}${made}`, op);
      } else if (above === engine.loss) {
        causes.set("the backward pass started with gradient 0", "");
      } else if (!met.has(above)) {
        met.add(above);
        if (into(done, above).some(({ sent }) => sent)) causes.set(`the contributions to ${names[above]} cancel`, "");
        else waiting.push(above);
      }
    }
  }
  return shortened(causes);
}

/** Keep the first causes, at least one of each operation if they fit, and count the others. */
function shortened(causes) {
  const times = {};
  const ranked = [...causes].map(([cause, op], place) => {
    times[op] = (times[op] ?? 0) + 1;
    return { cause, place, rank: times[op] };
  });
  const kept = ranked.sort((a, b) => a.rank - b.rank).slice(0, MOST_CAUSES).sort((a, b) => a.place - b.place);
  const more = causes.size - kept.length;
  return [...kept.map(({ cause }) => cause), ...(more ? [`… and ${more} more`] : [])];
}

/** Describe the windows of a pooling; a unit's weights are its contributions for g = 1. */
function gridOf(done, step, old) {
  const { node: i, upstream, sent } = step;
  const p = engine.nodes[i].of[0];
  const [rows, columns] = [old.cells.length, old.cells[0].length];
  const [tall, wide] = [old.units.length, old.units[0].length];
  const [cell, unit] = [old.at * rows * columns, old.at * tall * wide];
  const table = (x, from, high, n) => Array.from({ length: high }, (_, r) => (
    x.slice(from + r * n, from + (r + 1) * n).map((one) => number(one, 3))));
  const windows = old.windows.map((links, u) => {
    const one = Array(upstream.length).fill(0);
    one[unit + u] = 1;
    const [weights] = done.backs[i](one);
    return links.map(([c]) => [c, number(weights[cell + c], 3)]);
  });
  return {
    ...old,
    cells: table(done.values[p], cell, rows, columns),
    units: table(done.values[i], unit, tall, wide),
    arrived: table(upstream, unit, tall, wide),
    landed: table(sent[0], cell, rows, columns),
    windows,
  };
}

const rivalSaid = (done, rival) => (
  rival.node <= engine.loss ? rival.name : number(valueOf(done, rival)));

/** Describe how close a node is to another choice. */
function marginOf(done, step) {
  const { node } = step;
  const fact = engine.facts[node];
  if (!fact.rivals || engine.nodes[node].shape.length) return "";
  const { values, winner } = contest(done, node);
  const others = [...values.keys()].filter((k) => k !== winner);
  const next = others.reduce((k, other) => (values[other] > values[k] ? other : k), others[0]);
  const margin = values[winner] === values[next] ? 0 : values[winner] - values[next]; // also of infinities
  if (!(margin >= 0)) return "";
  if (fact.bends) return margin ? `${number(margin)} ${winner ? "above" : "below"} the kink at 0.` : "Exactly at the kink at 0.";
  const names = [winner, next].map((k) => rivalSaid(done, fact.rivals[k]));
  return margin ? `${names[0]} wins by ${number(margin)} over ${names[1]}.` : `${names[0]} and ${names[1]} tie: there is a kink here.`;
}

/** Describe the window that is closest to another winner. */
function windowMargin(done, step, grid) {
  const { node } = step;
  if (!engine.facts[node].chooses) return "";
  const x = done.values[engine.nodes[node].of[0]];
  const from = grid.at * grid.cells.length * grid.cells[0].length;
  const margins = grid.windows.map((links, u) => {
    const [first, second] = links.map(([c]) => x[from + c]).sort((a, b) => b - a);
    return { u, margin: first - second };
  }).filter(({ margin }) => Number.isFinite(margin));
  if (!margins.length) return "";
  const { u, margin } = margins.reduce((a, b) => (b.margin < a.margin ? b : a));
  const unit = `[${places(engine.nodes[node].shape)[grid.at * grid.windows.length + u].join(", ")}]`;
  return margin ? `Smallest margin: ${number(margin)}, in the window of unit ${unit}.` : `There is a tie, and so a kink, in the window of unit ${unit}.`;
}

/** Describe a pass as Python described the recorded one, with other numbers. */
function retold(done) {
  const kept = engine.nodes.map((node) => node.kept);
  const grads = done.grads.slice(0, engine.loss + 1) // without those of constants
    .map((g, i) => (g !== undefined && kept[i] !== undefined ? plus(g, kept[i], same) : g));
  const shape = (i) => engine.nodes[i].shape;
  const greatest = Math.max(0, ...grads.filter((g) => g !== undefined).map(largestIn));
  const size = (g) => {
    const x = largestOf(g);
    if (flat(g).some(Number.isNaN)) return null;
    if (!Number.isFinite(x)) return Math.sign(x);
    const share = greatest ? Math.min(1, Math.sqrt(Math.abs(x) / greatest)) : 0;
    return Math.sign(x) * Math.max(1, Math.round(1000 * share)) / 1000;
  };
  const story = {
    ...pass,
    boxes: pass.boxes.map((box, i) => ({
      ...box,
      data: onALine(done.values[i], shape(i)),
      because: becauseOf(done, i),
      cells: box.cells && cellsOf(done.values[i], shape(i), box.format, largestIn(done.values[i])),
    })),
  };
  const now = [...kept];
  const change = (i) => {
    const box = pass.boxes[i];
    const cells = box.format && cellsOf(now[i], shape(i), box.format, largestIn(grads[i]));
    return { box: i, lines: numbers(now[i], shape(i)).split("\n"), size: size(now[i]), ...(cells && { cells }) };
  };
  now[engine.loss] ??= engine.seed;
  story.moves = pass.moves.map((move, n) => {
    const step = done.steps[n];
    const { of } = engine.nodes[step.node];
    of.forEach((p, k) => {
      const round = engine.nodes[p].single ? Math.fround : same;
      if (step.sent[k] !== null) now[p] = now[p] === undefined ? step.sent[k] : plus(now[p], step.sent[k], round);
    });
    const alone = !shape(step.node).length;
    const local = alone && done.backs[step.node](1);
    const sends = move.sends.map((sent, k) => {
      const c = step.sent[k];
      if (c === null) return sent;
      const anew = { edge: sent.edge, to: sent.to, says: onALine(c, shape(of[k])) };
      if (alone && !shape(of[k]).length) {
        const [symbol, slope] = [symbolOf(done, step.node, k), signed(number(local[k]))];
        anew.says = `g · ${symbol} = ${number(step.upstream)} · ${slope} = ${anew.says}`;
        if (c === 0) anew.reason = reason(done, step, k);
      } else if (shape(of[k]).length && !isLarge(shape(of[k]), c.length)) {
        anew.says += `, of shape ${shape(of[k]).join(" × ")}`;
      }
      anew.size = size(c);
      if (sent.short !== undefined) anew.short = number(largestOf(c));
      return anew;
    });
    return {
      ...move,
      says: `${pass.boxes[step.node].name} gets ${onALine(step.upstream, shape(step.node))}`,
      sends,
      changes: move.changes.map((one) => change(one.box)),
      ...(move.grid && { grid: gridOf(done, step, move.grid) }),
    };
  });
  return story;
}
