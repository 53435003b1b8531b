// `index.html#self-test`: the simulator looks at itself, and writes down what it found; the last line has the counts. Run by
// `cargo xtask docs` in a browser without a window.
"use strict";

((simulator) => {
  const { FAULTS, NEAR, HORIZON, plan, run } = simulator;
  const SEEDS = 3000;

  /** What `stamps` is run with, one after the other, seed by seed. */
  const WAYS = NEAR.flatMap((near) => [false, true].map((crashSafe) => ({ protocol: "stamps", near, crashSafe })));

  /** Seeds under which something goes wrong that is known to be wrong. */
  const CAUGHT = [
    { protocol: "delete", faults: ["slow"], seed: 4 },
    { protocol: "delete", faults: ["lost"], near: "tracked", seed: 456 },
    { protocol: "double", faults: ["slow"], seed: 10 },
    { protocol: "counter", faults: ["slow", "evict"], seed: 12 },
    { protocol: "stamps", without: "order", seed: 14 },
    { protocol: "stamps", without: "missing", seed: 7 },
    { protocol: "stamps", without: "flights", seed: 10 },
    { protocol: "stamps", without: "look", crashSafe: true, seed: 32 },
    { protocol: "stamps", without: "marks", near: "tracked", seed: 11 },
    { protocol: "stamps", without: "sessions", near: "tracked", seed: 31 },
  ];

  const $ = (id) => document.getElementById(id);

  function model(check, scenarios) {
    let reads = 0;
    const stale = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const result = run(plan(seed, FAULTS), WAYS[seed % WAYS.length]);
      reads += result.reads;
      if (result.counts.stale > 0) stale.push(seed);
    }
    check(`stamps: nothing stale in ${reads} reads of ${SEEDS} seeds`, stale.length === 0 && reads > SEEDS, stale.join(" "));
    for (const { faults = FAULTS, seed, ...options } of CAUGHT) {
      const name = options.without ? `${options.protocol} without ${options.without}` : options.protocol;
      check(`${name}: stale under seed ${seed}`, run(plan(seed, faults), options).counts.stale > 0);
    }
    const once = () => JSON.stringify(run(plan(9, FAULTS), WAYS[5]).events);
    check("one seed is one run", once() === once());
    const killed = scenarios.find((scenario) => scenario.crashSafe);
    const outcome = (crashSafe) => run(plan(killed.seed, killed.faults), { protocol: "stamps", crashSafe }).counts.unacknowledged;
    check("crash_safe bounds what a killed process leaves behind", outcome(false) > 3 && outcome(true) === 0);
    const tracked = { protocol: "stamps", near: "tracked" };
    const sources = run(plan(456, ["lost"]), tracked).calls.map((call) => call.source);
    check("tracked copies answer", sources.filter((source) => source === "near").length >= 6);
  }

  function page(check, scenarios, { state, choose, address, fromAddress, runs }) {
    for (const scenario of scenarios) {
      choose(simulator.chosen(scenario));
      const [above, below] = runs();
      check(`scenario: ${scenario.name}`, below.counts.stale === 0 && above.reads > 10);
      const shown = document.querySelectorAll("#chart-0 .call.stale").length;
      check(`  ${above.counts.stale} stale reads are drawn`, shown === above.counts.stale);
    }
    const choice = { against: "counter", near: "checked", faults: ["evict", "kill"], seed: 77, crashSafe: true, at: 33 };
    check("an address is what it was made of", address(fromAddress(address(choice))) === address(choice));
    const nonsense = fromAddress("#seed=-3&against=magic&near=&faults=fire.slow&at=9999");
    check("an address that means nothing is a run all the same", nonsense.seed > 0 && nonsense.at === HORIZON);
    choose(simulator.chosen(scenarios[0]), 0);
    $("forward").click();
    const first = state.at;
    check("a step goes to the next event", first > 0 && $("said").textContent.startsWith(`Tick ${first}. `));
    $("forward").click();
    document.dispatchEvent(new KeyboardEvent("keydown", { key: ",", bubbles: true }));
    check("the comma goes one event back", state.at === first || state.at > 0);
    $("last").click();
    check("at the end the counts are those of the run", countOf("counts-0", "stale") === runs()[0].counts.stale);
    check("the address says where the run stands", fromAddress($("link").getAttribute("href")).seed === state.seed);
    const reason = document.querySelector("#reasons button");
    reason.click();
    check("a reason brings its read out", document.querySelectorAll(".timeline.picked .call.out").length === 1);
    const nameless = [...document.querySelectorAll("button, input, select, a")].filter((one) => !nameOf(one));
    check("every control has a name", nameless.length === 0, nameless.map((one) => one.id).join(" "));
    $("search").click();
    check("a seed with a stale read is found", runs()[0].counts.stale > 0);
  }

  const countOf = (list, style) => Number(document.querySelector(`#${list} .figure.${style} dd`).textContent);
  const nameOf = (one) => one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent.trim() ?? one.textContent.trim();

  function selfTest(handles) {
    const lines = [];
    const counts = { passed: 0, failed: 0 };
    const check = (name, isTrue, why = "") => {
      counts[isTrue ? "passed" : "failed"] += 1;
      lines.push(`${isTrue ? "ok" : "FAILED"} ${name}${isTrue ? "" : ` ${why}`}`);
    };
    try {
      model(check, simulator.SCENARIOS);
      page(check, simulator.SCENARIOS, handles);
    } catch (error) {
      check(`${error}`, false, error.stack);
    }
    lines.push(`${counts.passed} passed, ${counts.failed} failed`);
    $("self-test").textContent = lines.join("\n");
    $("self-test").hidden = false;
  }

  Object.assign(simulator, { selfTest });
})(globalThis.Simulator ??= {});
