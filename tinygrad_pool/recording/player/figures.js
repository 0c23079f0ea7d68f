
// ---- equations

const TOKEN = /∂(\p{L}+)\/∂(\p{L}+(?:_\w+)?)|(\p{L}+)_(\w+)|\p{L}+['′]?|[\d.]+|\s+|[+=]=|[^]/gu;

function symbol(text, parent) {
  const [name, index] = text.split("_");
  if (!index) return element("mi", {}, parent, name);
  const sub = element("msub", {}, parent);
  element("mi", {}, sub, name);
  return element("mi", {}, sub, index);
}

/** Typeset an equation; screen readers get its text. */
function typeset(text, parent) {
  const math = element("math", { "aria-label": text }, parent);
  for (const [token, above, below] of text.matchAll(TOKEN)) {
    if (above) {
      const fraction = element("mfrac", {}, math);
      for (const name of [above, below]) {
        const row = element("mrow", {}, fraction);
        element("mo", {}, row, "∂");
        symbol(name, row);
      }
    } else if (/^\s/.test(token)) {
      element("mspace", { width: `${0.25 * token.length}em` }, math);
    } else if (/^\p{L}/u.test(token)) {
      symbol(token, math);
    } else {
      element(/^[\d.]+$/.test(token) ? "mn" : "mo", { stretchy: "false" }, math, token === "==" ? "=" : token);
    }
  }
}

// ---- arrays, one pixel per cell

/** Return the colour of a share between −127 and 127: blue above 0, orange below 0. */
function coloured(share, dark) {
  if (share === -128) return dark ? [240, 154, 196] : [168, 50, 110];
  const ends = share > 0 ? [[0, 114, 178], [108, 192, 245]] : [[184, 74, 0], [255, 157, 92]];
  const [far, paper] = dark ? [ends[1], [27, 29, 33]] : [ends[0], [255, 255, 255]];
  return far.map((end, i) => paper[i] + (end - paper[i]) * Math.abs(share) / 127);
}

function painted([planes, rows, columns], cells) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [planes * (columns + 1) - 1, rows];
  const paper = canvas.getContext("2d");
  const image = paper.createImageData(canvas.width, rows);
  const bytes = Int8Array.from(atob(cells), (letter) => letter.charCodeAt(0));
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  bytes.forEach((share, i) => {
    const [plane, place] = [Math.floor(i / (rows * columns)), i % (rows * columns)];
    const x = plane * (columns + 1) + (place % columns);
    image.data.set([...coloured(share, dark), 255], 4 * (Math.floor(place / columns) * canvas.width + x));
  });
  paper.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

/** Paint an array where the layout kept room for it. */
function paint(box, name, cells) {
  const room = box.group.querySelector(`.${name}`);
  if (!room) return;
  if (!box[name]) {
    const { x, y, width, height } = room.getBBox();
    const style = "image-rendering: pixelated";
    box[name] = element("image", { x, y, width, height, preserveAspectRatio: "none", style }, box.group);
    room.style.display = "none";
  }
  const image = box[name];
  image.style.display = cells ? "" : "none";
  if (cells && box[`${name} shown`] !== cells) image.setAttribute("href", painted(box.format, cells));
  box[`${name} shown`] = cells;
}

// ---- windows of a pooling

const [SIDE, LEAST] = [52, 0.65]; // the scale at which numbers have 9 pixels
let grid;

/** Draw the units beside the cells, or below for lack of room. */
function showGrid(data) {
  const figure = part("grid");
  figure.hidden = !data;
  if (!data || grid === data) return;
  grid = data;
  figure.replaceChildren();
  const [rows, columns] = [data.cells.length, data.cells[0].length];
  const [tall, wide] = [data.units.length, data.units[0].length];
  const [[top, bottom], [left, right]] = data.rims.map((rim) => rim.map((n) => n * SIDE));
  const [high, broad] = [top + rows * SIDE + bottom, left + columns * SIDE + right];
  const room = figure.clientWidth;
  const below = LEAST * (broad + (wide + 1) * SIDE) > room;
  const [down, across] = below ? [high - top + SIDE / 2, -left] : [-top, broad - left + SIDE];
  const width = Math.max(broad, left + across + wide * SIDE) + 4;
  const height = Math.max(high, top + down + tall * SIDE) + 24;
  const drawing = element("svg", {
    viewBox: `${-left - 2} ${-top - 22} ${width} ${height}`, role: "img", "aria-label": `Windows: ${data.plane}`,
    width: Math.max(LEAST * width, Math.min(width, room, 320 * width / height)),
  }, figure);
  element("rect", { x: -left, y: -top, class: "padding", width: broad, height: high }, drawing);
  element("text", { x: columns * SIDE / 2, y: -top - 6 }, drawing, data.plane ? `cells, ${data.plane}` : "cells");
  element("text", { x: across + wide * SIDE / 2, y: down - 6 }, drawing, "units");
  const texts = [];
  const write = (group, x, y, text, kind = "") => (
    texts.push([element("text", { x: x + SIDE / 2, y, class: kind }, group, text), SIDE - 4]));
  const wins = new Set(data.windows.flat().filter(([, weight]) => weight !== "0").map(([cell]) => cell));
  const cells = data.cells.flat().map((number, i) => {
    const [x, y] = [(i % columns) * SIDE, Math.floor(i / columns) * SIDE];
    const group = element("g", {}, drawing);
    group.addEventListener("click", () => onCell(data.at * rows * columns + i));
    const kind = wins.has(i) && !data.weighs ? "cell winner" : "cell";
    const square = element("rect", { x, y, width: SIDE, height: SIDE, class: kind }, group);
    write(group, x, y + 22, number);
    const landed = data.landed.flat()[i];
    if (landed !== "0") write(group, x, y + 42, landed, `landed ${signOfText(landed)}`);
    return square;
  });
  data.units.flat().forEach((number, i) => {
    const [x, y] = [across + (i % wide) * SIDE, down + Math.floor(i / wide) * SIDE];
    const group = element("g", {}, drawing);
    const square = element("rect", { x, y, width: SIDE, height: SIDE, class: "cell" }, group);
    write(group, x, y + 22, number);
    const error = data.arrived.flat()[i];
    write(group, x, y + 42, `δ ${error}`, `landed ${signOfText(error)}`);
    const outline = (on) => {
      square.classList.toggle("seen", on);
      for (const [cell] of data.windows[i]) cells[cell].classList.toggle("seen", on);
    };
    group.addEventListener("pointerenter", () => outline(true));
    group.addEventListener("pointerleave", () => outline(false));
  });
  squeezeAll(texts);
}
