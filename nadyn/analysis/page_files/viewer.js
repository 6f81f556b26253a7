// The viewer: one trajectory at a time, its molecule, its state over time, its energies and its hops.
"use strict";

const $ = name => document.getElementById("view-" + name);

function restored(octets, rows, width, first, scale) {
  const n = rows * width, numbers = new Int16Array(n), values = new Float32Array(n);
  for (let i = 0; i < n; i++) {
    const change = (octets[i] | octets[n + i] << 8) << 16 >> 16;
    numbers[i] = first[Math.floor(i / width)] ? change : numbers[i - width] + change;
    values[i] = scale.middle + scale.step * numbers[i];
  }
  return values;
}

function readData(facts, bytes) {
  const data = {};
  const types = { Uint8Array, Int16Array, Uint32Array, Float32Array };
  for (const one of facts.arrays) data[one.name] = new types[one.type](bytes.buffer, one.offset, one.length);
  const rows = data.trajectory.length;
  const first = new Uint8Array(rows);
  data.rows = new Map();  // of each trajectory: where its frames begin and end
  for (let row = 0; row < rows; row++) {
    const t = data.trajectory[row];
    if (!data.rows.has(t)) { data.rows.set(t, [row, row]); first[row] = 1; }
    data.rows.get(t)[1] = row + 1;
  }
  data.energies = restored(data.energies, rows, facts.n_states, first, facts.scales.energies);
  if (facts.symbols.length) {
    data.positions = restored(data.positions, rows, 3 * facts.symbols.length, first, facts.scales.positions);
  }
  data.hops = new Map();
  data.hop_trajectory.forEach((t, hop) => {
    if (!data.hops.has(t)) data.hops.set(t, []);
    data.hops.get(t).push(hop);
  });
  return data;
}

function viewer(facts, data) {
  const all = [...data.rows.keys()];
  const now = { trajectory: all[0], row: 0, timer: null };
  const femto = step => step * facts.dt_fs;
  const timeOf = row => femto(data.frame[row] * facts.write_every);
  const colour = k => facts.on_states ? `var(--state-${k % 16})` : "var(--quiet)";
  const hopsOf = t => (data.hops.get(t) || []).filter(hop => data.hop_accepted[hop]);
  const molecule = facts.symbols.length ? drawing($("molecule"), facts.symbols, facts.turn) : null;
  if (facts.symbols.length && !molecule) { $("molecule").remove(); $("no-molecule").hidden = false; }

  function xyz(row) {
    const n = facts.symbols.length, from = 3 * n * row;
    const lines = facts.symbols.map((name, atom) => name + "  " + [0, 1, 2].map(axis =>
      data.positions[from + 3 * atom + axis].toFixed(4)).join("  "));
    return [n, `trajectory ${now.trajectory}, ${timeOf(row).toFixed(3)} fs, state ${data.state[row]}, of ` +
      facts.name, ...lines, ""].join("\n");
  }

  function nearestRow(t, step) {
    const [from, to] = data.rows.get(t);
    let best = from;
    for (let row = from; row < to; row++) {
      const far = r => Math.abs(data.frame[r] * facts.write_every - step);
      if (far(row) <= far(best)) best = row;
    }
    return best;
  }

  function show(row) {
    now.row = row;
    const [from, to] = data.rows.get(now.trajectory);
    $("time").value = String(row - from);
    const k = data.state[row], base = row * facts.n_states;
    const energy = data.energies[base + (facts.on_states ? k : 0)];
    const words = [`Trajectory ${now.trajectory}`, `${timeOf(row).toFixed(2)} fs`];
    if (facts.on_states && facts.n_states > 1) {
      words.push(`state ${k}`);
      const gaps = [...Array(facts.n_states).keys()].filter(l => l !== k)
        .map(l => Math.abs(data.energies[base + l] - energy));
      words.push(`${Math.min(...gaps).toFixed(2)} eV to the nearest state`);
    }
    for (const hop of data.hops.get(now.trajectory) || []) {
      if (nearestRow(now.trajectory, data.hop_step[hop]) !== row) continue;
      words.push(`${data.hop_accepted[hop] ? "hop" : "refused hop"} ${data.hop_from[hop]}→${data.hop_to[hop]} ` +
        `at ${femto(data.hop_step[hop]).toFixed(2)} fs, gap ${data.hop_gap[hop].toFixed(3)} eV`);
    }
    if (row === to - 1) words.push(facts.ended[data.ended[now.trajectory]]);
    $("moment").textContent = words.join(" · ");
    $("time").setAttribute("aria-valuetext", words.slice(1).join(", "));
    const x = 1000 * timeOf(row) / (facts.end_fs || 1);
    $("energies").querySelector(".now").setAttribute("d", `M${x} 0V130`);
    for (const button of $("stops").children) {
      button.setAttribute("aria-current", String(Number(button.dataset.row) === row));
    }
    if (molecule) molecule.show(xyz(row));
  }

  function open(t) {
    now.trajectory = t;
    const [from, to] = data.rows.get(t);
    $("time").max = String(to - from - 1);
    $("time").style.width = `max(2rem, ${100 * timeOf(to - 1) / (facts.end_fs || 1)}%)`;
    $("trajectory").value = String(t);
    const [low, high] = energies(from, to);
    $("energy-range").textContent = `energies ${low.toFixed(2)} to ${high.toFixed(2)} eV`;
    bar(t, from, to);
    const stops = [["Start", from]];
    for (const hop of hopsOf(t).slice(0, 12)) {
      stops.push([`Hop ${data.hop_from[hop]}→${data.hop_to[hop]}, ${femto(data.hop_step[hop]).toFixed(1)} fs`,
        nearestRow(t, data.hop_step[hop])]);
    }
    stops.push([`End: ${facts.ended[data.ended[t]]}`, to - 1]);
    $("stops").replaceChildren(...stops.map(([name, row]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.dataset.row = row;
      button.addEventListener("click", () => { pause(); show(row); });
      return button;
    }));
  }

  function energies(from, to) {
    const parts = data.energies.subarray(from * facts.n_states, to * facts.n_states);
    let low = Infinity, high = -Infinity;
    for (const value of parts) { low = Math.min(low, value); high = Math.max(high, value); }
    const x = row => (1000 * timeOf(row) / (facts.end_fs || 1)).toFixed(1);
    const y = value => (124 - 118 * (value - low) / (high - low || 1)).toFixed(1);
    const at = (row, k) => `${x(row)} ${y(data.energies[row * facts.n_states + k])}`;
    const paths = [];
    for (let k = 0; k < facts.n_states; k++) {
      let line = "", active = "";
      for (let row = from; row < to; row++) {
        line += (row === from ? "M" : "L") + at(row, k);
        if (row > from && data.state[row] === k && facts.on_states) active += `M${at(row - 1, k)}L${at(row, k)}`;
      }
      paths.push([line, colour(k), 1], [active, colour(k), 3.5]);
    }
    paths.push(["", "var(--ink)", 1, "now"]);
    $("energies").replaceChildren(...paths.map(([d, stroke, width, name]) => {
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", d);
      path.style.stroke = stroke;
      path.style.strokeWidth = width;
      if (name) path.setAttribute("class", name);
      return path;
    }));
    return [low, high];
  }

  // Between two shown frames the state is that of the later one, but a hop is drawn at its own time.
  function bar(t, from, to) {
    const share = time => `${(100 * Math.min(1, time / (facts.end_fs || 1))).toFixed(2)}%`;
    const hops = hopsOf(t);
    const pieces = [];
    let begin = 0, k = data.state[from];
    for (const hop of hops) {
      const time = femto(data.hop_step[hop]);
      pieces.push([k, begin, time]);
      [begin, k] = [time, data.hop_to[hop]];
    }
    pieces.push([k, begin, timeOf(to - 1)]);
    const stops = pieces.map(([state, a, b]) => `${colour(state)} ${share(a)} ${share(b)}`);
    stops.push(`var(--line) ${share(timeOf(to - 1))} 100%`);
    $("bar").style.background = `linear-gradient(to right, ${stops.join(", ")})`;
    $("bar").setAttribute("aria-label", "State over time: " + pieces.map(([state, a, b]) =>
      `state ${state} from ${a.toFixed(1)} to ${b.toFixed(1)} fs`).join(", "));
    $("bar").replaceChildren(...hops.map(hop => {
      const mark = document.createElement("span");
      mark.style.left = share(femto(data.hop_step[hop]));
      return mark;
    }));
  }

  function listTrajectories(kind) {
    const some = kind === "" ? all : all.filter(t => String(data.ended[t]) === kind);
    $("trajectory").replaceChildren(...some.map(t => new Option(String(t), String(t))));
    return some;
  }

  function pause() {
    clearInterval(now.timer);
    now.timer = null;
    $("play").textContent = "Play";
    $("moment").setAttribute("aria-live", "polite");
  }

  function play() {
    if (now.timer) return pause();
    const [from, to] = data.rows.get(now.trajectory);
    if (now.row === to - 1) show(from);
    $("play").textContent = "Pause";
    $("moment").setAttribute("aria-live", "off");
    now.timer = setInterval(() => now.row + 1 < to ? show(now.row + 1) : pause(), Math.max(40, 6000 / (to - from)));
  }

  // So that fragments stay in the picture for a while after they have left.
  function fit() {
    if (!molecule) return;
    const n = 3 * facts.symbols.length;
    const reach = row => {
      let far = 0;
      for (let i = n * row; i < n * (row + 1); i += 3) {
        far = Math.max(far, Math.hypot(data.positions[i], data.positions[i + 1], data.positions[i + 2]));
      }
      return Math.max(far, 1.8);
    };
    const [from, to] = data.rows.get(now.trajectory);
    let most = 0;
    for (let row = from; row < to; row++) most = Math.max(most, reach(row));
    molecule.fit(reach(now.row) / Math.max(reach(now.row), Math.min(most, 3.5)));
  }

  function go(t) { pause(); open(t); show(data.rows.get(t)[0]); fit(); }

  function neighbour(turn) {
    const list = [...$("trajectory").options].map(one => Number(one.value));
    const place = list.indexOf(now.trajectory) + turn;
    if (list.length) go(list[(place + list.length) % list.length]);
  }

  // The address of the page says which moment is shown: #t12s340 is step 340 of trajectory 12.
  function followAddress() {
    const found = /^#t(\d+)(?:s(\d+))?$/.exec(location.hash);
    if (!found) return;
    const t = Number(found[1]);
    if (!data.rows.has(t)) return say(`Trajectory ${t} is not in this page; it is in the trajectory file.`);
    pause();
    if (![...$("trajectory").options].some(one => one.value === found[1])) {
      $("ended").value = "";
      listTrajectories("");
    }
    open(t);
    show(found[2] === undefined ? data.rows.get(t)[0] : nearestRow(t, Number(found[2])));
    fit();
    for (const old of document.querySelectorAll(".plot a.here")) old.classList.remove("here");
    for (const link of document.querySelectorAll(".plot a")) {
      if (link.getAttribute("xlink:href") === location.hash) link.classList.add("here");
    }
    document.getElementById("trajectories").scrollIntoView({ block: "nearest" });
  }

  const counts = new Map();
  for (const t of all) counts.set(data.ended[t], (counts.get(data.ended[t]) || 0) + 1);
  $("ended").replaceChildren(new Option(`anything (${all.length})`, ""),
    ...facts.ended.map((name, kind) => [name, kind]).filter(([, kind]) => counts.has(kind))
      .map(([name, kind]) => new Option(`${name} (${counts.get(kind)})`, String(kind))));
  $("end").textContent = `${facts.end_fs.toPrecision(4)} fs`;
  if (facts.n_states > 1 && facts.on_states) {
    $("legend").replaceChildren(...[...Array(facts.n_states).keys()].map(k => {
      const item = document.createElement("span"), line = document.createElement("i");
      line.style.background = colour(k);
      item.append(line, `state ${k}`);
      return item;
    }));
  }
  listTrajectories("");
  $("ended").addEventListener("change", () => { const some = listTrajectories($("ended").value); go(some[0]); });
  $("trajectory").addEventListener("change", () => go(Number($("trajectory").value)));
  $("time").addEventListener("input", () => {
    pause();
    show(data.rows.get(now.trajectory)[0] + Number($("time").value));
  });
  $("previous").addEventListener("click", () => neighbour(-1));
  $("next").addEventListener("click", () => neighbour(1));
  $("play").addEventListener("click", play);
  if (facts.symbols.length) {
    const name = () => `${facts.name}-${now.trajectory}`;
    $("save-geometry").addEventListener("click", () =>
      save(xyz(now.row), "chemical/x-xyz", `${name()}-${timeOf(now.row).toFixed(1)}fs.xyz`));
    $("save-trajectory").addEventListener("click", () => {
      const [from, to] = data.rows.get(now.trajectory);
      let text = "";
      for (let row = from; row < to; row++) text += xyz(row);
      save(text, "chemical/x-xyz", `${name()}.xyz`);
    });
  }
  window.addEventListener("hashchange", followAddress);
  go(all[0]);
  followAddress();
}

// The molecule by 3Dmol.js; null without WebGL.
function drawing(place, symbols, turn) {
  const test = document.createElement("canvas");
  if (!(test.getContext("webgl2") || test.getContext("webgl"))) return null;
  const lib = window["3Dmol"] || window.$3Dmol;
  const picture = lib.createViewer(place, { antialias: true, minimumZoomToDistance: 1.8 });
  picture.setView([...picture.getView().slice(0, 4), ...turn]);
  // Its smoothing of edges knows no transparent ground.
  const ground = () => {
    const parts = getComputedStyle(place).backgroundColor.match(/\d+/g).map(Number);
    picture.setBackgroundColor(parts[0] << 16 | parts[1] << 8 | parts[2], 1);
    picture.render();
  };
  document.addEventListener("theme", ground);
  ground();
  const heavy = symbols.length > 300;
  const style = heavy ? { sphere: { scale: 0.25 } } : { stick: { radius: 0.11 }, sphere: { scale: 0.24 } };
  place.addEventListener("keydown", event => {
    const turns = { ArrowLeft: [-12, "y"], ArrowRight: [12, "y"], ArrowUp: [-12, "x"], ArrowDown: [12, "x"] };
    if (turns[event.key]) picture.rotate(...turns[event.key]);
    else if (event.key === "+" || event.key === "=") picture.zoom(1.15);
    else if (event.key === "-") picture.zoom(1 / 1.15);
    else if (event.key === "0") picture.zoomTo();
    else return;
    picture.render();
    event.preventDefault();
  });
  new ResizeObserver(() => { picture.resize(); }).observe(place);
  return {
    show(text) {
      picture.removeAllModels();
      picture.addModel(text, "xyz");
      picture.setStyle({}, style);
      picture.render();
    },
    fit(share) { picture.zoomTo(); picture.zoom(0.9 * share); picture.render(); },
  };
}

(async () => {
  if (typeof DecompressionStream === "undefined") {
    $("moment").textContent = "This browser is too old to unpack the trajectories; a newer one shows them.";
    return;
  }
  const facts = JSON.parse($("facts").textContent);
  viewer(facts, readData(facts, await unpack("view-data")));
  document.documentElement.dataset.ready = "yes";
  performance.mark("ready");
})();
