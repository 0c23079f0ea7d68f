// Drive the debug adapter with the client that its makers test adapters with.
//
//     node others_client.js PYTHON ADAPTER PROGRAM LINE

const assert = require("assert");
const { DebugClient } = require("@vscode/debugadapter-testsupport");

const [python, adapter, program, line] = process.argv.slice(2);
const client = new DebugClient(python, adapter, "backward");
const stop = { threadId: 1 };

async function top() {
  const { body } = await client.stackTraceRequest(stop);
  return body.stackFrames[0].name.split(",")[0];
}

async function move(request, reason) {
  const stopped = client.waitForEvent("stopped");
  await client[`${request}Request`](stop);
  assert.strictEqual((await stopped).body.reason, reason);
  return top();
}

async function variables(name) {
  const { body } = await client.stackTraceRequest(stop);
  const { scopes } = (await client.scopesRequest({ frameId: body.stackFrames[0].id })).body;
  const { variablesReference } = scopes.find((scope) => scope.name === name);
  const listed = await client.variablesRequest({ variablesReference });
  return Object.fromEntries(listed.body.variables.map((v) => [v.name, v.value]));
}

async function session() {
  await client.start();
  const printed = client.assertOutput("stdout", "three units\n", 20000);
  await client.hitBreakpoint(
    { program, stopOnEntry: false },
    { path: program, line: Number(line) }
  );
  await printed;
  assert.strictEqual(await top(), "z3 (relu)");
  assert.strictEqual(await move("next", "step"), "a3 (Σ w x + b)");
  assert.strictEqual(await move("stepBack", "step"), "z3 (relu)");
  assert.strictEqual(await move("stepBack", "step"), "pooled (max)");
  assert.deepStrictEqual(await variables("Sends"), {
    "to z1": "0   (grad – → 0)",
    "to z2": "0   (grad – → 0)",
    "to z3": "3   (grad – → 3)",
  });
  assert.strictEqual(await move("continue", "breakpoint"), "z3 (relu)");
  assert.strictEqual(await move("continue", "breakpoint"), "z2 (tanh)");
  assert.strictEqual(await move("reverseContinue", "breakpoint"), "z3 (relu)");
  const why = await client.evaluateRequest({ expression: "why w11", context: "repl" });
  assert.match(why.body.result, /the relu is off, as its input is −1.5/);
  await client.setBreakpointsRequest({ source: { path: program }, breakpoints: [] });
  await move("continue", "step");
  await Promise.all([client.continueRequest(stop), client.waitForEvent("terminated")]);
  await client.stop();
  console.log("all as expected");
}

session().catch((error) => {
  console.error(error);
  process.exit(1);
});
