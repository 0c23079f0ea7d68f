
// ---- the start, when the page has a size

function start() {
  measure();
  showAll();
  if (pass.engine) openInstrument();
  look();
  linked();
  if (pass.opens === "predict" && pass.engine) guess();
  if (parent !== window) share();
}

/** Share the step with the page around this one: it is told, and may ask for another. */
function share() {
  tell = (opened = false) => parent.postMessage({ step: at, opened }, "*");
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || !Number.isInteger(data?.step)) return;
    if (guessing) tell(); // and stays
    else go(data.step);
  });
  tell(true);
}

if (panel.clientWidth) {
  start();
} else {
  const waits = new ResizeObserver(() => {
    if (!panel.clientWidth) return;
    waits.disconnect();
    start();
  });
  waits.observe(panel);
}
