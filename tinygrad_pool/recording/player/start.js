
// ---- the start, when the page has a size

function start() {
  measure();
  showAll();
  if (pass.engine) openInstrument();
  look();
  linked();
  if (pass.opens === "predict" && pass.engine) guess();
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
