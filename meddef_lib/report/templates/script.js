// Choosing a data set, finding and sorting rows, knowing where one is; the page reads as well without it.
document.documentElement.classList.add("js");
const every = (selector, within = document) => [...within.querySelectorAll(selector)];

// --- one choice of data set for the page, and one for each figure that is shown at several places
function choose(dataset) {
  for (const part of every("[data-dataset]")) part.hidden = part.dataset.dataset !== dataset;
  for (const radio of every(".datasets input")) radio.checked = radio.value === dataset;
  focusable();
}
function states(figure) {
  const parts = every("[data-state]", figure);
  if (parts.length < 2) return;
  const form = document.createElement("fieldset");
  const fullest = parts.find((part) => part.hasAttribute("data-first")) ?? parts.reduce((best, part) => (every("g", part).length > every("g", best).length ? part : best));
  form.className = "choice";
  form.append(Object.assign(document.createElement("legend"), { textContent: "Shown:", className: "soft" }));
  parts.forEach((part) => {
    const label = form.appendChild(document.createElement("label"));
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: `of ${figure.closest("[id]").id}`, value: part.dataset.state });
    radio.checked = part === fullest;
    part.hidden = !radio.checked;
    label.append(radio, ` ${part.dataset.state}`);
  });
  form.addEventListener("change", (event) => {
    for (const part of parts) part.hidden = part.dataset.state !== event.target.value;
  });
  figure.prepend(form);
}
document.addEventListener("change", (event) => {
  if (event.target.closest(".datasets")) choose(event.target.value);
});

// --- images under attack: a choice moves the windows into the sheet of its network
const heat = (digits, side = Math.sqrt(digits.length)) => [...digits].map((digit, at) => (digit === "0" ? "" :
  `<rect x="${(at % side) / side}" y="${Math.floor(at / side) / side}" width="${1 / side}" height="${1 / side}" opacity="${digit / 15}"/>`)).join("");
function pictures(viewer) {
  const told = viewer.querySelector("script");
  if (!told) return;
  const networks = JSON.parse(told.textContent);
  const chosen = (name) => viewer.querySelector(`[data-choice="${name}"] :checked`);
  viewer.addEventListener("change", () => {
    const network = networks[chosen("network")?.value ?? 0];
    const attack = chosen("attack")?.value ?? network.states[0].attack;
    const own = network.states.filter((state) => state.attack === attack);
    const state = own.find((one) => String(one.eps) === chosen("epsilon")?.value) ?? own[0];
    const epsilons = viewer.querySelector('[data-choice="epsilon"]');
    if (epsilons) epsilons.disabled = state.eps === null;
    const words = (name) => chosen(name)?.parentElement.textContent.trim();
    const budget = state.eps === null ? "" : `, epsilon ${words("epsilon")}`;
    viewer.querySelector("[aria-live]").textContent =
      `${[words("network"), words("attack")].filter(Boolean).join(", ")}${budget}; what it adds is shown × ${state.factor}`;
    const row = 1 + 2 * network.states.indexOf(state);
    every("tbody tr", viewer).forEach((line, place) => {
      const [clean, attacked] = [network.images[place], state.images[place]];
      [0, row, row + 1, 0, row + 1].forEach((at, column) => {
        const cell = line.cells[column + 1];
        const use = cell.querySelector("use");
        use.setAttribute("href", `#${network.sheet}`);
        use.setAttribute("y", -at);
        cell.querySelector("g").innerHTML = column < 3 ? "" : heat((column === 3 ? clean : attacked)[1]);
        cell.querySelector("span").textContent = { 0: clean[0], 2: attacked[0] }[column] ?? "";
      });
    });
  });
}

// --- where a table or a picture goes on to the right
function cut(box) {
  box.classList.toggle("cut", box.matches(".scroll, .picture") && box.scrollLeft + box.clientWidth < box.scrollWidth - 2);
}
document.addEventListener("scroll", (event) => event.target.matches?.(".scroll, .picture") && cut(event.target), true);

// --- the cells that head a row stay where its table moves, one beside the other while they leave room
const held = new ResizeObserver((entries) => {
  for (const { target: table } of entries) {
    const heads = every("[data-heads]", table), room = 0.7 * table.parentElement.clientWidth;
    let left = heads[0]?.offsetWidth ?? 0;
    ["--second", "--third"].forEach((name, at) => {
      const head = heads[at + 1];
      if (head && left + head.offsetWidth < room) table.style.setProperty(name, `${left}px`);
      else table.style.removeProperty(name);
      left += head?.offsetWidth ?? 0;
    });
  }
});
every(".scroll > table").forEach((table) => held.observe(table));

// --- what scrolls can be reached by the keyboard, and nothing else
function focusable() {
  for (const box of every(".scroll, .picture, pre, math[display=block]")) {
    if (box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight + 1) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
    cut(box);
  }
}
addEventListener("resize", focusable);

// --- a link to what is folded or of another data set shows it
function reveal() {
  const id = decodeURIComponent(location.hash.slice(1));
  const block = document.getElementById(id.replace(/-row-\d+$/, ""));
  if (block) every("table", block).forEach(link);
  const target = document.getElementById(id);
  if (!target) return;
  const panel = target.closest("[data-dataset]");
  if (panel?.hidden) choose(panel.dataset.dataset);
  for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", reveal);

// --- every row of a table has a link: under an id of its own, or its place
function link(table) {
  const block = table.closest(".fold[id], .table[id]");
  if (!block || table.dataset.linked) return;
  table.dataset.linked = "yes";
  const rows = every("tbody tr", block).filter((row) => row.closest(".fold[id], .table[id]") === block); // of all its tables
  const own = every("tbody tr", table), before = rows.indexOf(own[0]);
  own.forEach((row, at) => {
    const place = before + at;
    const named = row.querySelector("[id]");
    if (!named) row.id = `${block.id}-row-${place + 1}`;
    const permalink = Object.assign(document.createElement("a"), { className: "permalink", href: `#${(named ?? row).id}`, textContent: "#", ariaLabel: `Link to row ${place + 1}` });
    row.cells[0].append(" ", permalink);
  });
}

// --- long tables: find, choose and sort rows
function tools(table) {
  const rows = every("tbody tr", table);
  if (table.dataset.ready || (rows.length < 13 && !table.querySelector(".more")) || !table.closest(".scroll")) return;
  table.dataset.ready = "yes";
  const box = document.createElement("div");
  box.className = "tools";
  const find = box.appendChild(document.createElement("input"));
  Object.assign(find, { type: "search", placeholder: "Find in this table", ariaLabel: "Find in this table" });
  const names = [...new Set(every("[data-name]", table).map((cell) => cell.dataset.name))];
  const choices = names.map((name) => {
    const select = box.appendChild(document.createElement("select"));
    Object.assign(select, { name, ariaLabel: `Only with this: ${name}` });
    select.add(new Option(`${name}: all`, ""));
    const values = every(`[data-name="${name}"]`, table).map((cell) => cell.dataset.value);
    for (const value of [...new Set(values)].sort()) select.add(new Option(value.replaceAll("_", " "), value));
    return select;
  });
  if (table.querySelector(".more")) {
    const label = box.appendChild(document.createElement("label"));
    const more = Object.assign(document.createElement("input"), { type: "checkbox" });
    more.addEventListener("change", () => table.classList.toggle("details", more.checked));
    label.append(more, " intervals, differences and n");
  }
  const count = box.appendChild(document.createElement("output"));
  const texts = rows.map((row) => row.textContent.toLowerCase());
  const show = () => {
    const wanted = choices.filter((one) => one.value)
      .map((one) => `[data-name="${one.name}"][data-value="${one.value}"]`);
    rows.forEach((row, place) => {
      row.hidden = !texts[place].includes(find.value.toLowerCase()) || !wanted.every((one) => row.querySelector(one));
    });
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  box.addEventListener("input", show);
  show();
  every("thead th", table).forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.ariaSort !== "ascending";
      every("th", head.parentElement).forEach((other) => other.removeAttribute("aria-sort"));
      head.ariaSort = up ? "ascending" : "descending";
      const key = (row) => row.children[column].textContent.trim().replace("−", "-").replaceAll(",", "");
      const order = (a, b) => (parseFloat(a) - parseFloat(b)) || a.localeCompare(b);
      const sorted = [...rows].sort((a, b) => order(key(a), key(b)) * (up ? 1 : -1));
      table.tBodies[0].append(...sorted);
    });
  });
  table.closest(".scroll").before(box);
}
document.addEventListener("toggle", (event) => {
  if (event.target.open) every("table", event.target).forEach((table) => (tools(table), link(table)));
  focusable();
}, true);

// --- where one is
const links = new Map(every(".contents > details > ol > li").map((item) => [item.firstElementChild.hash.slice(1), item]));
const seen = new IntersectionObserver((entries) => {
  for (const entry of entries.filter((one) => one.isIntersecting)) {
    for (const item of links.values()) {
      const here = item === links.get(entry.target.getAttribute("aria-labelledby"));
      item.classList.toggle("here", here);
      if (here) item.firstElementChild.ariaCurrent = "true";
      else item.firstElementChild.removeAttribute("aria-current");
    }
  }
}, { rootMargin: "-10% 0px -80% 0px" });
every("section[aria-labelledby]").forEach((section) => seen.observe(section));

every("table").filter((table) => !table.closest("details:not([open])")).forEach((table) => (tools(table), link(table)));
every("figure").forEach(states);
every(".viewer").forEach(pictures);
if (matchMedia("(max-width: 60rem)").matches) every(".contents details")[0]?.removeAttribute("open");
const first = document.querySelector(".datasets input:checked");
if (first) choose(first.value);
else focusable();
reveal();
