/** Show the page of a pass in a frame of its own, and share its step with the model. */
function render({ model, el }) {
  el.innerHTML = model.get("frame");
  const frame = el.querySelector("iframe");
  let shown; // the step that the page told last
  const ask = () => frame.contentWindow.postMessage({ step: model.get("step") }, "*");
  const follow = () => {
    if (model.get("step") !== shown) ask();
  };
  const hear = ({ source, data }) => {
    if (source !== frame.contentWindow || !source) return;
    shown = data.step;
    if (data.opened) {
      ask(); // also of a page that was moved in the document, and so begins anew
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
