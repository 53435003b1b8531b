// The page: what is chosen, where the run stands, and what is seen of it. The choice is in the address, so that it can be passed on.
"use strict";

((simulator) => {
  const { HORIZON, FAULTS, PROTOCOLS, NEAR, PROTOCOLS_BY_NAME, VERDICTS } = simulator;
  const STEP_MS = 110;

  /** Runs that show one thing each. */
  const SCENARIOS = [
    { name: "A load is overtaken by a write", against: "delete", near: "off", faults: ["slow"], seed: 4 },
    { name: "Deleted twice, and still too early", against: "double", near: "off", faults: ["slow"], seed: 10 },
    { name: "A counter is evicted and begins again", against: "counter", near: "off", faults: ["slow", "evict"], seed: 12 },
    { name: "Redis stands still while a write commits", against: "delete", near: "off", faults: ["down"], seed: 36 },
    { name: "A process dies between commit and invalidation", against: "delete", near: "off", faults: ["kill"], seed: 206 },
    { name: "The same with crash_safe", against: "delete", near: "off", faults: ["kill"], seed: 206, crashSafe: true },
    { name: "A message to a copy is lost", against: "delete", near: "tracked", faults: ["lost"], seed: 456 },
    { name: "Everything at once", against: "delete", near: "tracked", faults: FAULTS, seed: 3, crashSafe: true },
  ];

  const state = { ...chosen({}), at: HORIZON };
  const $ = (id) => document.getElementById(id);
  let runs = [];
  let pictures = [];
  let frame;
  let timer;
  let picked;

  /** A choice that is complete, whatever was asked for. */
  function chosen({ against, near, faults, seed, crashSafe }) {
    return {
      against: PROTOCOLS.slice(0, 3).includes(against) ? against : SCENARIOS[0].against,
      near: NEAR.includes(near) ? near : SCENARIOS[0].near,
      faults: faults ? FAULTS.filter((fault) => faults.includes(fault)) : SCENARIOS[0].faults,
      seed: Number.isInteger(seed) && seed > 0 && seed < 1e9 ? seed : SCENARIOS[0].seed,
      crashSafe: crashSafe === true,
    };
  }

  function address({ against, near, faults, seed, crashSafe, at }) {
    const words = { seed, against, near, faults: faults.join("."), crash_safe: crashSafe ? 1 : 0 };
    if (at < HORIZON) words.at = at;
    return `#${new URLSearchParams(words)}`;
  }

  function fromAddress(hash) {
    const words = new URLSearchParams(hash.replace(/^#/, ""));
    const at = Number.parseInt(words.get("at") ?? HORIZON, 10);
    return {
      ...chosen({
        against: words.get("against"),
        near: words.get("near"),
        faults: words.get("faults")?.split("."),
        seed: Number.parseInt(words.get("seed"), 10),
        crashSafe: words.get("crash_safe") === "1",
      }),
      at: at >= 0 && at <= HORIZON ? at : HORIZON,
    };
  }

  // What is seen.

  function runBoth() {
    const plan = simulator.plan(state.seed, state.faults);
    const { near, crashSafe } = state;
    runs = [
      simulator.run(plan, { protocol: state.against, near }),
      simulator.run(plan, { protocol: "stamps", near, crashSafe }),
    ];
    picked = undefined;
    drawBoth();
  }

  function drawBoth() {
    const room = $("charts").clientWidth - 98;
    frame = simulator.layout(runs, Math.max(room, 900));
    pictures = runs.map((run, index) => {
      const picture = simulator.drawRun(run, frame, index, (call) => show(index, call, false));
      $(`chart-${index}`).replaceChildren(simulator.labels(frame, run), picture);
      $(`name-${index}`).textContent = PROTOCOLS_BY_NAME[run.options.protocol];
      return picture;
    });
    explain();
    move(state.at);
  }

  /** Puts the cursor at a tick. */
  function move(tick) {
    state.at = Math.min(Math.max(tick, 0), HORIZON);
    pictures.forEach((picture) => simulator.veil(picture, frame, state.at));
    $("at").value = state.at;
    $("at").setAttribute("aria-valuetext", `tick ${state.at} of ${HORIZON}`);
    $("tick").textContent = state.at;
    runs.forEach((run, index) => {
      $(`counts-${index}`).replaceChildren(...counts(run));
      $(`log-${index}`).replaceChildren(...log(run));
    });
    try {
      history.replaceState(null, "", address(state));
    } catch {
      // A page from a file may not be allowed to; the link below says the same.
    }
    $("link").href = address(state);
  }

  function counts(run) {
    const reads = run.calls.filter((call) => call.verdict && call.end <= state.at);
    const loads = run.spans.filter((span) => span.kind === "load" && span.from <= state.at).length;
    const shown = Object.entries(VERDICTS).map(([verdict, { name, meaning }]) => {
      const count = reads.filter((call) => call.verdict === verdict).length;
      return figure(count, name, meaning, `${verdict}${count > 0 ? " some" : ""}`);
    });
    return [...shown, figure(loads, "loads", "times that the database was asked", "loads")];
  }

  function figure(count, name, meaning, style) {
    const box = element("div", { class: `figure ${style}`, title: meaning });
    box.append(element("dd", {}, `${count}`), element("dt", {}, name));
    return box;
  }

  function element(tag, attributes, ...children) {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  /** What has happened last, the newest first. */
  function log(run) {
    const until = run.events.filter((event) => event.at <= state.at).slice(-7).reverse();
    return until.map((event) =>
      element(
        "li",
        event.at === state.at ? { class: "now" } : {},
        element("span", { class: "time" }, `${event.at}`),
        ` ${event.actor} ${event.text}`,
      ),
    );
  }

  /** Every read of both that was given something old, with how it came to that. */
  function explain() {
    const found = runs.flatMap((run, index) =>
      run.calls
        .filter((call) => call.verdict && !["fresh", "overlapping"].includes(call.verdict))
        .map((call) => ({ run, index, call })),
    );
    const rank = Object.keys(VERDICTS);
    found.sort((one, other) => rank.indexOf(one.call.verdict) - rank.indexOf(other.call.verdict) || one.index - other.index);
    $("reasons").replaceChildren(...found.map(({ run, index, call }) => reason(run, index, call)));
    $("no-reasons").hidden = found.length > 0;
  }

  function reason(run, index, call) {
    const button = element("button", { type: "button", "aria-label": `Show read ${call.id}` }, "Show");
    button.addEventListener("click", () => show(index, call, true));
    const verdict = element("strong", { class: `tag ${call.verdict}` }, VERDICTS[call.verdict].name);
    const text = element("span", {}, `${PROTOCOLS_BY_NAME[run.options.protocol]}: ${simulator.because(run, call)}`);
    return element("li", {}, button, verdict, text);
  }

  /** Brings a call out in its picture; with `goThere` the cursor goes to its end. */
  function show(index, call, goThere) {
    const isSame = picked === call && !goThere;
    picked = isSame ? undefined : call;
    pictures.forEach((picture, other) => simulator.bringOut(picture, other === index ? picked?.id : undefined));
    if (!goThere) return;
    pause();
    move(call.end);
    pictures[index].scrollIntoView({ block: "nearest" });
    $("charts").scrollLeft = Math.max(frame.x(call.end) - $("charts").clientWidth / 2, 0);
    say();
  }

  /** What has just happened, for those who hear it. */
  function say() {
    const sentences = runs.flatMap((run) =>
      run.events
        .filter((event) => event.at === state.at)
        .map((event) => `${PROTOCOLS_BY_NAME[run.options.protocol]}: ${event.actor} ${event.text}.`),
    );
    $("said").textContent = `Tick ${state.at}. ${sentences.join(" ")}`;
  }

  // Step by step.

  function step(direction) {
    pause();
    move(neighbour(direction));
    follow();
    say();
  }

  /** The next tick at which something happens, or the last one. */
  function neighbour(direction) {
    const ticks = [...new Set(runs.flatMap((run) => run.events.map((event) => event.at)))].sort((one, other) => one - other);
    return direction > 0
      ? (ticks.find((tick) => tick > state.at) ?? HORIZON)
      : (ticks.findLast((tick) => tick < state.at) ?? 0);
  }

  function follow() {
    const charts = $("charts");
    const at = frame.x(state.at) + 98;
    if (at < charts.scrollLeft + 140 || at > charts.scrollLeft + charts.clientWidth - 40) {
      charts.scrollLeft = at - charts.clientWidth / 2;
    }
  }

  function pause() {
    clearInterval(timer);
    timer = undefined;
    $("run").textContent = "Run";
  }

  function toggle() {
    if (timer) return pause();
    if (state.at >= HORIZON) move(0);
    $("run").textContent = "Pause";
    timer = setInterval(() => {
      move(state.at + 1);
      follow();
      if (state.at >= HORIZON) pause();
    }, STEP_MS);
  }

  // What is chosen.

  function choose(choice, at = HORIZON) {
    pause();
    Object.assign(state, chosen({ ...state, ...choice }), { at });
    showChoice();
    runBoth();
  }

  function showChoice() {
    $("seed").value = state.seed;
    $("against").value = state.against;
    $("near").value = state.near;
    $("crash-safe").checked = state.crashSafe;
    for (const fault of FAULTS) $(`fault-${fault}`).checked = state.faults.includes(fault);
    const index = SCENARIOS.findIndex((scenario) => address({ at: HORIZON, ...chosen(scenario) }) === address({ ...state, at: HORIZON }));
    $("scenario").value = `${index}`;
  }

  /** The next seed under which the protocol above returns something stale. */
  function search() {
    for (let seed = state.seed + 1; seed < state.seed + 2000; seed++) {
      const run = simulator.run(simulator.plan(seed, state.faults), { protocol: state.against, near: state.near });
      if (run.counts.stale > 0) return choose({ seed });
    }
    $("said").textContent = "None of the next 2,000 seeds makes it return anything stale.";
    $("none").hidden = false;
  }

  function listen() {
    SCENARIOS.forEach((scenario, index) => $("scenario").append(element("option", { value: `${index}` }, scenario.name)));
    $("scenario").addEventListener("change", () => choose(chosen(SCENARIOS[$("scenario").value] ?? {})));
    $("against").addEventListener("change", () => choose({ against: $("against").value }));
    $("near").addEventListener("change", () => choose({ near: $("near").value }));
    $("crash-safe").addEventListener("change", () => choose({ crashSafe: $("crash-safe").checked }));
    $("seed").addEventListener("change", () => choose({ seed: Number.parseInt($("seed").value, 10) }));
    for (const fault of FAULTS) {
      $(`fault-${fault}`).addEventListener("change", () =>
        choose({ faults: FAULTS.filter((one) => $(`fault-${one}`).checked) }),
      );
    }
    $("next-seed").addEventListener("click", () => choose({ seed: state.seed + 1 }));
    $("search").addEventListener("click", search);
    $("run").addEventListener("click", toggle);
    const buttons = { first: () => step0(0), back: () => step(-1), forward: () => step(1), last: () => step0(HORIZON) };
    for (const [id, action] of Object.entries(buttons)) $(id).addEventListener("click", action);
    $("at").addEventListener("input", () => {
      pause();
      move(Number($("at").value));
      follow();
    });
    addEventListener("hashchange", () => {
      const { at, ...choice } = fromAddress(location.hash);
      if (address({ ...choice, at }) !== address(state)) choose(choice, at);
    });
    addEventListener("resize", drawBoth);
    document.addEventListener("change", () => ($("none").hidden = true));
    document.addEventListener("keydown", keys);
  }

  function step0(tick) {
    pause();
    move(tick);
    follow();
    say();
  }

  /** `,` and `.` step, `k` runs; not where letters are typed. */
  function keys(event) {
    if (event.target.matches("input[type=number], select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = { ",": () => step(-1), ".": () => step(1), k: toggle }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  }

  document.addEventListener("DOMContentLoaded", () => {
    const isTest = location.hash === "#self-test";
    listen();
    const { at, ...choice } = fromAddress(location.hash);
    choose(choice, at);
    if (isTest) simulator.selfTest({ state, choose, address, fromAddress, runs: () => runs });
  });

  Object.assign(simulator, { SCENARIOS, chosen });
})(globalThis.Simulator ??= {});
