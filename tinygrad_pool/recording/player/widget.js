/** Show the page of a pass in a frame, and synchronize its step with the model. */
function render({ model, el }) {
  el.innerHTML = model.get("frame");
  const frame = el.querySelector("iframe");
  let shown; // the last step reported by the page
  const ask = () => frame.contentWindow.postMessage({ step: model.get("step") }, "*");
  const follow = () => {
    if (model.get("step") !== shown) ask();
  };
  const hear = ({ source, data }) => {
    if (source !== frame.contentWindow || !source) return;
    shown = data.step;
    if (data.opened) {
      ask(); // also of a page that was moved in the document, and so reloaded
    } else if (shown !== model.get("step")) {
      model.set("step", shown);
      model.save_changes();
    }
  };
  addEventListener("message", hear);
  model.on("change:step", follow);
  return () => {
    removeEventListener("message", hear);
    model.off("change:step", follow);
  };
}

export default { render };
