"use strict";
(() => {
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const root = document.documentElement;
  root.classList.add("js");

  // Theme: what the system wants, until the reader says otherwise
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = $("#theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : dark.matches;
  const remembered = value => {  // file:// pages may have no storage
    try { if (value) localStorage.setItem("theme", value); return localStorage.getItem("theme"); } catch { return null; }
  };
  const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
  if (["light", "dark"].includes(remembered())) root.dataset.theme = remembered();
  theme.addEventListener("click", () => { root.dataset.theme = isDark() ? "light" : "dark"; remembered(root.dataset.theme); showTheme(); });
  dark.addEventListener("change", showTheme);
  theme.hidden = false;
  showTheme();
  const log = $("#log");
  log.hidden = false;
  log.addEventListener("click", () => log.setAttribute("aria-pressed", String(root.classList.toggle("log"))));

  // What is under the pointer, in words
  const tip = $("#tip");
  const tell = (text, x, y) => {
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const box = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(4, Math.min(x + 12, innerWidth - box.width - 4))}px`;
    tip.style.top = `${y + 18 + box.height > innerHeight ? y - box.height - 8 : y + 18}px`;
  };
  document.addEventListener("pointermove", event => {
    const said = event.target.closest && event.target.closest("[data-t]");
    tell(said ? said.dataset.t : curveAt(event), event.clientX, event.clientY);
  });
  document.addEventListener("scroll", () => tell(""), {passive: true});
  function curveAt(event) {  // a curve's value is where its path is, at that place
    const curve = event.target.closest && event.target.closest(".curve");
    const svg = curve && $("svg", curve), card = curve && curve.closest(".card");
    if (!svg) return "";
    const box = svg.getBoundingClientRect(), share = (event.clientX - box.left) / box.width;
    const points = [...$("path", svg).getAttribute("d").matchAll(/[ML](\d+)\.5 (\d+)/g)].map(one => [+one[1], +one[2]]);
    const at = Math.floor(share * svg.viewBox.baseVal.width), point = points.find(one => one[0] === at);
    const low = +curve.dataset.low, high = +curve.dataset.high;
    const value = point ? (low + (96 - point[1]) / 92 * (high - low)).toPrecision(3) : "not measured";
    return `${(share * card.dataset.duration).toFixed(2)} s: ${value}`;
  }

  // Histograms: pointer, or arrow keys
  for (const svg of $$("svg[data-bins]")) {
    const {e, c} = JSON.parse(svg.dataset.bins), output = $("output", svg.closest("figure")), cursor = $(".cursor", svg);
    const total = c.reduce((a, b) => a + b, 0);
    let now = -1;
    const show = at => {
      now = Math.max(-1, Math.min(at, c.length - 1));
      cursor.setAttribute("x", now);
      output.textContent = now < 0 ? "" : `${e[now]} to ${e[now + 1]}: ${c[now]} (${(100 * c[now] / total).toPrecision(3)} %)`;
    };
    svg.addEventListener("pointermove", event => {
      const box = svg.getBoundingClientRect();
      show(Math.floor((event.clientX - box.left) / box.width * c.length));
    });
    svg.addEventListener("pointerleave", () => show(-1));
    svg.addEventListener("blur", () => show(-1));
    svg.addEventListener("keydown", event => {
      const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
      if (step) { event.preventDefault(); show(Math.max(0, now + step)); }
    });
  }

  // Worst examples: filter and sort
  const table = $("#examples"), filters = $("#filters");
  const rows = table ? $$("tbody tr", table) : [];
  const texts = new Map(rows.map(row => [row, row.textContent.toLowerCase()]));
  const PAGE = 50, more = $("#more");
  let isWhole = false;
  function filter() {
    const words = $("#f-text").value.toLowerCase().split(/\s+/).filter(Boolean), check = $("#f-check").value;
    const kinds = new Set($$("input[name=mark]:checked", filters).map(box => box.value));
    let fitting = 0;
    for (const row of $$("tbody tr", table)) {
      const fits = kinds.has(row.dataset.mark) && (!check || row.dataset.check === check) && words.every(word => texts.get(row).includes(word));
      fitting += fits;
      row.hidden = !fits || (!isWhole && fitting > PAGE);
    }
    more.hidden = isWhole || fitting <= PAGE;
    more.textContent = `Show all ${fitting}`;
    $("#f-count").textContent = `${fitting} of ${rows.length}`;
  }
  function sort(header) {
    const up = header.getAttribute("aria-sort") !== "ascending", name = header.dataset.sort;
    for (const other of $$("th[data-sort]", table)) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", up ? "ascending" : "descending");
    const key = row => row.dataset[name];
    const compare = name === "value"
      ? (a, b) => (key(a) === "") - (key(b) === "") || (up ? 1 : -1) * (key(a) - key(b))
      : (a, b) => (up ? 1 : -1) * key(a).localeCompare(key(b));
    table.tBodies[0].append(...$$("tbody tr", table).sort(compare));
    filter();
  }
  if (table) {
    filters.hidden = false;
    filters.addEventListener("input", filter);
    filters.addEventListener("submit", event => event.preventDefault());
    for (const header of $$("th[data-sort]", table)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = header.textContent;
      button.addEventListener("click", () => sort(header));
      header.replaceChildren(button);
    }
    more.addEventListener("click", () => { isWhole = true; filter(); });
    filter();
    for (const link of $$("a.show")) link.addEventListener("click", () => {
      $("#f-check").value = link.dataset.check;
      $("#f-text").value = "";
      for (const box of $$("input[name=mark]", filters)) box.checked = true;
      filter();
    });
  }

  // A sample in front of the page, and the way through those that the filter leaves
  const viewer = $("#viewer"), holder = document.createComment("sample");
  let opened = null;
  const shownCards = () => [...new Set($$("tbody tr:not([hidden])", table).map(row => row.dataset.card).filter(Boolean))];
  function putBack() {
    if (!opened) return;
    for (const media of $$("video, audio", opened)) media.pause();
    holder.replaceWith(opened);
    opened = null;
  }
  function open(name) {
    const card = document.getElementById(name);
    if (!card) return;
    putBack();
    opened = card;
    card.replaceWith(holder);
    $("#v-body").replaceChildren(card);
    const all = shownCards();
    $("#v-count").textContent = `${all.indexOf(name) + 1} of ${all.length}`;
    if (!viewer.open) viewer.showModal();
    viewer.scrollTop = 0;
  }
  function step(by) {
    const all = shownCards(), at = opened ? all.indexOf(opened.id) : -1;
    if (all.length) open(all[(at + by + all.length) % all.length]);
  }
  for (const link of $$("a.open")) link.addEventListener("click", event => {
    event.preventDefault();
    open(link.hash.slice(1));
  });
  viewer.addEventListener("close", putBack);
  viewer.addEventListener("click", event => { if (event.target === viewer || event.target.closest("a[href^='#']")) viewer.close(); });
  viewer.addEventListener("keydown", event => {
    if (event.target.closest("video, audio, .scroll")) return;
    if (event.key === "ArrowRight") step(1);
    if (event.key === "ArrowLeft") step(-1);
  });
  $("#v-prev").addEventListener("click", () => step(-1));
  $("#v-next").addEventListener("click", () => step(1));
  $("#v-close").addEventListener("click", () => viewer.close());

  // The clip moves a line over curves and timeline; a click on them moves the clip
  for (const card of $$(".card")) {
    const media = $("video, audio", card), now = $(".now", card), tracks = $(".tracks", card), duration = +card.dataset.duration;
    if (!tracks || !duration) continue;
    const show = time => { now.hidden = false; now.style.left = `${Math.min(100, 100 * time / duration)}%`; };
    tracks.addEventListener("click", event => {
      const box = tracks.getBoundingClientRect(), time = (event.clientX - box.left) / box.width * duration;
      show(time);
      if (!media) return;
      const seek = () => { media.currentTime = time; };
      if (media.readyState) seek(); else { media.addEventListener("loadedmetadata", seek, {once: true}); media.load(); }
    });
    if (!media) continue;
    const tick = () => { show(media.currentTime); if (!media.paused) requestAnimationFrame(tick); };
    media.addEventListener("play", tick);
    media.addEventListener("seeked", () => show(media.currentTime));
  }

  // Links to a check open it; paper gets what was found
  const reveal = () => {
    const target = location.hash.startsWith("#check-") && document.getElementById(location.hash.slice(1));
    if (target) { target.open = true; target.scrollIntoView(); }
  };
  addEventListener("hashchange", reveal);
  document.addEventListener("click", event => {
    const link = event.target.closest("a[href^='#check-']");
    if (link && link.hash === location.hash) reveal();
  });
  reveal();
  $("#unfold").addEventListener("click", event => {
    const all = $$("details.check"), want = !all.every(one => one.open);
    for (const one of all) one.open = want;
    event.target.textContent = want ? "Close all" : "Open all";
  });
  addEventListener("beforeprint", () => {
    for (const one of $$("details.check.fail, details.check.warn")) one.open = true;
  });
})();
