
// ---- run it, once the page has a size

function start() {
  measure();
  showAll();
  if (pass.engine) openInstrument();
  look();
  linked();
  if (pass.opens === "predict" && pass.engine) guess();
  if (parent !== window) share();
}

/** Synchronize the step with the surrounding page, which is told the step and may set it. */
function share() {
  tell = (opened = false) => parent.postMessage({ step: at, opened }, "*");
  addEventListener("message", ({ source, data }) => {
    if (source !== parent || !Number.isInteger(data?.step)) return;
    if (guessing) tell(); // refused: tell it the present step
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
