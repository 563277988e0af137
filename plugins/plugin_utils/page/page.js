"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("hosts");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const search = document.getElementById("search");
  const count = document.getElementById("count");
  const wanted = new Set();
  let texts; // what is searched, by host; made when somebody searches

  const make = (name, text, attributes = {}) => {
    const element = document.createElement(name);
    element.textContent = text;
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return element;
  };
  const hostOf = (row) => data.hosts[row.dataset.host];
  const bytes = (size) => {
    if (size === null) return "not known";
    const units = ["B", "kB", "MB", "GB", "TB"];
    let value = size, unit = 0;
    while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
    return (unit ? String(Number(value.toPrecision(3))) : value) + " " + units[unit];
  };

  const searchable = (host) => {
    const words = [host.name, host.search];
    for (const image of host.images) words.push(data.texts[image[0]], data.texts[image[1]]);
    for (const reason of host.reasons) words.push(data.texts[reason[0]]);
    return words.join(" ").toLowerCase();
  };
  const filter = () => {
    const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (terms.length) texts ??= data.hosts.map(searchable);
    let shown = 0;
    for (const row of rows) {
      const isShown = (!wanted.size || wanted.has(row.dataset.state)) && terms.every((term) => texts[row.dataset.host].includes(term));
      row.hidden = !isShown;
      if (row.more) row.more.hidden = !isShown;
      shown += isShown;
    }
    const all = rows.length === 1 ? "1 host" : `${rows.length} hosts`;
    count.textContent = shown === rows.length ? all : `${shown} of ${all}`;
  };

  const sort = (head, column) => {
    const isDown = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    const isNumber = head.dataset.sort === "number";
    const names = new Intl.Collator(undefined, {numeric: true});
    const keys = new Map(rows.map((row) => [row, isNumber ? Number(row.cells[column].dataset.value) : row.cells[column].textContent]));
    const compare = isNumber ? (a, b) => a - b : names.compare;
    rows.sort((a, b) => (compare(keys.get(a), keys.get(b)) || names.compare(hostOf(a).name, hostOf(b).name)) * (isDown ? -1 : 1));
    body.append(...rows.flatMap((row) => row.more ? [row, row.more] : [row]));
  };

  const imagesOf = (host) => {
    const found = make("table", "");
    const head = found.createTHead().insertRow();
    for (const title of ["Image", "State", "Size", "Why"]) head.append(make("th", title, {scope: "col", class: {Why: "wide", Size: "number wide"}[title] ?? ""}));
    const lines = found.createTBody();
    for (const [name, state, reason, size] of host.images) {
      const line = lines.insertRow();
      const cell = make("th", "", {scope: "row"});
      cell.append(make("bdi", data.texts[name]));
      const label = make("td", "", {class: "state"});
      label.append(make("span", "", {class: "key " + data.texts[state]}), data.texts[state]);
      line.append(cell, label, make("td", bytes(size), {class: "number wide"}), make("td", data.texts[reason], {class: "wide", dir: "auto"}));
    }
    return found;
  };
  const details = (host, id) => {
    const row = make("tr", "", {class: "more", id});
    const cell = make("td", "", {colspan: table.tHead.rows[0].cells.length});
    for (const [problem, step] of host.reasons) cell.append(make("p", data.texts[problem] + ". " + data.texts[step], {class: "wrong", dir: "auto"}));
    for (const warning of host.warnings) cell.append(make("p", data.texts[warning], {class: "wrong", dir: "auto"}));
    if (host.images.length) cell.append(imagesOf(host));
    if (host.extra.length) cell.append(make("p", "Not in the bundle or lock: " + host.extra.map((name) => data.texts[name]).join(", "), {class: "note", dir: "auto"}));
    if (!cell.childNodes.length) cell.append(make("p", "Nothing more is known of this host.", {class: "note"}));
    row.append(cell);
    return row;
  };
  const toggle = (row, button) => {
    const isOpen = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!isOpen));
    if (isOpen) { row.more.remove(); row.more = null; return; }
    row.more = details(hostOf(row), button.getAttribute("aria-controls"));
    row.after(row.more);
  };

  Array.from(table.tHead.rows[0].cells).forEach((head, column) => {
    const button = make("button", head.textContent, {type: "button"});
    button.addEventListener("click", () => sort(head, column));
    head.replaceChildren(button);
    head.setAttribute("aria-sort", "none");
  });
  for (const row of rows) {
    const head = row.cells[0];
    const button = make("button", "", {type: "button", "aria-expanded": "false", "aria-controls": "more-" + row.dataset.host});
    button.append(...head.childNodes);
    button.addEventListener("click", () => toggle(row, button));
    head.append(button);
  }
  for (const button of document.querySelectorAll("#filter button")) {
    button.addEventListener("click", () => {
      const isOn = button.getAttribute("aria-pressed") === "true";
      button.setAttribute("aria-pressed", String(!isOn));
      if (isOn) wanted.delete(button.dataset.state); else wanted.add(button.dataset.state);
      filter();
    });
  }
  search.addEventListener("input", filter);
  document.getElementById("tools").addEventListener("submit", (event) => event.preventDefault());
  document.getElementById("tools").hidden = false;
  filter();
})();
