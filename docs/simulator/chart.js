// The timeline of a run, as SVG: nodes with their calls, Redis with what stands in it, the database. Time goes from left to right.
"use strict";

((simulator) => {
  const { HORIZON, NODES, PAGES, MARKER, PROTOCOLS_BY_NAME, VERDICTS } = simulator;

  const SLOT = 17;
  const STRIP = 16;
  const GAP = 12;
  const TOP = 6;

  function svg(name, attributes = {}, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) if (value !== undefined) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }

  /** Whether entries depend on a key of their own. */
  const hasMarker = (run) => ["stamps", "counter"].includes(run.options.protocol);

  const colour = (version) => `v${((version - 1) % 4) + 1}`;

  /** Which row of its node each call is drawn in, so that no two overlap; and how many rows each node has. */
  function rows(run, ticks) {
    const row = new Map();
    const counts = new Map();
    for (const node of NODES) {
      const ends = [];
      for (const call of run.calls.filter((one) => one.node === node)) {
        let index = ends.findIndex((end) => end + ticks < call.at);
        if (index < 0) index = ends.length;
        ends[index] = (call.end ?? HORIZON) + ticks;
        row.set(call.id, index);
      }
      counts.set(node, Math.max(ends.length, 1));
    }
    return { row, counts };
  }

  /** From where to where each lane goes, for both runs alike, so that one can be compared with the other. */
  function layout(runs, width) {
    const scale = width / (HORIZON + 3);
    const placed = runs.map((run) => rows(run, Math.ceil(16 / scale)));
    const lanes = new Map();
    let y = TOP;
    for (const node of NODES) {
      const height = Math.max(...placed.map(({ counts }) => counts.get(node))) * SLOT;
      lanes.set(node, { y, height, label: `Node ${node}` });
      y += height + GAP;
    }
    y += 14;
    lanes.set(MARKER, { y, height: STRIP, label: "Redis: stamp" });
    y += STRIP + 3;
    for (const page of PAGES) {
      lanes.set(page, { y, height: STRIP, label: `page ${page[1]}` });
      y += STRIP + 3;
    }
    y += GAP;
    lanes.set("database", { y, height: STRIP, label: "Database" });
    y += STRIP + 22;
    return { lanes, placed, height: y, scale, x: (tick) => (tick + 1) * scale, width };
  }

  /** The names of the lanes, which stay where they are when the chart is scrolled. */
  function labels(frame, run) {
    const marker = { counter: "Redis: counter", stamps: "Redis: stamp" }[run.options.protocol] ?? "Redis";
    const texts = [...frame.lanes].map(([key, lane]) =>
      svg("text", { x: 0, y: lane.y + Math.min(lane.height, STRIP) - 4, class: "lane-name" }, key === MARKER ? marker : lane.label),
    );
    return svg("svg", { width: 96, height: frame.height, class: "lane-names", "aria-hidden": "true" }, ...texts);
  }

  /** Draws a run. `pick` is called with a call that was clicked. */
  function draw(run, frame, index, pick) {
    const { lanes, height, width } = frame;
    const picture = svg("svg", {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      class: "timeline",
      role: "img",
      "aria-label": summary(run),
    });
    const place = { ...frame, ...frame.placed[index] };
    const shore = lanes.get(MARKER).y - 12;
    picture.append(axis(place), svg("line", { class: "rule", x1: 0, x2: width, y1: shore, y2: shore }), ...windows(run, place), ...strips(run, place), database(run, place));
    picture.append(...run.messages.map((message) => line(run, message, place)).filter(Boolean));
    picture.append(...away(run, place), ...run.calls.map((call) => drawCall(run, call, place, pick)));
    picture.append(
      svg("rect", { class: "future", y: 0, height: height - 18, x: width, width: 0 }),
      svg("line", { class: "cursor", x1: 0, x2: 0, y1: 0, y2: height - 18 }),
    );
    for (const { y, height: tall } of [lanes.get("A"), lanes.get("B")]) {
      picture.prepend(svg("line", { class: "rule", x1: 0, x2: width, y1: y + tall + GAP / 2, y2: y + tall + GAP / 2 }));
    }
    return picture;
  }

  function summary(run) {
    const found = Object.entries(run.counts).filter(([, count]) => count > 0);
    const counts = found.map(([verdict, count]) => `${count} ${VERDICTS[verdict].name}`).join(", ");
    return `Timeline of ${PROTOCOLS_BY_NAME[run.options.protocol]}: ${run.reads} reads, of these ${counts}.`;
  }

  function axis({ x, height }) {
    const group = svg("g", { class: "axis" });
    for (let tick = 0; tick <= HORIZON; tick += 10) {
      group.append(svg("line", { x1: x(tick), x2: x(tick), y1: 0, y2: height - 18 }));
      if (tick % 20 === 0) group.append(svg("text", { x: x(tick), y: height - 4, "text-anchor": "middle" }, `${tick}`));
    }
    return group;
  }

  /** Where something is wrong. */
  function windows(run, { lanes, x }) {
    const { down, delayed, lost } = run.plan;
    const redis = { y: lanes.get(MARKER).y - 14, height: lanes.get("p2").y + STRIP - lanes.get(MARKER).y + 18 };
    const shade = (window, lane, text) => {
      const from = x(window.from);
      const textY = lane === redis ? lane.y + 9 : lane.y + lane.height - 1;
      return svg(
        "g",
        { class: "trouble" },
        svg("rect", { x: from, y: lane.y - 2, width: x(window.to) - from, height: lane.height + 2 }),
        svg("text", { x: from + 4, y: textY }, text),
      );
    };
    const whole = (node) => ({ y: lanes.get(node).y - 3, height: lanes.get(node).height + 8 });
    const hasMessages = run.options.near === "tracked" || (run.options.protocol !== "stamps" && run.options.near !== "off");
    const found = [];
    if (down) found.push(shade(down, redis, down.emptied ? "killed, comes back empty" : "stands still"));
    if (delayed && hasMessages) found.push(shade(delayed, whole(delayed.node), "messages are late"));
    if (lost && hasMessages) found.push(shade(lost, whole(lost.node), "messages are lost"));
    return found;
  }

  /** What stands under each key of Redis; an entry whose stamp is not the current one is hatched. */
  function strips(run, place) {
    const { lanes, x } = place;
    const keys = hasMarker(run) ? [MARKER, ...PAGES] : PAGES;
    return keys.map((key) => {
      const { y, height } = lanes.get(key);
      const group = svg("g", { class: "strip" }, svg("rect", { class: "empty", x: x(0), y, width: x(HORIZON) - x(0), height }));
      for (const piece of pieces(run, key)) {
        const box = { x: x(piece.from), y, width: Math.max(x(piece.to) - x(piece.from), 1), height };
        const style = key === MARKER ? "marker" : colour(piece.value.value.version);
        group.append(svg("rect", { ...box, class: `entry ${style}` }));
        if (piece.isDead) group.append(svg("rect", { ...box, class: "dead", fill: "url(#hatch)" }));
        if (box.width > 22) {
          const text = key === MARKER ? `${piece.value}` : `v${piece.value.value.version}${piece.isDead ? " dead" : ""}`;
          const ink = piece.isDead ? "of-dead" : undefined;
          group.append(svg("text", { class: ink, x: box.x + 4, y: y + height - 4 }, box.width > 52 ? text : text.replace(" dead", "")));
        }
      }
      return group;
    });
  }

  /** When a key had which value, cut where its stamp changes. */
  function pieces(run, key) {
    const states = run.states.filter((state) => state.key === key);
    const whole = states.flatMap((state, index) => {
      if (state.value === undefined) return [];
      const next = states[index + 1]?.at ?? HORIZON;
      return [{ from: state.at, to: Math.min(next, state.until ?? HORIZON, HORIZON), value: state.value }];
    });
    if (key === MARKER || !hasMarker(run)) return whole;
    const markers = pieces(run, MARKER);
    const isLiving = (tick, value) => markers.some(({ from, to, value: marker }) => from <= tick && tick < to && marker === value.marker);
    return whole.flatMap((piece) => {
      const cut = [];
      for (let from = piece.from; from < piece.to; from++) {
        const isDead = !isLiving(from, piece.value);
        const last = cut.at(-1);
        if (last?.isDead === isDead) last.to = from + 1;
        else cut.push({ ...piece, from, to: from + 1, isDead });
      }
      return cut;
    });
  }

  function database(run, { lanes, x }) {
    const { y, height } = lanes.get("database");
    const group = svg("g", { class: "strip" });
    run.commits.forEach((commit, index) => {
      const from = x(Math.max(commit.at, 0));
      const to = x(run.commits[index + 1]?.at ?? HORIZON);
      group.append(svg("rect", { x: from, y, width: to - from, height, class: `entry ${colour(commit.version)}` }));
      group.append(svg("text", { x: from + 4, y: y + height - 4 }, `v${commit.version}`));
    });
    return group;
  }

  function middle(run, id, { lanes, row }, node) {
    const lane = lanes.get(node);
    return lane.y + (row.get(id) ?? 0) * SLOT + SLOT / 2;
  }

  function line(run, message, place) {
    const { lanes, x } = place;
    if (message.style === "answer") return null;
    const redis = lanes.get(MARKER).y - 12;
    const arrived = message.arrived ?? message.sent + 4;
    const isReport = message.from === "redis";
    const node = isReport ? message.to : message.from;
    const y = isReport ? lanes.get(node).y + lanes.get(node).height : middle(run, message.call, place, node);
    const [from, to] = isReport ? [redis, y] : [y + 5, redis];
    const isLost = message.isLost || message.arrived === undefined;
    const group = svg("g", { class: `message ${message.style}${isLost ? " lost" : ""}`, "data-call": isReport ? undefined : message.call });
    const end = isLost ? (from + to) / 2 : to;
    const endX = isLost ? (x(message.sent) + x(arrived)) / 2 : x(arrived);
    group.append(svg("line", { x1: x(message.sent), y1: from, x2: endX, y2: end }));
    if (isLost) group.append(svg("text", { x: endX, y: end + 4, "text-anchor": "middle" }, "×"));
    else group.append(svg("circle", { cx: endX, cy: end, r: 2 }));
    return group;
  }

  function away(run, { lanes, x }) {
    return run.spans
      .filter((span) => span.kind === "away")
      .map((span) => {
        const lane = lanes.get(span.node);
        const from = x(span.from);
        return svg(
          "g",
          { class: "away" },
          svg("rect", { x: from, y: lane.y - 3, width: x(Math.min(span.to, HORIZON)) - from, height: lane.height + 6 }),
          svg("text", { x: from + 4, y: lane.y + 9 }, "killed"),
        );
      });
  }

  function drawCall(run, call, place, pick) {
    const { x } = place;
    const y = middle(run, call.id, place, call.node);
    const end = call.end ?? HORIZON;
    const group = svg("g", { class: `call ${call.kind} ${call.verdict ?? ""}`, "data-call": call.id });
    group.append(svg("title", {}, described(call)));
    group.append(svg("rect", { class: "bar", x: x(call.at), y: y - 4, width: Math.max(x(end) - x(call.at), 2), height: 8, rx: 4 }));
    for (const span of run.spans.filter((one) => one.call === call.id)) {
      const to = Math.min(span.to ?? HORIZON, end);
      if (span.seen === undefined || span.seen > to) continue;
      const style = span.version === undefined ? "" : colour(span.version);
      group.append(svg("rect", { class: `span ${span.kind} ${style}`, x: x(span.seen), y: y - 4, width: Math.max(x(to) - x(span.seen), 1), height: 8, rx: 2 }));
      if (span.kind === "commit") {
        const at = x(span.seen);
        group.append(svg("path", { class: `diamond ${style}`, d: `M${at} ${y - 8}l8 8l-8 8l-8-8z` }));
      }
    }
    if (call.value) {
      group.append(svg("circle", { class: `value ${colour(call.value.version)}`, cx: x(end), cy: y, r: 7 }));
      group.append(svg("text", { class: "digit", x: x(end), y: y + 3.5, "text-anchor": "middle" }, `${call.value.version}`));
      const mark = { stale: "✗", unacknowledged: "?", bounded: "~" }[call.verdict];
      if (mark) group.append(svg("text", { class: "mark", x: x(end) + 10, y: y + 5 }, mark));
    } else if (call.kind === "write" && call.version !== undefined) {
      group.append(svg("text", { class: "mark", x: x(end) + 3, y: y + 5 }, call.isAcknowledged ? "✓" : "?"));
    } else if (call.isKilled) {
      group.append(svg("text", { class: "mark", x: x(end) - 2, y: y + 5 }, "†"));
    }
    group.addEventListener("click", () => pick(call));
    return group;
  }

  function described(call) {
    const what = call.kind === "read" ? `Read ${call.id} of page ${call.page[1]}` : `Write ${call.id}`;
    const came = call.value ? `: v${call.value.version}, ${VERDICTS[call.verdict].name}` : call.isKilled ? ": killed" : "";
    return `${what} on node ${call.node}, ticks ${call.at} to ${call.end ?? "…"}${came}`;
  }

  /** Moves the cursor of a picture: what comes after it is veiled. */
  function veil(picture, { x, width }, tick) {
    const at = x(tick) + 0.5;
    const cursor = picture.querySelector(".cursor");
    cursor.setAttribute("x1", at);
    cursor.setAttribute("x2", at);
    const future = picture.querySelector(".future");
    const isOver = tick >= HORIZON;
    cursor.classList.toggle("hidden", isOver);
    future.setAttribute("x", at);
    future.setAttribute("width", isOver ? 0 : Math.max(width - at, 0));
  }

  /** Brings out what belongs to one call; nothing in particular without one. */
  function bringOut(picture, id) {
    picture.classList.toggle("picked", id !== undefined);
    for (const element of picture.querySelectorAll("[data-call]")) {
      element.classList.toggle("out", element.dataset.call === `${id}`);
    }
  }

  Object.assign(simulator, { layout, labels, drawRun: draw, veil, bringOut });
})(globalThis.Simulator ??= {});
