"use strict";
const theme = document.querySelector("[data-theme]");
theme.hidden = false;
theme.addEventListener("click", () => {
  theme.setAttribute("aria-pressed", document.documentElement.toggleAttribute("data-light"));
});

// Comparing: the slider, dragging on the picture, blinking, crop or whole field.
for (const viewer of document.querySelectorAll("[data-viewer]")) {
  const compare = viewer.querySelector("[data-compare]");
  const slider = viewer.querySelector(".slider");
  const blink = viewer.querySelector("[data-blink]");
  for (const choice of viewer.querySelectorAll("input[type=radio]")) {
    choice.addEventListener("change", () => { viewer.dataset.part = choice.value; });
    if (choice.checked) viewer.dataset.part = choice.value;
  }
  if (!slider) continue;
  let timer = null;
  const split = (percent) => compare.style.setProperty("--split", percent + "%");
  const stop = () => {
    clearInterval(timer);
    timer = null;
    compare.classList.remove("blinking", "first");
    blink.setAttribute("aria-pressed", "false");
    split(slider.value);
  };
  const step = () => split(compare.classList.toggle("first") ? 100 : 0);
  blink.addEventListener("click", () => {
    if (timer) { stop(); return; }
    compare.classList.add("blinking");
    blink.setAttribute("aria-pressed", "true");
    step();
    timer = setInterval(step, 700);
  });
  slider.addEventListener("input", () => { if (timer) stop(); split(slider.value); });
  const follow = (event) => {
    const box = compare.getBoundingClientRect();
    slider.value = 100 * (event.clientX - box.left) / box.width;
    if (timer) stop();
    split(slider.value);
  };
  compare.addEventListener("pointerdown", (event) => {
    compare.setPointerCapture(event.pointerId);
    follow(event);
  });
  compare.addEventListener("pointermove", (event) => { if (event.buttons) follow(event); });
  split(slider.value);
}

// Tables: sort by a column, filter exposures.
for (const table of document.querySelectorAll("table[data-sortable]")) {
  const heads = [...table.querySelectorAll("thead th")];
  const body = table.tBodies[0];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const value = (row) => row.cells[column].dataset.value ?? row.cells[column].textContent.trim();
    const compare = (a, b) => {
      const x = value(a), y = value(b);
      if (x === "" || y === "") return (x === "") - (y === "");  // unknown ones last, whichever the order
      const order = isNaN(x) || isNaN(y) ? x.localeCompare(y, undefined, { numeric: true }) : x - y;
      return down ? -order : order;
    };
    body.append(...[...body.rows].sort(compare));
  }));
}
for (const filter of document.querySelectorAll("[data-filter]")) {
  const table = document.getElementById(filter.dataset.filter);
  filter.addEventListener("change", (event) => { table.dataset.show = event.target.value; });
}
