"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  const table = document.getElementById("table");
  const body = table.tBodies[0];
  const rows = Array.from(body.rows);
  const points = all("article.point");

  // Sorting: what cannot be compared stands last in either direction.
  const keyOf = (row, column, kind) => {
    let at = 0;
    for (const cell of row.cells) {
      if (column < at + cell.colSpan) {
        const text = cell.dataset.sort === undefined ? cell.textContent.trim() : cell.dataset.sort;
        return kind === "number" ? parseFloat(text) : text.toLowerCase();
      }
      at += cell.colSpan;
    }
    return "";
  };
  const missing = (key) => key === "" || Number.isNaN(key);
  const sortBy = (header, button) => {
    const direction = header.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    const sign = direction === "ascending" ? 1 : -1;
    const keyed = rows.map((row, place) => [keyOf(row, header.cellIndex, button.dataset.kind), place, row]);
    keyed.sort(([a, i], [b, j]) => {
      if (missing(a) || missing(b)) return missing(a) - missing(b) || i - j;
      return (a < b ? -sign : a > b ? sign : 0) || i - j;
    });
    all("th", table.tHead).forEach((other) => other.setAttribute("aria-sort", "none"));
    header.setAttribute("aria-sort", direction);
    body.append(...keyed.map(([, , row]) => row));
  };
  all("th button", table.tHead).forEach((button) => button.addEventListener("click", () => sortBy(button.closest("th"), button)));

  // Filtering: pages follow the table, and so does a print.
  const find = document.getElementById("find");
  const verdict = document.getElementById("verdict");
  const shown = document.getElementById("shown");
  const words = new Map(rows.map((row) => [row, (row.textContent + " " + row.dataset.words).toLowerCase()]));
  const filter = () => {
    const asked = find.value.trim().toLowerCase();
    const kept = new Set();
    for (const row of rows) {
      row.hidden = !(words.get(row).includes(asked) && (verdict.value === "" || verdict.value === row.dataset.verdict));
      if (!row.hidden) kept.add(row.dataset.row);
    }
    points.forEach((point) => { point.hidden = !kept.has(point.dataset.row); });
    shown.textContent = kept.size === rows.length ? rows.length + " rows" : kept.size + " of " + rows.length + " rows; pages and prints follow";
  };
  find.addEventListener("input", filter);
  verdict.addEventListener("change", filter);
  filter();

  // From point to point.
  const open = () => points.filter((point) => !point.hidden);
  const step = (by) => {
    const list = open();
    if (!list.length) return;
    const here = document.activeElement && document.activeElement.closest("article.point");
    let place = list.indexOf(here);
    if (place < 0) {
      const above = list.filter((point) => point.getBoundingClientRect().top < 2).length;
      place = by > 0 ? above - 1 : above;
    }
    const next = list[Math.min(Math.max(place + by, 0), list.length - 1)];
    next.focus({ preventScroll: true });
    next.scrollIntoView();
  };
  // Letters can be switched off: who speaks to a browser would set them off (WCAG 2.2, 2.1.4).
  const keys = document.getElementById("keys");
  const typed = "textarea, select, input:not([type=radio], [type=checkbox])";
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !keys.checked || event.target.closest(typed)) return;
    if (event.key === "n") step(1);
    else if (event.key === "p") step(-1);
    else return;
    event.preventDefault();
  });

  // The review lives in this window until it is exported.
  const reviewed = document.getElementById("reviewed");
  let unsaved = false;
  const number = (text) => (text === "" || Number.isNaN(Number(text)) ? null : Number(text));
  const answerOf = (point) => {
    const chosen = point.querySelector(".review input:checked");
    return { review: chosen ? chosen.value : "", note: point.querySelector(".review textarea").value.trim() };
  };
  const answered = () => points.filter((point) => { const { review, note } = answerOf(point); return review || note; });
  const told = (point) => {
    const { review, note } = answerOf(point);
    const row = rows.find((each) => each.dataset.row === point.dataset.row);
    row.querySelector(".review-cell").textContent = review || (note ? "note" : "");
    words.set(row, (row.textContent + " " + row.dataset.words).toLowerCase());
    reviewed.textContent = answered().length + " of " + points.length + " reviewed";
    unsaved = true;
  };
  points.forEach((point) => point.querySelector(".review").addEventListener("input", () => told(point)));
  document.getElementById("export").addEventListener("click", () => {
    const reviews = answered().map((point) => {
      const { name, row, x, y, frame, p, verdict: said } = point.dataset;
      return { row: number(row), filename: name, frame: number(frame), x: number(x), y: number(y), p_value: number(p), verdict: said, ...answerOf(point) };
    });
    const about = root.querySelector("main").dataset;
    const record = {
      format: "dfd review 1", exported: new Date().toISOString(), bundle: about.bundle, weights_sha256: about.weights,
      calibration_sha256: about.calibration, scored: about.finished, notice: about.notice, rows: rows.length, reviews,
    };
    const address = URL.createObjectURL(new Blob([JSON.stringify(record, null, 2) + "\n"], { type: "application/json" }));
    const link = document.createElement("a");
    link.href = address;
    link.download = "review.json";
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    unsaved = false;
  });
  window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });
})();
