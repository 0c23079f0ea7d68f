
// ---- numbers as text, as Python's `formatting` writes them

/** Round a magnitude to `digits` digits, halves to even; return the digits and the exponent. */
function digitsOf(size, digits) {
  const [rounded, exponent] = size.toExponential(digits - 1).split("e");
  const exact = size.toExponential(Math.min(100, digits + 30)).replace(/\.|e.*/g, "");
  const before = exact.slice(0, digits);
  const tie = /^50*$/.test(exact.slice(digits)) && "02468".includes(before.at(-1));
  return tie ? [before, +size.toExponential(digits).split("e")[1]] : [rounded.replace(".", ""), +exponent];
}

function number(x, digits = 4) {
  const size = Math.abs(x);
  const sign = x < 0 ? "−" : "";
  if (Number.isNaN(x)) return "nan";
  if (size === Infinity) return `${sign}inf`;
  if (size === 0) return "0";
  const precision = size >= 1e3 && size < 1e6 ? Math.max(digits, size.toFixed(0).length) : digits;
  const [all, exponent] = digitsOf(size, precision);
  const exact = Math.abs(`${all[0]}.${all.slice(1)}e${exponent}` - size) <= 1e-6 * size;
  const kept = exact ? all.replace(/0+$/, "") : all;
  if (exponent < -4 || exponent >= precision) {
    const power = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${kept[0]}${kept[1] ? "." : ""}${kept.slice(1)}e${exponent < 0 ? "-" : "+"}${power}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${kept}`;
  const rest = kept.slice(exponent + 1);
  return `${sign}${kept.slice(0, exponent + 1).padEnd(exponent + 1, "0")}${rest ? "." : ""}${rest}`;
}

const flat = (x) => (Array.isArray(x) ? x : [x]);
const isLarge = (shape, n) => shape.length > 2 || n === 0 || Math.max(0, ...shape) > 4;

function numbers(x, shape) {
  if (!shape.length) return number(flat(x)[0]);
  if (!isLarge(shape, x.length)) {
    const columns = shape.at(-1);
    const rows = Array.from({ length: x.length / columns }, (_, i) => (
      x.slice(i * columns, (i + 1) * columns).map((one) => number(one))));
    const wide = Array.from({ length: columns }, (_, j) => Math.max(...rows.map((row) => row[j].length)));
    return rows.map((row) => row.map((one, j) => one.padStart(wide[j], "\u2007")).join("\u00a0 ")).join("\n");
  }
  const known = x.filter((one) => !Number.isNaN(one));
  const nans = known.length < x.length ? `${x.length - known.length} nan` : "";
  if (!known.length) return nans || "empty";
  const [low, high] = [Math.min, Math.max].map((pick) => known.reduce((a, b) => pick(a, b)));
  if (low === high && !nans) return `all ${number(low)}`;
  const rounded = (end, digits) => `${end < 0} ${digitsOf(Math.abs(end), digits)}`;
  const digits = [3, 6, 17].find((n) => rounded(low, n) !== rounded(high, n)) ?? 3;
  return [`${number(low, digits)} … ${number(high, digits)}`, nans].filter(Boolean).join(", ");
}

function onALine(x, shape) {
  const shown = numbers(x, shape).replaceAll("\u00a0 ", " ").replaceAll("\u2007", "").replaceAll("\n", "; ");
  const listed = `(${shape.join(", ")}${shape.length === 1 ? "," : ""})`;
  return shape.length && isLarge(shape, x.length) ? `${listed} ${shown}` : shown;
}

/** Find the element of largest magnitude, with its sign: a NaN if there is one, 0 if there are none. */
function largestOf(x) {
  return flat(x).reduce((best, one) => (
    Number.isNaN(best) || Math.abs(one) <= Math.abs(best) ? best : one), 0);
}

const largestIn = (x) => flat(x).reduce((best, one) => (Number.isFinite(one) ? Math.max(best, Math.abs(one)) : best), 0);
