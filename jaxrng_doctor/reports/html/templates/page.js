// Search, fold all, keyboard shortcuts, and highlighting of related rows and source lines.
// The page is readable without this script; folding and links still work.
"use strict";
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const plain = (text) => text.toLowerCase().replace(/\s+/g, " ").trim();
  const byName = (name) => document.getElementById(name);

  const entries = new Map(all(".index a").map((a) => [a.hash.slice(1), a.closest("li")]));

  // -- search: hides everything that does not match -------------------------------------------
  for (const input of all("input[data-filters]")) {
    const inside = byName(input.dataset.filters);
    const items = all(input.dataset.items, inside);
    const folds = all("details", inside);
    const output = input.closest(".tools").querySelector("output");
    const texts = new Map();
    let before = null;
    const text = (item) => {
      if (!texts.has(item)) texts.set(item, plain(item.textContent));
      return texts.get(item);
    };
    input.addEventListener("input", () => {
      const wanted = plain(input.value);
      if (wanted && !before) before = folds.map((fold) => fold.open);
      const hits = items.filter((item) => text(item).includes(wanted));
      const shown = new Set(hits);
      for (const item of items) {
        if (item.tagName !== "SUMMARY") item.hidden = !shown.has(item);
        if (entries.has(item.id)) entries.get(item.id).hidden = item.hidden;
      }
      const around = new Set();
      for (const hit of hits)
        for (let at = hit; at && !around.has(at); at = at.parentElement) around.add(at);
      for (const box of folds.filter((fold) => fold.classList.contains("box")))
        box.hidden = !around.has(box);
      if (wanted) {
        for (const fold of folds)
          if (around.has(fold) || shown.has(fold.closest(input.dataset.items))) fold.open = true;
      } else if (before) {
        folds.forEach((fold, n) => { fold.open = before[n]; });
        before = null;
      }
      output.textContent = wanted ? `${hits.length} of ${items.length}` : "";
    });
  }

  // -- folding all ----------------------------------------------------------------------------
  for (const [name, open] of [["fold", false], ["unfold", true]]) {
    for (const button of all(`button[data-${name}]`)) {
      button.hidden = false;
      button.addEventListener("click", () => {
        for (const fold of all("details", byName(button.dataset[name]))) fold.open = open;
      });
    }
  }

  // -- keys -----------------------------------------------------------------------------------
  const seen = (element) => element.offsetParent !== null;
  const step = (items, from, by) => {
    const here = items.findIndex((item) => item.contains(from));
    const next = here < 0 ? (by > 0 ? 0 : items.length - 1) : here + by;
    const target = items[Math.min(Math.max(next, 0), items.length - 1)];
    if (target) {
      target.focus({ preventScroll: true });
      target.scrollIntoView({ block: target.matches(".finding") ? "start" : "nearest" });
    }
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = event.target;
    if (at instanceof HTMLInputElement) {
      if (event.key === "Escape") {
        at.value = "";
        at.dispatchEvent(new Event("input"));
        at.blur();
      }
      return;
    }
    const rows = at.closest(".rows");
    if (event.key === "/") {
      const first = all("input[type=search]").find(seen);
      if (!first) return;
      first.focus();
    } else if (event.key === "j" || event.key === "k") {
      step(all("article.finding").filter(seen), at, event.key === "j" ? 1 : -1);
    } else if (rows && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      const lines = all(".equation", rows).filter(seen);
      step(lines, at === rows ? null : at, event.key === "ArrowDown" ? 1 : -1);
    } else {
      return;
    }
    event.preventDefault();
  });

  // -- a variable, the row that makes it, and the line of source it comes from ------------------
  // Scrolling with the keyboard moves the page under a resting mouse: ignore such events.
  let mouse = "";
  const position = (event) => `${event.screenX} ${event.screenY}`;
  document.addEventListener("mousemove", (event) => { mouse = position(event); });
  for (const program of all(".program")) {
    const lines = program.querySelector(".sources");
    const marked = [];
    const mark = (elements) => {
      for (const element of elements) {
        element.classList.add("tied");
        marked.push(element);
      }
    };
    const tie = (target) => {
      while (marked.length) marked.pop().classList.remove("tied");
      const variable = target.closest("[data-variable]");
      let from = target.closest("[data-source]");
      if (variable && variable.dataset.variable) {
        const name = variable.dataset.variable;
        mark(all(`[data-variable="${name}"]`, program));
        const made = byName(name);
        if (made) from = made.closest("[data-source]") || made.closest("details")?.querySelector("[data-source]") || from;
      }
      if (!from) return;
      mark(all(`[data-source="${from.dataset.source}"]`, program));
      const line = byName(from.dataset.source);
      if (line && !lines.contains(target)) {
        // Scroll only the source listing, not the page.
        lines.scrollTop = line.offsetTop - lines.offsetTop - lines.clientHeight / 2;
      }
    };
    program.addEventListener("mouseover", (event) => {
      if (position(event) !== mouse) tie(event.target);
    });
    program.addEventListener("focusin", (event) => tie(event.target));
  }

  // -- links into folded parts, and printing --------------------------------------------------
  const unfold = () => {
    const target = location.hash && byName(decodeURIComponent(location.hash.slice(1)));
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    if (target) target.scrollIntoView();
  };
  addEventListener("hashchange", unfold);
  unfold();
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...folded, ...all("details:not([open])")];
    for (const fold of folded) fold.open = true;
  });
  addEventListener("afterprint", () => {
    for (const fold of folded) fold.open = false;
    folded = [];
  });
})();
