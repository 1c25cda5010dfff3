"use strict";
// The page's moving parts: sorting, boxes that take runs out, the slider through training, curves.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const hidden = new Set();

  // ---- The table ----
  function value(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.sort ?? cell.textContent.trim();
    const number = text === "" ? NaN : Number(text.replace(/,/g, ""));
    return Number.isNaN(number) ? text : number;
  }
  function sortBy(header) {
    const table = header.closest("table"), column = header.cellIndex, body = table.tBodies[0];
    const up = header.getAttribute("aria-sort") !== "ascending";
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const compare = (a, b) => {
      const [x, y] = [value(a, column), value(b, column)];
      if (x === "" || y === "") return (x === "") - (y === ""); // nothing there: always last
      const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
      return up ? order : -order;
    };
    [...body.rows].sort(compare).forEach((row) => body.append(row));
  }
  all("#runs th button").forEach((button) => button.addEventListener("click", () => sortBy(button.closest("th"))));

  // ---- Which runs are shown ----
  const boxes = all("input.shown"), everything = document.getElementById("all");
  function show() {
    all("[data-run]").forEach((element) => {
      const off = hidden.has(element.dataset.run);
      if (element.tagName === "TR") element.classList.toggle("off", off);
      if (element.tagName === "FIGURE") element.hidden = off;
    });
    charts.forEach((chart) => data.runs.forEach((run, n) => {
      if (chart.series[n + 1].show === hidden.has(run.name)) chart.setSeries(n + 1, { show: !hidden.has(run.name) });
    }));
    if (everything) {
      everything.checked = hidden.size === 0;
      everything.indeterminate = hidden.size > 0 && hidden.size < boxes.length;
    }
  }
  boxes.forEach((box) => box.addEventListener("change", () => {
    hidden[box.checked ? "delete" : "add"](box.dataset.run);
    show();
  }));
  everything?.addEventListener("change", () => {
    boxes.forEach((box) => { box.checked = everything.checked; hidden[box.checked ? "delete" : "add"](box.dataset.run); });
    show();
  });

  // ---- Pictures through training ----
  const slider = document.getElementById("moment"), films = all("figure[data-run]");
  films.forEach((figure) => { // the last picture of each run stands in the page already
    const [index] = data.film.runs[figure.dataset.run].at(-1) ?? [-1];
    if (index >= 0) data.film.frames[index][0] = figure.querySelector("img.frame").src;
  });
  slider?.addEventListener("input", () => {
    const moment = data.film.moments[slider.value];
    document.getElementById("moment-told").textContent = moment;
    slider.setAttribute("aria-valuetext", `step ${moment}`);
    films.forEach((figure) => {
      const [index, step] = data.film.runs[figure.dataset.run][slider.value];
      const image = figure.querySelector("img.frame");
      image.parentElement.hidden = index < 0;
      if (index >= 0) [image.src, image.width, image.height] = data.film.frames[index];
      figure.querySelector(".when").textContent = index < 0 ? "no pictures yet" : `step ${step}`;
    });
  });

  // ---- One picture, large: whole multiples of its pixels ----
  const large = document.getElementById("large");
  all(".enlarge").forEach((button) => button.addEventListener("click", () => {
    const small = button.querySelector("img"), shown = large.querySelector("img");
    const times = Math.max(1, Math.min(4, Math.floor(Math.min(0.9 * innerWidth / small.naturalWidth, 0.8 * innerHeight / small.naturalHeight))));
    [shown.src, shown.alt, shown.width, shown.height] = [small.src, small.alt, times * small.naturalWidth, times * small.naturalHeight];
    large.querySelector("p").textContent = button.closest("figure, article").querySelector("figcaption, h3").textContent.replace(/\s+/g, " ").trim();
    large.showModal();
  }));
  large.addEventListener("click", (event) => { if (event.target === large) large.close(); });

  // ---- Curves ----
  const charts = [], place = document.querySelector(".charts");
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const short = (x) => (x === null || x === undefined ? "–" : Number(x.toPrecision(4)).toString());
  function tip(chart) { // what the runs have where one points
    const box = document.createElement("div");
    box.className = "tip";
    box.hidden = true;
    return {
      hooks: {
        init: (u) => u.over.append(box),
        setCursor: (u) => {
          const { idx, left, top } = u.cursor;
          box.hidden = idx === null || idx === undefined || left < 0;
          if (box.hidden) return;
          const lines = data.runs.map((run, n) => ({ run, value: nearest(u.data[n + 1], idx), shown: u.series[n + 1].show }));
          const known = lines.filter((line) => line.shown && line.value !== null).sort((a, b) => b.value - a.value);
          box.classList.toggle("many", known.length > 10);
          box.replaceChildren(...[`step ${u.data[0][idx]}`, ...known].map((line) => {
            const item = document.createElement("div");
            if (typeof line === "string") { item.textContent = line; return item; }
            const dot = document.createElement("i");
            dot.style.background = line.run.colour;
            item.append(dot, `${data.runs.length > 1 ? line.run.name + ": " : ""}${short(line.value)}`);
            return item;
          }));
          const right = left > u.over.clientWidth / 2;
          box.style.left = right ? "" : `${left + 12}px`;
          box.style.right = right ? `${u.over.clientWidth - left + 12}px` : "";
          box.style.top = `${Math.max(0, Math.min(top, u.over.clientHeight - box.offsetHeight))}px`;
        },
      },
    };
  }
  function nearest(values, at) { // a run that was not asked at this very step: what it had last; after its end, nothing
    if (!values.slice(at).some((value) => value != null)) return null;
    for (let n = at; n >= 0; n--) if (values[n] != null) return values[n];
    return null;
  }
  function around(plot, low, high) { // a line that does not move lies in the middle
    if (low === null || (low === 0 && high === 0)) return [0, 1];
    const room = high > low ? 0.06 * (high - low) : Math.abs(high) / 2 || 1;
    return [low - room, high + room];
  }
  const tenfold = (plot, low, high) => (low > 0 ? [low / 1.2, high * 1.2] : [0.1, 1]); // also while every run is hidden
  function draw(chart) {
    const frame = document.createElement("div");
    frame.className = "chart";
    frame.tabIndex = 0;
    frame.setAttribute("role", "group");
    frame.setAttribute("aria-label", chart.title);
    const title = document.createElement("h3");
    title.textContent = chart.title;
    frame.append(title);
    place.append(frame);
    const joined = uPlot.join(data.runs.map((run) => chart.lines[run.name])), steps = joined[0];
    const axis = { stroke: () => style("--quiet"), grid: { stroke: () => style("--line"), width: 1 }, ticks: { stroke: () => style("--line"), width: 1 } };
    const series = data.runs.map((run) => ({ label: run.name, stroke: run.colour, dash: run.dash, width: 1.5, spanGaps: true, points: { show: steps.length < 12 } }));
    const options = {
      width: frame.clientWidth, height: 220, scales: { x: { time: false }, y: chart.log ? { distr: 3, range: tenfold } : { range: around } }, legend: { show: false },
      cursor: { sync: { key: "step" } }, series: [{}, ...series], plugins: [tip(chart)],
      axes: [axis, { ...axis, size: 62, values: (u, ticks) => ticks.map((tick) => (tick === null ? "" : short(tick))) }],
    };
    const plot = new uPlot(options, joined, frame);
    frame.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by === undefined) return;
      event.preventDefault();
      const index = Math.max(0, Math.min(steps.length - 1, (plot.cursor.idx ?? (by > 0 ? -1 : steps.length)) + by));
      plot.setCursor({ left: plot.valToPos(steps[index], "x"), top: 20 });
      document.getElementById("read").textContent = [...frame.querySelector(".tip").children].map((line) => line.textContent).join("; ");
    });
    charts.push(plot);
  }
  data.charts.forEach(draw);
  document.getElementById("curves")?.toggleAttribute("hidden", data.charts.length === 0);
  const resize = () => charts.forEach((plot) => {
    const width = plot.root.parentElement.clientWidth;
    if (width && width !== plot.width) plot.setSize({ width, height: 220 });
  });
  new ResizeObserver(resize).observe(document.body);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => charts.forEach((plot) => plot.redraw()));

  // ---- Links into closed parts, and print ----
  function open() {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    const closed = target && (target.closest("details:not([open])") ?? null);
    if (closed) { closed.open = true; target.scrollIntoView(); }
  }
  addEventListener("hashchange", open);
  all("a.badge").forEach((badge) => badge.addEventListener("click", () => setTimeout(open))); // also a second time
  open();
  addEventListener("beforeprint", () => all("details").forEach((one) => { one.open = true; }));
})();
