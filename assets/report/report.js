// Curves in the page -> charts with a cursor, zoom and keyboard; drawn anew for another width, colour scheme or printer.
(() => {
  const charts = JSON.parse(document.getElementById("curves-data").textContent);
  if (charts.length === 0) return;
  const root = document.documentElement;
  const log = document.getElementById("log");
  const reset = document.getElementById("reset");
  const first = Math.min(...charts.map(({ columns }) => columns[0][0]));
  const last = Math.max(...charts.map(({ columns }) => columns[0].at(-1)));
  /** Steps that are shown, in all charts alike. */
  let range = [first, last];
  let plots = [];
  const fromZero = { min: { pad: 0, soft: 0, mode: 1 }, max: { pad: 0.1, soft: 0, mode: 0 } };

  // Steps are whole numbers.
  const increments = Array.from({ length: 10 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** i)).flat();
  const isWhole = () => range[0] <= first && range[1] >= last;
  const color = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  /** A value in so many digits; whole parts are never cut. */
  const short = (value, digits = 4) => {
    if (value === null || value === undefined) return "";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e7))
      return value
        .toExponential(digits - 1)
        .replace(/\.?0*e/, "e")
        .replace("e+", "e");
    const places = Math.max(0, digits - 1 - Math.floor(Math.log10(size || 1)));
    return value.toLocaleString("en-US", { maximumFractionDigits: Math.min(places, 12) });
  };

  /** Shows some steps in all charts. */
  function show(from, to) {
    const size = Math.min(Math.max(to - from, 1), last - first);
    const start = Math.min(Math.max(from, first), last - size);
    range = [start, start + size];
    reset.disabled = isWhole();
    for (const plot of plots) plot.setScale("x", { min: range[0], max: range[1] });
  }

  function seriesOf({ label, color: name, sparse, dashed }, points) {
    const few = points < 60;
    return {
      label,
      stroke: color(name),
      width: name === "faint" ? 1 : 2,
      spanGaps: sparse === true,
      ...(dashed ? { dash: [6, 4] } : {}),
      points: {
        show: !dashed && (sparse === true ? points < 200 : few),
        size: name === "faint" ? 4 : 6,
        fill: color(name),
      },
      value: (_, value) => (value === null ? "–" : short(value)),
    };
  }

  function draw(chart) {
    const place = document.getElementById(`plot-${chart.id}`);
    const isLog = log.checked && chart.log;
    const columns = isLog
      ? chart.columns.map((column, i) => (i === 0 ? column : column.map((y) => (y > 0 ? y : null))))
      : chart.columns;
    const axis = {
      stroke: color("muted"),
      grid: { stroke: color("line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui, sans-serif",
      values: (_, splits) => splits.map((value) => short(value, 6)),
    };
    const points = chart.columns[0].length;
    const options = {
      width: place.clientWidth,
      height: heightOf(place),
      scales: {
        x: { time: false, range: () => range },
        y: isLog ? { distr: 3 } : { distr: 1, ...(chart.zero ? { range: fromZero } : {}) },
      },
      axes: [
        { ...axis, size: 32, space: 70, incrs: increments },
        { ...axis, size: 58 },
      ],
      series: [
        { label: "step", value: (_, step) => (step === null ? "–" : short(step, 9)) },
        ...chart.series.map((series) => seriesOf(series, series.sparse ? countOf(chart, series) : points)),
      ],
      cursor: {
        y: false,
        drag: { x: true, y: false, setScale: false },
        sync: {
          key: "run",
          scales: ["x", null],
          filters: { pub: (type) => type === "mousemove" || type === "mouseleave" },
        },
        bind: {
          dblclick: () => () => {
            show(first, last);
            return null;
          },
        },
      },
      hooks: {
        // Where there is no cursor, the legend shows the last step.
        setCursor: [
          (plot) => {
            if (plot.cursor.idx === null) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
          },
        ],
        setSelect: [
          (plot) => {
            const { left, width } = plot.select;
            if (width < 5) return;
            show(plot.posToVal(left, "x"), plot.posToVal(left + width, "x"));
            plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          },
        ],
      },
    };
    const plot = new uPlot(options, columns, place);
    plot.setLegend({ idx: columns[0].length - 1 }, false);
    makeUsable(plot, chart, place);
    return plot;
  }

  const countOf = (chart, series) =>
    chart.columns[1 + chart.series.indexOf(series)].filter((value) => value !== null).length;

  function heightOf(place) {
    if (root.classList.contains("printing")) return 170;
    return place.closest(".wide") && place.clientWidth > 500 ? 300 : 220;
  }

  /** Keyboard, and words for those who do not see the curve. */
  function makeUsable(plot, chart, place) {
    const values = chart.columns[Math.min(2, chart.columns.length - 1)].filter((value) => value !== null);
    place.tabIndex = 0;
    place.setAttribute("role", "group");
    place.setAttribute(
      "aria-label",
      `${chart.title}: from ${short(values[0])} to ${short(values.at(-1))}, lowest ${short(values.reduce((a, b) => Math.min(a, b), Infinity))}, highest ${short(values.reduce((a, b) => Math.max(a, b), -Infinity))}. Arrow keys read the values.`,
    );
    const legend = place.querySelector(".u-legend");
    legend.setAttribute("role", "presentation");
    for (const [i, label] of [...legend.querySelectorAll(".u-series th")].entries()) {
      if (i === 0 || chart.series.length === 1) continue;
      label.tabIndex = 0;
      label.setAttribute("role", "button");
      label.setAttribute("aria-pressed", "true");
      label.addEventListener("click", () => label.setAttribute("aria-pressed", String(plot.series[i].show)));
      label.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        event.stopPropagation();
        label.click();
      });
    }
    const spoken = document.createElement("p");
    spoken.className = "hidden";
    spoken.setAttribute("aria-live", "polite");
    place.append(spoken);
    place.onkeydown = (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const steps = plot.data[0];
      const shown = steps.flatMap((step, i) => (step >= range[0] && step <= range[1] ? [i] : []));
      const at = shown.indexOf(plot.cursor.idx ?? -1);
      const jump = event.shiftKey ? Math.max(1, Math.round(shown.length / 20)) : 1;
      const size = range[1] - range[0];
      const center = at >= 0 ? steps[shown[at]] : range[0] + size / 2;
      const move = {
        ArrowRight: at < 0 ? 0 : at + jump,
        ArrowLeft: at < 0 ? shown.length - 1 : at - jump,
        Home: 0,
        End: shown.length - 1,
      }[event.key];
      if (move !== undefined && shown.length > 0) {
        const i = shown[Math.min(Math.max(move, 0), shown.length - 1)];
        plot.setCursor({ left: plot.valToPos(steps[i], "x"), top: 10 }, true, true);
        const read = chart.series.map(({ label }, n) => [label, plot.data[n + 1][i]]);
        spoken.textContent = `step ${steps[i]}: ${read
          .filter(([, value]) => value !== null)
          .map(([label, value]) => `${label} ${short(value)}`)
          .join(", ")}`;
      } else if (event.key === "+" || event.key === "=") show(center - size / 4, center + size / 4);
      else if (event.key === "-") show(center - size, center + size);
      else if (event.key === "Escape") show(first, last);
      else return;
      event.preventDefault();
    };
  }

  function drawAll() {
    for (const plot of plots) plot.destroy();
    for (const { id } of charts) document.getElementById(`plot-${id}`).replaceChildren();
    plots = charts.map(draw);
    root.dataset.drawn = String(plots.length);
  }

  document.querySelector(".tools").hidden = false;
  drawAll();
  show(first, last);
  log.addEventListener("change", drawAll);
  reset.addEventListener("click", () => show(first, last));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  new ResizeObserver(() => {
    for (const plot of plots) {
      const place = plot.root.parentElement;
      const size = { width: place.clientWidth, height: heightOf(place) };
      if (size.width !== plot.width || size.height !== plot.height) plot.setSize(size);
    }
  }).observe(document.querySelector(".charts"));

  // Paper is white, and shows what is folded.
  let folded = [];
  addEventListener("beforeprint", () => {
    folded = [...document.querySelectorAll("section > details:not([open])")];
    for (const details of folded) details.open = true;
    root.classList.add("printing");
    drawAll();
  });
  addEventListener("afterprint", () => {
    for (const details of folded) details.open = false;
    root.classList.remove("printing");
    drawAll();
  });
})();
