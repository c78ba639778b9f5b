"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const KIND = 0, CLIENT = 1, POSITION = 2, TEXT = 3, FAULT = 4, EXECUTED = 5, REPLY = 6, SOURCE = 7, CHANGES = 8,
    MARKED = 9, QUEUED = 10;
  const SHAPES = { call: "●", return: "○", raise: "✗" };
  const COMMANDS = ["command", "late command"];
  const RUN = { yes: "the server runs it", no: "the server never runs it", unknown: "not known yet" };
  const byId = (id) => document.getElementById(id);
  const detail = byId("detail");
  let at = { finding: -1, step: 0 };

  /** Make an element. Text is never read as markup. */
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  function say(text) { byId("said").textContent = text; }

  /** Return the keys after a step, as a map from key to value: what the story has shown of them. */
  function keysAt(story, step) {
    const keys = new Map();
    story.steps.slice(0, step + 1).forEach((each) => each[CHANGES].forEach(([key, before, after]) => {
      if (after) keys.set(key, after); else keys.delete(key);
    }));
    return keys;
  }

  function spoken(step) {
    const fault = step[FAULT] ? `, fault ${step[FAULT]}` : "";
    const reply = step[REPLY] ? `, reply ${step[REPLY]}` : "";
    return `${step[CLIENT] ? `client ${step[CLIENT]}: ` : ""}${step[KIND]} ${step[TEXT]}${fault}${reply}`;
  }

  function lifelines(count) {
    const lines = [];
    for (let lane = 0; lane <= count; lane += 1) {
      const line = make("span", { class: lane === count ? "life server" : "life", "aria-hidden": "true" });
      line.style.gridColumn = String(lane + 2);
      lines.push(line);
    }
    return lines;
  }

  function drawStep(step, number, lanes) {
    const count = lanes.length;
    const lane = lanes.indexOf(step[CLIENT]);
    const item = make("li", { "data-step": number, "aria-label": spoken(step) });
    layOut(item, count);
    item.append(make("span", { class: "position" }, step[POSITION]));
    if (lane < 0) {
      item.append(make("span", { class: "across" }, `${step[KIND]}: ${step[TEXT]}`));
    } else if (COMMANDS.includes(step[KIND])) {
      const never = step[FAULT] && step[EXECUTED] === "no";
      const late = step[KIND] === "late command" ? "delivered late: " : "";
      const classes = ["what", "arrow", never ? "stopped" : "", step[FAULT] ? "faulty" : ""].join(" ");
      const arrow = make("span", { class: classes }, late + step[TEXT]);
      if (step[FAULT]) arrow.append(" ", make("span", { class: "fault" }, step[MARKED]));
      arrow.style.gridColumn = `${lane + 2} / ${count + 2}`;
      const executed = step[FAULT] ? `${RUN[step[EXECUTED]] || ""}${step[REPLY] ? ": " : ""}` : "";
      const reply = make("span", { class: "reply" }, executed + step[REPLY]);
      reply.style.gridColumn = String(count + 2);
      item.append(...lifelines(count), arrow, reply);
    } else {
      const what = make("span", { class: `what ${step[KIND]}` },
        make("span", { class: "shape", "aria-hidden": "true" }, SHAPES[step[KIND]] || "·"), step[TEXT]);
      what.classList.add("hanging");
      what.style.gridColumn = `${lane + 2} / ${count + 2}`;
      item.append(...lifelines(count), what);
    }
    if (step[CHANGES].length) {
      const text = step[CHANGES].map(([key, before, after]) =>
        !before ? `+ ${key}` : !after ? `− ${key}` : `~ ${key}`).join(", ");
      const changes = make("span", { class: "changes" }, text);
      changes.style.gridColumn = lane < 0 ? "2 / -1" : String(count + 2);
      item.append(changes);
    }
    return item;
  }

  /** Give a row of a story its lanes; below the sum of their least widths the story scrolls. */
  function layOut(row, count) {
    const lane = count > 1 ? 6 : 9;
    row.style.gridTemplateColumns = `3.2rem repeat(${count}, minmax(${lane}rem, 1fr)) minmax(9rem, ${count > 1 ? 1.2 : 1}fr)`;
    row.style.minWidth = `${3.2 + lane * count + 9}rem`;
  }

  function drawStory(story, label) {
    const lanes = story.clients;
    const list = make("ol", { class: "story", "aria-label": label });
    const head = make("li", { class: "head", "aria-hidden": "true" }, make("span", { class: "position" }, ""));
    layOut(head, lanes.length);
    lanes.forEach((client) => head.append(make("span", {}, `client ${client}`)));
    head.append(make("span", {}, "server"));
    list.append(head, ...story.steps.map((step, number) => drawStep(step, number, lanes)));
    const seen = make("ul", { class: story.violations.length ? "seen" : "seen holds" });
    if (!story.violations.length) seen.append(make("li", {}, "✓ Every invariant holds."));
    story.violations.forEach(([invariant, observed]) => seen.append(make("li", {}, `✗ ${invariant}: ${observed}`)));
    return [list, seen];
  }

  function replayLine(text) {
    const button = make("button", { type: "button" }, "Copy");
    button.addEventListener("click", () => copy(text, button));
    return make("div", { class: "replay" }, make("code", {}, text), button);
  }

  function copy(text, button) {
    const done = () => { button.textContent = "Copied"; say("The replay line was copied."); setTimeout(() => { button.textContent = "Copy"; }, 1500); };
    const byHand = () => {
      const area = make("textarea", {});
      area.value = text;
      document.body.append(area);
      area.select();
      if (document.execCommand("copy")) done();
      area.remove();
      button.focus();
    };
    if (navigator.clipboard && window.isSecureContext) navigator.clipboard.writeText(text).then(done, byHand);
    else byHand();
  }

  /** Draw a finding; with its panel if it is the one that the cursor is in. */
  function drawFinding(finding, withPanel) {
    const article = make("article", { "aria-labelledby": `title-${finding.id}` },
      make("span", { class: `severity ${finding.severity}` }, `${finding.id} ${finding.severity}`),
      make("h2", { id: `title-${finding.id}` }, finding.title));
    if (finding.source) article.append(make("p", { class: "source" }, finding.source));
    if (finding.at) article.append(...excerpt(...finding.at));
    article.append(replayLine(finding.replay));
    finding.sentences.forEach((sentence) => article.append(make("p", {}, sentence)));
    article.append(make("p", {}, make("strong", {}, "Change: "), finding.advice));
    if (!finding.story) {
      article.append(make("p", { class: "quiet" }, "The story of this finding was not recorded; its replay line shows it."));
      return article;
    }
    const stories = make("div", { class: finding.neighbour ? "stories two" : "stories" },
      make("section", {}, make("h3", {}, "What happens"), ...drawStory(finding.story, `The steps of ${finding.id}`)));
    if (finding.neighbour) {
      stories.append(make("section", { class: "neighbour" }, make("h3", {}, `The nearest case in which ${finding.invariants[0]} holds`),
        replayLine(finding.passes), ...drawStory(finding.neighbour, "The steps of the nearest case")));
    }
    const beside = make("div", { class: "beside" }, stories);
    if (withPanel) beside.append(make("aside", { class: "panel", id: "panel", "aria-label": "At this step" }));
    article.append(beside);
    return article;
  }

  function frame([file, line, name]) { return make("p", { class: "frame" }, `${file}:${line} in ${name}`); }

  /** Return the lines of code around one, or nothing if the page does not have them. */
  function excerpt(file, line) {
    const texts = data.code[file] || {};
    if (texts[line] === undefined) return [];
    const list = make("ol", { class: "code", "aria-label": `${file}, around line ${line}`, tabindex: "0" });
    const numbers = [-3, -2, -1, 0, 1, 2, 3].map((by) => line + by).filter((number) => texts[number] !== undefined);
    const indents = numbers.filter((number) => texts[number]).map((number) => texts[number].search(/\S|$/));
    numbers.forEach((number) => {
      const isHere = number === line;
      list.append(make("li", { "aria-current": isHere ? "true" : null },
        make("span", { class: "number" }, `${isHere ? "▶ " : ""}${number}`), make("span", {}, texts[number].slice(Math.min(...indents)))));
    });
    return [list];
  }

  function drawPanel(finding) {
    const panel = byId("panel");
    if (!panel) return;
    const story = finding.story;
    const step = story.steps[at.step];
    const changed = new Map(step[CHANGES].map(([key, before, after]) => [key, before || "(none)"]));
    const keys = keysAt(story, at.step);
    const body = make("tbody", {});
    keys.forEach((value, key) => {
      const isNew = changed.has(key);
      body.append(make("tr", { class: isNew ? "changed" : null },
        make("td", {}, `${isNew ? "~ " : ""}${key}`), make("td", {}, value, isNew ? make("div", { class: "quiet" }, `was ${changed.get(key)}`) : null)));
    });
    step[CHANGES].filter(([, , after]) => !after).forEach(([key, before]) => body.append(
      make("tr", { class: "changed" }, make("td", {}, `− ${key}`), make("td", {}, make("s", {}, before)))));
    const [first, ...callers] = step[SOURCE];
    const lines = first ? [frame(first), ...excerpt(first[0], first[1])] : [];
    if (step[QUEUED].length) lines.push(make("p", { class: "quiet" }, "sends what was queued at"), ...step[QUEUED].map(frame));
    if (callers.length) lines.push(make("p", { class: "quiet" }, "called by"), ...callers.map(frame));
    panel.replaceChildren(
      make("h3", {}, `Step ${at.step + 1} of ${story.steps.length}`),
      make("p", {}, spoken(step)),
      make("h3", {}, "Your code"),
      ...(first ? lines : [make("p", { class: "quiet" }, "No line of your code sends this step.")]),
      make("h3", {}, "Keys"),
      keys.size || changed.size ? make("table", { class: "keys-at" }, body)
        : make("p", { class: "quiet" }, "No key has been written yet."));
  }

  function moveTo(step, focuses) {
    const finding = data.findings[at.finding];
    if (!finding || !finding.story) return;
    at.step = Math.max(0, Math.min(step, finding.story.steps.length - 1));
    const list = detail.querySelector(".story");
    list.querySelectorAll("li[data-step]").forEach((item) => {
      const isHere = Number(item.dataset.step) === at.step;
      item.tabIndex = isHere ? 0 : -1;
      if (isHere) {
        item.setAttribute("aria-current", "step");
        if (focuses) { item.focus({ preventScroll: true }); item.scrollIntoView({ block: "nearest" }); }
      } else item.removeAttribute("aria-current");
    });
    drawPanel(finding);
    remember(`#${finding.id}/${at.step + 1}`);
  }

  function remember(hash) {
    if (location.hash !== hash) history.replaceState(null, "", hash);
  }

  /** Return the step to open a finding at: its fault, or else the first command that its line of code sent. */
  function firstStep(finding) {
    if (!finding.story) return 0;
    const { steps } = finding.story;
    const faulty = steps.findIndex((step) => step[FAULT]);
    if (faulty >= 0 || !finding.at) return Math.max(0, faulty);
    const [file, line] = finding.at;
    return Math.max(0, steps.findIndex((step) => step[SOURCE].some((each) => each[0] === file && each[1] === line)));
  }

  function show(number, step, focuses) {
    const finding = data.findings[number];
    at = { finding: number, step: 0 };
    document.querySelectorAll(".view").forEach((view) => { view.hidden = true; });
    detail.hidden = false;
    detail.replaceChildren(drawFinding(finding, true));
    markCurrent(finding.id);
    moveTo(step === undefined ? firstStep(finding) : step, focuses);
    if (!finding.story) remember(`#${finding.id}`);
  }

  function showView(name) {
    at = { finding: -1, step: 0 };
    detail.hidden = true;
    document.querySelectorAll(".view").forEach((view) => { view.hidden = view.id !== `view-${name}`; });
    markCurrent(name);
    remember(`#${name}`);
  }

  function markCurrent(name) {
    document.querySelectorAll("nav a").forEach((link) => {
      if (link.getAttribute("href") === `#${name}`) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
  }

  /** Show what the address names; the first finding, or else the run, if it names nothing. */
  function route() {
    const [name, step] = location.hash.slice(1).split("/");
    const number = data.findings.findIndex((finding) => finding.id === name);
    const place = Number.parseInt(step, 10);
    if (number >= 0) show(number, Number.isNaN(place) ? undefined : place - 1, false);
    else if (name === "run" || name === "coverage") showView(name);
    else if (data.findings.length) show(0, undefined, false);
    else showView("run");
  }

  function visible() {
    return data.findings.map((_, number) => number).filter((number) => {
      const item = document.querySelector(`#findings li[data-id="${data.findings[number].id}"]`);
      return item && !item.hidden;
    });
  }

  function go(by) {
    const shown = visible();
    const here = shown.indexOf(at.finding);
    const next = here < 0 ? (by > 0 ? 0 : shown.length - 1) : here + by;
    if (shown[next] !== undefined) show(shown[next], undefined, true);
  }

  function filter(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    data.findings.forEach((finding) => {
      const item = document.querySelector(`#findings li[data-id="${finding.id}"]`);
      const content = [finding.id, finding.severity, finding.title, finding.source, finding.replay,
        ...finding.invariants].join(" ").toLowerCase();
      item.hidden = !words.every((word) => content.includes(word));
      count += item.hidden ? 0 : 1;
    });
    byId("nothing").hidden = count > 0 || !data.findings.length;
    say(`${count} ${count === 1 ? "finding" : "findings"}`);
  }

  const COVERED = {
    v: ["violated", "✗", "violated"], i: ["invalid", "?", "invalid"], n: ["missed", "○", "not reached"],
    r: ["run", "■", "run, and every invariant held"], p: ["pruned", "–", "pruned"],
  };

  function drawMap() {
    const { programs, faults, cells, places } = data.coverage;
    if (!cells.length) return;
    const head = make("tr", {}, make("td", {}), ...faults.map((fault) => make("th", { scope: "col" }, make("span", {}, fault))));
    const table = make("table", {}, make("thead", {}, head));
    const byPlace = new Map(cells.map((cell) => [`${cell[0]},${cell[1]}`, cell]));
    programs.forEach((program, row) => {
      const rows = places.filter(([number]) => number === row);
      const line = make("tr", {}, make("th", { scope: "row" }, program));
      faults.forEach((fault, column) => line.append(mapCell(byPlace.get(`${row},${column}`), program, fault)));
      table.append(make("tbody", {}, line));
      if (rows.length) table.append(placesOf(program, rows, faults, line.firstChild));
    });
    byId("map").append(table);
  }

  /** Return the rows of a program's places, which a button in the program's row shows. */
  function placesOf(program, rows, faults, heading) {
    const body = make("tbody", { class: "places", hidden: true });
    rows.forEach(([, place, letters]) => {
      const line = make("tr", {}, make("th", { scope: "row" }, make("code", {}, place)));
      faults.forEach((fault, column) => line.append(placeCell(COVERED[letters[column]], `${program}, ${place}, ${fault}`)));
      body.append(line);
    });
    const button = make("button", { type: "button", class: "fold", "aria-expanded": "false" }, program);
    button.addEventListener("click", () => {
      body.hidden = !body.hidden;
      button.setAttribute("aria-expanded", String(!body.hidden));
    });
    heading.replaceChildren(button);
    return body;
  }

  function placeCell(covered, where) {
    if (!covered) return make("td", {});
    const [name, shape, text] = covered;
    return make("td", { title: `${where}: ${text}`, "aria-label": `${where}: ${text}` }, make("span", { class: `cell ${name}` }, shape));
  }

  function mapCell(cell, program, fault) {
    if (!cell) return make("td", {});
    const [, , run, pruned, missed, invalid, violated] = cell;
    const [name, shape] = COVERED[violated ? "v" : invalid ? "i" : missed ? "n" : run ? "r" : "p"];
    const text = `${program}, ${fault}: ${run} run, ${violated} violated, ${pruned} pruned, ${missed} not reached, ${invalid} invalid`;
    return make("td", { title: text, "aria-label": text }, make("span", { class: `cell ${name}` }, shape), run ? ` ${run}` : "");
  }

  const help = byId("help");
  const keys = {
    j: () => moveTo(at.step + 1, true),
    k: () => moveTo(at.step - 1, true),
    ArrowDown: (event) => { if (event.target.closest(".story")) { event.preventDefault(); moveTo(at.step + 1, true); } },
    ArrowUp: (event) => { if (event.target.closest(".story")) { event.preventDefault(); moveTo(at.step - 1, true); } },
    n: () => go(1),
    p: () => go(-1),
    "?": () => help.showModal(),
    "/": (event) => { const field = byId("filter"); if (field) { event.preventDefault(); field.focus(); } },
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    if (event.target.closest("input, textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (keys[event.key]) keys[event.key](event);
  });
  detail.addEventListener("click", (event) => {
    const item = event.target.closest(".story li[data-step]");
    if (item && !item.closest(".neighbour")) moveTo(Number(item.dataset.step), true);
  });
  byId("help-button").addEventListener("click", () => help.showModal());
  const field = byId("filter");
  if (field) field.addEventListener("input", () => filter(field.value));
  window.addEventListener("hashchange", route);
  window.addEventListener("beforeprint", () => {
    detail.hidden = false;
    detail.replaceChildren(...data.findings.map((finding) => drawFinding(finding, false)));
  });
  window.addEventListener("afterprint", route);
  drawMap();
  route();
})();
