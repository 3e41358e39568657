
"use strict";
{
  const image = JSON.parse(document.getElementById("image").textContent);
  const HEAD = 19, GAP = 2, DEEPEST = 7, MOST_BOXES = 2200;
  const REST = -1, LAYERS = -2;

  // Columns of the file, made into children by node and parts by node and layer. Children are biggest first.
  const count = image.name.length;
  const children = Array.from({ length: count }, () => []);
  for (let node = 1; node < count; node++) children[image.parent[node]].push(node);
  const parts = Array.from({ length: count }, () => new Map());
  for (let node = 0, at = 0; node < count; node++)
    for (let left = image.parts.count[node]; left > 0; left--, at++)
      parts[node].set(image.parts.layer[at], { size: image.parts.size[at], wasted: image.parts.wasted[at] });

  const map = document.getElementById("map");
  const trail = document.getElementById("trail");
  const told = document.getElementById("told");
  const NONE = { size: 0, wasted: 0 };

  // What is shown: a node (LAYERS: all layers side by side) of one layer, or of all (0).
  let shown = { by: "directory", layer: 0, node: 0 };

  const bytes = (node, layer) =>
    layer ? parts[node].get(layer) ?? NONE : { size: image.size[node], wasted: image.wasted[node] };

  function sizeText(size) {
    const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let unit = 0;
    while (size >= 999.5 && unit < units.length - 1) { size /= 1000; unit++; }
    if (unit === 0) return `${size} B`;
    return `${size.toFixed(size < 9.995 ? 2 : size < 99.95 ? 1 : 0)} ${units[unit]}`;
  }

  function shareText(part, whole) {
    if (!whole || part === 0) return "0%";
    if (part === whole) return "100%";
    return `${Math.min(Math.max((100 * part) / whole, 0.1), 99.9).toFixed(1)}%`;
  }

  function path(node) {
    const names = [];
    for (; node > 0; node = image.parent[node]) names.unshift(image.name[node]);
    return "/" + names.join("/");
  }

  // The items that a box is divided into, with what is too small to be listed as one of them.
  function itemsOf(node, layer) {
    if (node === LAYERS)
      return image.layers
        .map((_, index) => ({ node: 0, layer: index + 1, ...bytes(0, index + 1) }))
        .filter((item) => item.size > 0)
        .sort((one, other) => other.size - one.size);
    if (node === REST) return [];
    const items = children[node]
      .map((child) => ({ node: child, layer, ...bytes(child, layer) }))
      .filter((item) => item.size > 0)
      .sort((one, other) => other.size - one.size);
    if (!items.length) return [];
    const whole = bytes(node, layer);
    const rest = { node: REST, of: node, layer, size: whole.size, wasted: whole.wasted };
    for (const item of items) { rest.size -= item.size; rest.wasted -= item.wasted; }
    if (rest.size > 0) items.push(rest);
    return items;
  }

  // Squarified (Bruls, Huizing, van Wijk 2000): rows along the shorter side, closed when a further item makes them worse.
  function placed(items, x, y, width, height) {
    const whole = items.reduce((sum, item) => sum + item.size, 0);
    const scale = whole ? (width * height) / whole : 0;
    const found = [];
    for (let at = 0; at < items.length; ) {
      const side = Math.min(width, height);
      if (side <= 0) break;
      let area = 0, worst = Infinity, end = at;
      const most = items[at].size * scale;
      for (; end < items.length; end++) {
        const least = items[end].size * scale, sum = area + least;
        const ratio = Math.max((side * side * most) / (sum * sum), (sum * sum) / (side * side * least));
        if (ratio > worst) break;
        worst = ratio;
        area = sum;
      }
      const thick = area / side;
      let along = 0;
      for (; at < end; at++) {
        const long = (items[at].size * scale) / thick;
        found.push(width < height
          ? { item: items[at], x: x + along, y, width: long, height: thick }
          : { item: items[at], x, y: y + along, width: thick, height: long });
        along += long;
      }
      if (width < height) { y += thick; height -= thick; } else { x += thick; width -= thick; }
    }
    return found;
  }

  function nameOf(item) {
    if (item.node === REST) return "smaller ones";
    if (shown.by === "layer" && item.node === 0) {
      const instruction = image.layers[item.layer - 1].instruction;
      return `${item.layer}  ${instruction}${image.layers[item.layer - 1].is_base ? " (base)" : ""}`;
    }
    return image.name[item.node] + (children[item.node].length ? "/" : "");
  }

  function span(look, text) {
    const element = document.createElement("span");
    element.className = look;
    element.textContent = text;
    return element;
  }

  let boxes = [];

  function draw() {
    boxes = [];
    const top = itemsOf(shown.node, shown.layer);
    const fragment = document.createDocumentFragment();
    const items = top.length ? top : [{ node: shown.node, layer: shown.layer, ...bytes(shown.node, shown.layer) }];
    const waiting = placed(items, 0, 0, map.clientWidth, map.clientHeight).map((place, index) => (
      { ...place, depth: 0, hue: image.hues[index % image.hues.length] }));
    for (let at = 0; at < waiting.length && boxes.length < MOST_BOXES; at++) {
      const place = waiting[at];
      if (place.width < 2.5 || place.height < 2.5) continue;
      const inner = { width: place.width - 2 * GAP, height: place.height - HEAD - GAP };
      const under = inner.width > 44 && inner.height > 30 && place.depth < DEEPEST ? itemsOf(place.item.node, place.item.layer) : [];
      fragment.append(box(place, under.length > 0));
      for (const each of placed(under, place.x + GAP, place.y + HEAD, inner.width, inner.height))
        waiting.push({ ...each, depth: place.depth + 1, hue: place.hue });
    }
    map.replaceChildren(fragment);
    drawTrail();
    for (const button of document.querySelectorAll("[data-by]"))
      button.setAttribute("aria-pressed", String(button.dataset.by === shown.by));
    tell({ node: shown.node, layer: shown.layer });
  }

  function box(place, isDivided) {
    const { item } = place;
    const element = document.createElement("div");
    const canEnter = item.node !== REST && itemsOf(item.node, item.layer).length > 0;
    element.className = `box${canEnter ? " way" : ""}${item.node === REST ? " rest" : ""}`;
    element.dataset.box = String(boxes.push(item) - 1);
    const { style } = element;
    style.left = `${place.x + 0.5}px`;
    style.top = `${place.y + 0.5}px`;
    style.width = `${place.width - 1}px`;
    style.height = `${place.height - 1}px`;
    style.setProperty("--hue", String(place.hue));
    style.setProperty("--depth", String(Math.min(place.depth, image.shades - 1)));
    if (canEnter && place.depth === 0) {
      element.tabIndex = 0;
      element.setAttribute("role", "button");
      element.setAttribute("aria-label", `${nameOf(item)}, ${sizeText(item.size)}, ${shareText(item.wasted, item.size)} wasted`);
    }
    if (!isDivided && item.wasted > 0) {
      const lost = document.createElement("div");
      lost.style.height = `${(100 * item.wasted) / item.size}%`;
      element.append(lost);
      element.classList.add("lossy");
    }
    if (place.width > 44 && place.height > 16) {
      element.append(span("name", isDivided ? `${nameOf(item)}  ${sizeText(item.size)}` : nameOf(item)));
      if (!isDivided && place.height > 34 && place.width > 56) element.append(span("size", sizeText(item.size)));
    }
    return element;
  }

  function drawTrail() {
    trail.replaceChildren();
    const step = (text, where) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = text;
      button.addEventListener("click", () => go(where));
      trail.append(button);
    };
    const slash = () => { const mark = document.createElement("i"); mark.textContent = "/"; trail.append(mark); };
    step(shown.by === "layer" ? "all layers" : "image", start(shown.by));
    if (shown.node === LAYERS) return;
    if (shown.by === "layer") { slash(); step(`layer ${shown.layer}`, { ...shown, node: 0 }); }
    const above = [];
    for (let node = shown.node; node > 0; node = image.parent[node]) above.unshift(node);
    for (const node of above) { slash(); step(image.name[node], { ...shown, node }); }
  }

  function tell(item) {
    told.replaceChildren();
    if (item.node === LAYERS) item = { node: 0, layer: 0 };
    const node = item.node === REST ? item.of : item.node;
    const found = item.node === REST ? item : bytes(node, item.layer);
    const name = document.createElement("b");
    name.textContent = item.node === REST ? `smaller ones in ${path(node)}` : path(node);
    const where = item.layer ? ` in layer ${item.layer}` : "";
    told.append(name, `${where} · ${sizeText(found.size)}, ${shareText(found.size, image.size[0])} of the image`);
    if (item.node !== REST && !item.layer) told.append(` · ${image.files[node].toLocaleString("en")} file versions`);
    if (found.wasted) {
      const lost = document.createElement("em");
      lost.textContent = `${sizeText(found.wasted)} wasted (${shareText(found.wasted, found.size)})`;
      told.append(" · ", lost);
    }
    if (item.layer && node === 0) told.append(document.createElement("br"), image.layers[item.layer - 1].instruction);
    else if (item.node !== REST) tellLayers(node);
  }

  function tellLayers(node) {
    const all = [...parts[node]].sort((one, other) => other[1].size - one[1].size);
    const texts = all.slice(0, 6).map(([layer, part]) =>
      `layer ${layer}: ${sizeText(part.size)}${part.wasted ? `, ${sizeText(part.wasted)} of it wasted` : ""}`);
    if (all.length > 6) texts.push(`${all.length - 6} more layers`);
    told.append(document.createElement("br"), texts.join(" · "));
  }

  const start = (by) => ({ by, layer: 0, node: by === "layer" ? LAYERS : 0 });

  // Where one is stands in the address, so that the browser's own back and forward work.
  function go(where) { location.hash = `by=${where.by}&layer=${where.layer}&node=${where.node}`; }

  function arrive() {
    const asked = new URLSearchParams(location.hash.slice(1));
    const by = asked.get("by") === "layer" ? "layer" : "directory";
    const node = Number(asked.get("node")), layer = Number(asked.get("layer"));
    const isThere = Number.isInteger(node) && node >= 0 && node < count;
    const isLayer = Number.isInteger(layer) && layer >= 1 && layer <= image.layers.length;
    shown = isThere && asked.has("node") && (by === "directory" || isLayer) ? { by, layer: isLayer ? layer : 0, node } : start(by);
    draw();
  }

  function up() {
    if (shown.node > 0) go({ ...shown, node: image.parent[shown.node] });
    else if (shown.by === "layer" && shown.node === 0) go(start("layer"));
  }

  function enter(item) {
    const node = item.node === REST ? item.of : item.node;
    const where = { by: shown.by, layer: item.layer, node };
    if (item.node !== REST && itemsOf(node, item.layer).length) return go(where);
    const parent = item.node === REST ? node : image.parent[node];
    if (parent >= 0 && (parent !== shown.node || item.layer !== shown.layer)) go({ ...where, node: parent });
  }

  const itemAt = (event) => boxes[event.target.closest?.(".box")?.dataset.box];
  map.addEventListener("click", (event) => { const item = itemAt(event); if (item) enter(item); });
  map.addEventListener("keydown", (event) => {
    const item = itemAt(event);
    if (item && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); enter(item); }
  });
  for (const kind of ["mouseover", "focusin"])
    map.addEventListener(kind, (event) => {
      const item = itemAt(event);
      if (!item) return;
      map.querySelector(".on")?.classList.remove("on");
      event.target.closest(".box").classList.add("on");
      tell(item);
    });
  map.addEventListener("mouseleave", () => {
    map.querySelector(".on")?.classList.remove("on");
    tell({ node: shown.node, layer: shown.layer });
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") up(); });
  for (const button of document.querySelectorAll("[data-by]"))
    button.addEventListener("click", () => go(start(button.dataset.by)));
  addEventListener("hashchange", () => { arrive(); map.focus({ preventScroll: true }); });

  document.getElementById("drawing").hidden = image.size[0] === 0;
  let width = 0;
  new ResizeObserver(() => { if (map.clientWidth !== width) { width = map.clientWidth; draw(); } }).observe(map);
  arrive();
  width = map.clientWidth;

  // Tables: a head that has a name sorts its column; figures by their value, the rest by its text.
  function sort(table, column, isUp) {
    const body = table.tBodies[0];
    const key = (row) => {
      const cell = row.cells[column];
      return "value" in cell.dataset ? Number.parseFloat(cell.dataset.value) || 0 : cell.textContent;
    };
    const keyed = [...body.rows].map((row) => [key(row), row]);
    keyed.sort(([one], [other]) =>
      (typeof one === "number" && typeof other === "number" ? one - other : String(one).localeCompare(String(other))) * (isUp ? 1 : -1));
    body.append(...keyed.map(([, row]) => row));
  }

  for (const table of document.querySelectorAll("table"))
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (!head.textContent) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isUp = head.getAttribute("aria-sort") === "descending" || (head.ariaSort === null && !head.classList.contains("figure"));
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
        sort(table, column, isUp);
      });
    });
}
