// The page itself: light or dark, points that lead to moments, and everything that can be taken away.
"use strict";

const INK = "#1d2129";

function say(text) {
  const place = document.getElementById("said");
  place.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { place.textContent = ""; }, 6000);
}

function bytesOf(name) {
  const text = atob(document.getElementById(name).textContent.trim());
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

async function unpack(name) {
  const stream = new Blob([bytesOf(name)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function save(content, kind, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type: kind }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say("Saved " + name);
}

// A figure as it stands on paper: its own colours, no links.
function standingAlone(svg) {
  const copy = svg.cloneNode(true);
  for (const link of [...copy.querySelectorAll("a")]) link.replaceWith(...link.childNodes);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("xmlns:xlink", "http://www.w3.org/1999/xlink");
  return new XMLSerializer().serializeToString(copy)
    .replace(/var\(--state-\d+, (#[0-9a-f]+)\)/gi, "$1")
    .replace(/currentColor/gi, INK);
}

async function pixels(svg, scale) {
  const [, , width, height] = svg.getAttribute("viewBox").split(" ").map(Number);
  const text = standingAlone(svg);
  const picture = new Image();
  const address = URL.createObjectURL(new Blob([text], { type: "image/svg+xml" }));
  picture.src = address;
  await picture.decode();
  const canvas = document.createElement("canvas");
  canvas.width = Math.round(scale * width);
  canvas.height = Math.round(scale * height);
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(address);
  return new Promise(done => canvas.toBlob(done, "image/png"));
}

async function saveFigure(figure, kind) {
  const svg = figure.querySelector("svg");
  const name = figure.id + "." + kind;
  if (kind === "svg") save(standingAlone(svg), "image/svg+xml", name);
  else if (kind === "png") save(await pixels(svg, 4), "image/png", name);
  else save(await unpack("csv-" + figure.id), "text/csv", name);
}

// Many points are one stop of the Tab key; arrows go from point to point, in the order of time.
function lead(plot) {
  const svg = plot.querySelector("svg");
  const links = [...svg.querySelectorAll("a")];
  const moments = new Map(links.map(link => {
    const [, trajectory, step] = /#t(\d+)(?:s(\d+))?/.exec(link.getAttribute("xlink:href"));
    link.setAttribute("role", "link");
    link.setAttribute("tabindex", "-1");
    link.setAttribute("aria-label", "Trajectory " + trajectory + (step ? ", step " + step : ""));
    return [link, [Number(step || 0), Number(trajectory)]];
  }));
  links.sort((a, b) => moments.get(a)[0] - moments.get(b)[0] || moments.get(a)[1] - moments.get(b)[1]);
  links[0].setAttribute("tabindex", "0");
  svg.addEventListener("keydown", event => {
    const turn = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const now = links.indexOf(document.activeElement);
    if (now < 0) return;
    if (event.key === " ") { location.hash = links[now].getAttribute("xlink:href"); event.preventDefault(); }
    if (!turn) return;
    event.preventDefault();
    const next = links[Math.min(links.length - 1, Math.max(0, now + turn))];
    links[now].setAttribute("tabindex", "-1");
    next.setAttribute("tabindex", "0");
    next.focus();
  });
  // Points are small: a click beside one means the nearest.
  svg.addEventListener("click", event => {
    if (event.target.closest("a")) return;
    let best = null, least = 14;
    for (const link of links) {
      const box = link.getBoundingClientRect();
      const far = Math.hypot(event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2);
      if (far < least) [best, least] = [link, far];
    }
    if (best) location.hash = best.getAttribute("xlink:href");
  });
}

function isDark() {
  const said = document.documentElement.dataset.theme;
  return said ? said === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function themeButton() {
  const button = document.getElementById("theme");
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    show();
    document.dispatchEvent(new Event("theme"));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    show();
    document.dispatchEvent(new Event("theme"));
  });
  show();
}

document.documentElement.classList.add("has-js");
themeButton();
for (const plot of document.querySelectorAll(".plot[role=group]")) lead(plot);
document.addEventListener("click", event => {
  const button = event.target.closest("button[data-save]");
  if (!button) return;
  saveFigure(button.closest("figure"), button.dataset.save).catch(() => {
    say("This browser is too old to save that; a newer one can.");
  });
});
