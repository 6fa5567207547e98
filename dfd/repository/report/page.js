"use strict";
(() => {
  document.documentElement.classList.add("js");
  const at = (id) => document.getElementById(id);
  const table = at("table");
  const body = table.tBodies[0];
  const settings = table.dataset;
  const shownColumns = settings.columns.split(" ");
  const perPage = Number(settings.rows);
  const headers = Array.from(table.tHead.rows[0].cells);
  const digits = { rank: "", slices: "", thickness_mm: "" };
  let place = {};      // column -> index in a row
  let rows = [];       // all rows
  let kept = [];       // those that the filters keep, in order
  let words = new Map();
  let first = 0;       // of the page that is shown
  const details = new Map();

  const load = (name, done) => {
    const script = document.createElement("script");
    script.src = settings.folder + "/" + name;
    script.onload = done || null;
    script.onerror = () => { at("missing").hidden = false; };
    document.head.append(script);
  };
  const element = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    Object.entries(attributes || {}).forEach(([name, value]) => made.setAttribute(name, value));
    made.append(...children);
    return made;
  };
  const rare = (p) => {
    if (p === null) return "–";
    return p < 1e-6 ? "< 0.000001" : p >= 1e-3 ? String(Number(p.toPrecision(2))) : p.toExponential(1);
  };
  const equation = (p) => "p " + (p !== null && p < 1e-6 ? "" : "= ") + rare(p);
  const verdict = (text) => element("span", { class: "verdict " + text.replaceAll(" ", "-") }, text);
  const isNumber = (column) => headers[shownColumns.indexOf(column)].classList.contains("number");

  // Rows of the page that is shown.
  const cell = (row, column) => {
    const value = row[place[column]];
    const made = element("td", { class: isNumber(column) ? "number" : column });
    if (column === "series") {
      const button = element("button", { type: "button", class: "open", "aria-expanded": "false" }, element("bdi", {}, value));
      button.addEventListener("click", () => toggle(row, button));
      made.append(button);
    } else if (column === "result") made.append(verdict(value));
    else if (value === null) made.append(column in digits ? "" : "–");
    else if (typeof value === "number" && !(column in digits)) made.append(rare(value));
    else made.append(element("bdi", {}, String(value)));
    return made;
  };
  const show = () => {
    const page = kept.slice(first, first + perPage);
    body.replaceChildren(...page.map((row) => element("tr", {}, ...shownColumns.map((column) => cell(row, column)))));
    at("previous").disabled = first === 0;
    at("next").disabled = first + perPage >= kept.length;
    at("page").textContent = kept.length ? (first + 1) + " to " + (first + page.length) + " of " + kept.length : "";
    at("shown").textContent = kept.length === rows.length ? rows.length + " series" : kept.length + " of " + rows.length + " series";
  };
  const turn = (by) => { first += by; show(); at("all").scrollIntoView(); };
  at("previous").addEventListener("click", () => turn(-perPage));
  at("next").addEventListener("click", () => turn(perPage));

  // Details of a series, loaded when they are asked for.
  const toggle = (row, button) => {
    const line = button.closest("tr");
    if (button.getAttribute("aria-expanded") === "true") {
      line.nextElementSibling.remove();
      button.setAttribute("aria-expanded", "false");
      return;
    }
    const index = row[place.rank] - 1;
    const chunk = Math.floor(index / Number(settings.chunk));
    const open = () => {
      if (!line.isConnected || button.getAttribute("aria-expanded") === "true") return;
      button.setAttribute("aria-expanded", "true");
      const content = element("td", { colspan: shownColumns.length }, detail(details.get(chunk)[index % Number(settings.chunk)]));
      line.after(element("tr", { class: "detail" }, content));
    };
    if (details.has(chunk)) open();
    else load("details-" + settings.digest + "-" + String(chunk).padStart(4, "0") + ".js", open);
  };
  const detail = (found) => {
    const facts = element("dl", { class: "facts" });
    found.facts.forEach(([name, value]) => facts.append(element("dt", {}, name), element("dd", {}, element("bdi", {}, String(value)))));
    const right = element("div");
    if (found.reason) right.append(element("p", {}, element("bdi", {}, found.reason)));
    if (found.regions.length) right.append(element("ul", { class: "regions" }, ...found.regions.map(region)));
    else if (!found.reason) right.append(element("p", { class: "quiet" }, "No place of this series stands out."));
    return element("div", { class: "grid" }, facts, right);
  };
  const chance = (found) => typeof found.expected_false_alarms === "number"
    ? rare(found.expected_false_alarms) + " such expected by chance in a genuine series; " : "";
  const where = (found) => [
    ["x", found.x, ""], ["y", found.y, ""], ["first slice", found.first_slice, ""], ["last slice", found.last_slice, ""],
    ["radius", found.radius_mm, " mm"], ["depth", found.depth_mm, " mm"],
  ].filter(([, value]) => typeof value === "number").map(([name, value, unit]) => name + " " + value + unit).join(", ");
  const region = (found) => {
    const picture = found.picture
      ? element("img", { class: "thumbnail", loading: "lazy", src: found.picture, alt: "Place " + found.rank })
      : element("div", { class: "no-picture" }, "no picture was written");
    const says = element("div", {},
      element("p", {}, element("strong", {}, "Place " + found.rank), found.form ? ", " + found.form : "", ": " + chance(found) + equation(found.p_value) + " in one slice by itself"),
      element("p", {}, element("bdi", {}, found.reason || "")),
      element("p", { class: "quiet" }, where(found)));
    return element("li", {}, picture, says);
  };

  // Sorting: what has no value stands last in either direction.
  const missing = (value) => value === null || value === "";
  const sortBy = (header) => {
    const up = header.getAttribute("aria-sort") !== "ascending";
    const column = place[header.dataset.column];
    headers.forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    rows.sort((one, other) => {
      const [a, b] = [one[column], other[column]];
      if (missing(a) || missing(b)) return missing(a) - missing(b) || one[place.rank] - other[place.rank];
      const order = a < b ? -1 : a > b ? 1 : 0;
      return (up ? order : -order) || one[place.rank] - other[place.rank];
    });
    filter();
  };
  headers.forEach((header) => header.firstElementChild.addEventListener("click", () => sortBy(header)));

  const filter = () => {
    const asked = at("find").value.trim().toLowerCase().split(/\s+/);
    const [result, modality, listed] = [at("result").value, at("modality").value, at("listed").checked];
    kept = rows.filter((row) => (result === "" || row[place.result] === result)
      && (modality === "" || row[place.modality] === modality)
      && (!listed || (row[place.q_empirical] !== null && row[place.q_empirical] <= Number(settings.listed)))
      && asked.every((word) => words.get(row).includes(word)));
    first = 0;
    show();
  };
  at("find").addEventListener("input", filter);
  ["result", "modality", "listed"].forEach((id) => at(id).addEventListener("change", filter));

  window.dfdSeries = (columns, all) => {
    place = Object.fromEntries(columns.map((name, index) => [name, index]));
    rows = all;
    const searched = columns.filter((name) => typeof all[0]?.[place[name]] === "string");
    words = new Map(rows.map((row) => [row, searched.map((name) => row[place[name]]).join(" ").toLowerCase()]));
    filter();
    document.documentElement.dataset.ready = "";
  };
  window.dfdDetails = (chunk, found) => details.set(chunk, found);
  load("series-" + settings.digest + ".js");
})();
