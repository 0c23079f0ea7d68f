
// ---- pages with steps

const part = (id) => document.getElementById(id);

/** Add an element, in the namespace of its parent or of its own. */
function element(name, attributes, parent, text = "") {
  const space = parent instanceof SVGElement || name === "svg" ? "http://www.w3.org/2000/svg"
    : parent instanceof MathMLElement || name === "math" ? "http://www.w3.org/1998/Math/MathML" : "http://www.w3.org/1999/xhtml";
  const made = document.createElementNS(space, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.textContent = text;
  parent.append(made);
  return made;
}

// each page says what `go` does, and which step it is `at`, of those up to the `end`
Object.assign(actions, { first: () => go(0), back: () => go(at - 1), next: () => go(at + 1), last: () => go(end) });
for (const way of ["Left", "Right", "Up", "Down"]) keys[`Shift Arrow${way}`] = way.toLowerCase();
Object.assign(keys, { ArrowLeft: "back", ArrowRight: "next", ArrowUp: "back", ArrowDown: "next", Home: "first", End: "last" });
part("at").addEventListener("input", (event) => go(+event.target.value));
