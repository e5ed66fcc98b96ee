"use strict";
// Tables sort by the column whose head is pressed, and show their first rows until asked for all.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const shown = Number(table.dataset.shown);
  let all = body.rows.length <= shown;
  const fold = () => [...body.rows].forEach((row, place) => { row.hidden = !all && place >= shown; });
  if (!all) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "all";
    const say = () => {
      button.textContent = all ? `Show ${shown} rows` : `Show all ${body.rows.length.toLocaleString("en")} rows`;
      button.setAttribute("aria-expanded", String(all));
    };
    button.addEventListener("click", () => { all = !all; fold(); say(); });
    table.parentElement.after(button);
    say();
  }
  fold();

  const value = (row, column) => {
    const cell = row.cells[column];
    const data = cell.querySelector("data, [data-value]");
    if (data) return Number(data.value ?? data.dataset.value);
    return cell.querySelector(".none") || !cell.textContent.trim() ? null : cell.textContent.trim();
  };
  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number"
      ? one - other
      : String(one).localeCompare(String(other), "en", { numeric: true });
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = head.querySelector("button");
    if (!button) return;
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => [value(row, column), row]);
      // What has no value comes last, whichever way.
      rows.sort(([one], [other]) =>
        one === null || other === null ? (one === null) - (other === null) : (down ? -1 : 1) * compare(one, other));
      body.append(...rows.map(([, row]) => row));
      fold();
    });
  });
}
// A link to what is folded away opens it, and paper has everything.
const open = new Set();
addEventListener("beforeprint", () => {
  for (const one of document.querySelectorAll("details:not([open])")) { one.open = true; open.add(one); }
  for (const row of document.querySelectorAll("tr[hidden]")) { row.hidden = false; row.dataset.folded = ""; }
});
addEventListener("afterprint", () => {
  for (const one of open) one.open = false;
  open.clear();
  for (const row of document.querySelectorAll("tr[data-folded]")) { row.hidden = true; delete row.dataset.folded; }
});
