"use strict";
// What a page can do with JavaScript: sort and filter tables, and give the numbers behind tables and figures as CSV.
// Without it, tables, figures and folded parts are all there. The numbers are unpacked when they are first asked for.
(() => {
  let unpacked = null;

  /** The numbers of the page: {columns, tables}, as embedded.py packs them. */
  function numbers() {
    unpacked ??= (async () => {
      const text = atob(document.getElementById("numbers").textContent);
      const bytes = Uint8Array.from(text, (letter) => letter.charCodeAt(0));
      const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
      return JSON.parse(await new Response(stream).text());
    })();
    return unpacked;
  }

  /** The columns of a table or figure: [[heading, cells], ...]. */
  async function columnsOf(name) {
    const { columns, tables } = await numbers();
    return tables[name].map(([heading, place]) => {
      const column = columns[place];
      return [heading, Array.isArray(column) ? column : column.at.map((at) => column.of[at])];
    });
  }

  // ---- CSV

  function quoted(value) {
    const text = value === null ? "" : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  }

  async function csv(name) {
    const columns = await columnsOf(name);
    const lines = [columns.map(([heading]) => quoted(heading)).join(",")];
    const count = columns.length ? columns[0][1].length : 0;
    for (let row = 0; row < count; row += 1) {
      lines.push(columns.map(([, cells]) => quoted(cells[row])).join(","));
    }
    return `${lines.join("\n")}\n`;
  }

  async function download(name) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([await csv(name)], { type: "text/csv" }));
    link.download = `${name}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  function addDownload(tools) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = tools.dataset.name ?? "numbers as CSV";
    button.addEventListener("click", () => download(tools.dataset.numbers));
    const caption = tools.querySelector("figcaption");
    (caption ?? tools).append(" ", button);
  }

  // ---- sorting

  const collator = new Intl.Collator(undefined, { numeric: true });

  /** Ascending; what is not known comes last in both directions. */
  function compare(first, second, sign) {
    if (first === null || second === null) return (first === null) - (second === null);
    if (typeof first === "number" && typeof second === "number") return sign * (first - second);
    return sign * collator.compare(String(first), String(second));
  }

  async function sort(table, head, name) {
    const order = { none: "ascending", ascending: "descending", descending: "none" };
    const next = order[head.getAttribute("aria-sort") ?? "none"];
    const cells = (await columnsOf(name))[Number(head.dataset.place)][1];
    for (const other of table.querySelectorAll("[aria-sort]")) other.removeAttribute("aria-sort");
    if (next !== "none") head.setAttribute("aria-sort", next);
    const sign = next === "descending" ? -1 : 1;
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [first, second] = [Number(a.dataset.row), Number(b.dataset.row)];
      return (next === "none" ? 0 : compare(cells[first], cells[second], sign)) || first - second;
    });
    table.tBodies[0].append(...rows);
  }

  function addSorting(table, name) {
    [...table.tBodies[0].rows].forEach((row, index) => { row.dataset.row = index; });
    for (const head of table.querySelectorAll(".names th")) {
      const button = document.createElement("button");
      button.type = "button";
      button.title = "sort by this column";
      button.append(...head.childNodes);
      button.addEventListener("click", () => sort(table, head, name));
      head.append(button);
    }
  }

  // ---- filtering

  function addFilter(table, tools) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length < 6) return;
    const field = document.createElement("input");
    const told = document.createElement("output");
    field.type = "search";
    field.placeholder = "filter rows";
    field.setAttribute("aria-label", "filter rows: all of these words");
    field.addEventListener("input", () => {
      const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      const shown = rows.filter((row) => !row.hidden).length;
      told.textContent = words.length ? `${shown} of ${rows.length} rows` : "";
    });
    tools.append(field, told);
  }

  // ---- what is folded

  /** Open what holds the element that the address names. */
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let outer = target?.closest("details"); outer; outer = outer.parentElement.closest("details")) {
      outer.open = true;
    }
    target?.scrollIntoView();
  }

  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("details:not([open])")];
    for (const details of folded) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
  });

  // ---- contents

  /** Mark the link to the section that is being read. */
  function follow() {
    const links = [...document.querySelectorAll(".contents a")];
    const places = links.map((link) => document.getElementById(decodeURIComponent(link.hash.slice(1))));
    let waiting = false;
    function update() {
      waiting = false;
      const read = places.findLastIndex((place) => place && place.getBoundingClientRect().top < 120);
      links.forEach((link, index) => {
        if (index === read) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      });
    }
    addEventListener("scroll", () => {
      if (!waiting) requestAnimationFrame(update);
      waiting = true;
    }, { passive: true });
    update();
  }

  for (const tools of document.querySelectorAll("[data-numbers]")) {
    const table = tools.closest(".table")?.querySelector("table");
    if (table) {
      addSorting(table, tools.dataset.numbers);
      addFilter(table, tools);
    }
    addDownload(tools);
  }
  if (location.hash) reveal();
  addEventListener("hashchange", reveal);
  follow();
})();
