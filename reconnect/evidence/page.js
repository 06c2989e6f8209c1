// What a report does beyond showing: its timelines zoom, pan, and say what stands behind a stay in a state.
// Everything that it shows is made of text nodes: no word of a journal becomes markup.
(() => {
  "use strict";
  const SVG = "http://www.w3.org/2000/svg";
  const LANE = 30, TOP = 18, BAR = 12, FOOT = 18, HAIR = 0.0015; // the narrowest bar, as a part of the width
  const data = JSON.parse(document.getElementById("timeline-data").textContent);
  const all = { from: data.from, to: data.to };
  const least = Math.max(1e-6, (all.to - all.from) * 1e-9);
  let view = { ...all };
  let chosen = null; // [track, stay]

  const make = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const percent = (part) => `${(100 * part).toFixed(4)}%`;
  const place = (at) => (at - view.from) / (view.to - view.from);

  // -- words -------------------------------------------------------------------------------------------------------------------

  const decimals = (step) => Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
  const clock = (at, places) => {
    const unit = 10 ** places;
    const whole = Math.round((data.origin + at) * unit);
    const date = new Date(Math.floor(whole / unit) * 1000).toISOString();
    const rest = places ? "." + String(((whole % unit) + unit) % unit).padStart(places, "0") : "";
    return date.slice(11, 19) + rest;
  };
  const day = (at) => new Date((data.origin + at) * 1000).toISOString().slice(0, 10);
  const span = (seconds) => {
    if (seconds >= 172800) return `${(seconds / 86400).toFixed(1)} days`;
    if (seconds >= 7200) return `${(seconds / 3600).toFixed(2)} h`;
    if (seconds >= 120) return `${(seconds / 60).toFixed(2)} min`;
    if (seconds >= 1) return `${seconds.toFixed(3)} s`;
    if (seconds >= 1e-3) return `${(seconds * 1e3).toFixed(3)} ms`;
    return seconds > 0 ? `${(seconds * 1e6).toFixed(0)} µs` : "no time";
  };

  // -- drawing -----------------------------------------------------------------------------------------------------------------

  const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
  const stepFor = (wanted) => {
    if (wanted > 86400) return Math.ceil(wanted / 86400) * 86400;
    if (wanted > 1) return STEPS.find((step) => step >= wanted);
    const power = 10 ** Math.floor(Math.log10(wanted));
    return [1, 2, 5, 10].map((digit) => digit * power).find((step) => step >= wanted * 0.999999);
  };

  const ticks = (svg, height) => {
    const group = make("g", {});
    const room = Math.max(2, Math.floor(svg.clientWidth / 110));
    const step = stepFor((view.to - view.from) / room);
    const first = Math.ceil((view.from + data.origin) / step) * step - data.origin;
    for (let at = first; at <= view.to; at += step) {
      const x = place(at);
      if (x < 0 || x > 1) continue;
      group.append(make("line", { class: "grid", x1: percent(x), x2: percent(x), y1: TOP - 4, y2: height }));
      const anchor = (1 - x) * svg.clientWidth < 90 ? "end" : "start";
      const label = step >= 86400 ? day(at) : clock(at, decimals(step));
      group.append(make("text", { class: "pale", x: percent(x), dx: anchor === "end" ? -3 : 3, y: 11, "text-anchor": anchor }, label));
    }
    return group;
  };

  const bands = (svg, track, height) => {
    const group = make("g", {});
    let labelled = -1;
    for (const [number, from, to] of track.bands) {
      const left = Math.max(0, place(from)), right = Math.min(1, place(to));
      if (right < 0 || left > 1) continue;
      const width = Math.max(HAIR, right - left);
      group.append(make("rect", { class: "band", x: percent(left), width: percent(width), y: TOP, height: height - TOP, "data-outage": number }));
      if ((left - labelled) * svg.clientWidth < 16) continue; // no room for its number beside the last one
      labelled = left;
      group.append(make("text", { class: "pale", x: percent(left), dx: 2, y: height - 5, "data-outage": number }, number));
    }
    return group;
  };

  const endOf = (track, index) => (index + 1 < track.stays.length ? track.stays[index + 1][1] : track.end);

  const firstVisible = (track) => {
    let low = 0, high = track.stays.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (endOf(track, middle) < view.from) low = middle + 1;
      else high = middle;
    }
    return low;
  };

  // Bars that would touch are one: [lane, left, right, first stay, how many].
  const bars = (track) => {
    const done = [], open = new Map();
    for (let index = firstVisible(track); index < track.stays.length; index += 1) {
      const [lane, at] = track.stays[index];
      if (at > view.to) break;
      const left = Math.max(0, place(at)), right = Math.max(left + HAIR, Math.min(1, place(endOf(track, index))));
      const last = open.get(lane);
      if (last && left <= last[2]) {
        last[2] = Math.max(last[2], right);
        last[4] += 1;
        continue;
      }
      const bar = [lane, left, right, index, 1];
      open.set(lane, bar);
      done.push(bar);
    }
    return done;
  };

  const draw = () => {
    data.tracks.forEach((track, number) => {
      const svg = document.getElementById(`track-${number}`);
      const height = TOP + LANE * track.lanes.length + FOOT;
      const parts = [bands(svg, track, height), ticks(svg, height)];
      const group = make("g", {});
      for (const [lane, left, right, index, count] of bars(track)) {
        const picked = chosen !== null && chosen[0] === number && index <= chosen[1] && chosen[1] < index + count && track.stays[chosen[1]][0] === lane;
        const bar = make("rect", {
          class: picked ? "stay chosen" : "stay", fill: track.lanes[lane][1], x: percent(left), width: percent(right - left),
          y: TOP + LANE * lane + 15, height: BAR, "data-stay": index, "data-count": count,
        });
        bar.append(make("title", {}, count > 1 ? `${count} times ${track.lanes[lane][0]}` : track.lanes[lane][0]));
        group.append(bar);
      }
      parts.push(group);
      track.lanes.forEach(([name], lane) => parts.push(make("text", { x: 4, y: TOP + LANE * lane + 11 }, name)));
      svg.replaceChildren(...parts);
    });
    const shown = view.to - view.from, whole = all.to - all.from;
    document.getElementById("window").textContent =
      `${day(view.from)} ${clock(view.from, 3)} to ${clock(view.to, 3)} UTC: ${span(shown)} of ${span(whole)}`;
  };

  // -- moving ------------------------------------------------------------------------------------------------------------------

  const show = (from, to) => {
    const width = Math.min(all.to - all.from, Math.max(least, to - from));
    let left = Math.max(all.from, Math.min(all.to - width, from));
    view = { from: left, to: left + width };
    draw();
  };
  const zoom = (factor, at = (view.from + view.to) / 2) => show(at - (at - view.from) * factor, at + (view.to - at) * factor);
  const pan = (part) => {
    const by = part * (view.to - view.from);
    show(view.from + by, view.to + by);
  };
  const whole = () => show(all.from, all.to);
  const focusOn = (from, to) => {
    const room = Math.max(least * 10, to - from) * 0.25;
    show(from - room, to + room);
  };

  // -- choosing ----------------------------------------------------------------------------------------------------------------

  const detail = document.getElementById("detail");
  const say = (...parts) => detail.replaceChildren(...parts);
  const linkTo = (entry) => {
    if (document.getElementById(`entry-${entry}`) === null) return `entry ${entry}, whose record is left out below`;
    const link = document.createElement("a");
    link.href = `#entry-${entry}`;
    link.textContent = `entry ${entry}`;
    return link;
  };

  const choose = (number, index, count = 1) => {
    const track = data.tracks[number];
    const [lane, at, entry, event, row] = track.stays[index];
    chosen = [number, index];
    const end = endOf(track, index);
    const state = document.createElement("b");
    state.textContent = track.lanes[lane][0];
    const when = `, from ${clock(at, 3)} for ${span(end - at)}`;
    const cause = event < 0 ? ", where it was when the journal begins" : `, by ${data.events[event]}`;
    const why = row === null ? "" : ` (${(data.rows[track.chart] || [])[row] || `row ${row}`})`;
    const more = count > 1 ? ` This bar stands for ${count} stays; zoom in to part them.` : "";
    say(state, ` of ${track.name}${when}${cause}${why}; `, linkTo(entry), `.${more}`);
    if (at < view.from || at > view.to) focusOn(at, end);
    else draw();
  };

  const step = (by) => {
    if (!data.tracks.length) return;
    if (chosen === null) {
      choose(0, by > 0 ? 0 : data.tracks[0].stays.length - 1);
      return;
    }
    const [number, index] = chosen;
    choose(number, Math.max(0, Math.min(data.tracks[number].stays.length - 1, index + by)));
  };

  const outage = (number) => {
    for (const track of data.tracks) {
      const found = track.bands.find((band) => band[0] === number);
      if (found) {
        focusOn(found[1], found[2]);
        say(`Outage ${number}: ${span(found[2] - found[1])}, from ${clock(found[1], 3)}.`);
        return;
      }
    }
  };

  // -- hands -------------------------------------------------------------------------------------------------------------------

  const ACTIONS = {
    in: () => zoom(0.5), out: () => zoom(2), left: () => pan(-0.4), right: () => pan(0.4), whole,
    previous: () => step(-1), next: () => step(1),
  };
  const KEYS = {
    "+": "in", "=": "in", "-": "out", "0": "whole", Home: "whole", ArrowLeft: "previous", ArrowRight: "next", PageUp: "left", PageDown: "right",
  };
  for (const button of document.querySelectorAll("button[data-do]")) {
    button.addEventListener("click", () => ACTIONS[button.dataset.do]());
  }
  for (const link of document.querySelectorAll("a[data-outage]")) {
    link.addEventListener("click", () => outage(Number(link.dataset.outage)));
  }

  data.tracks.forEach((_, number) => {
    const svg = document.getElementById(`track-${number}`);
    const at = (event) => {
      const box = svg.getBoundingClientRect();
      return view.from + ((event.clientX - box.left) / box.width) * (view.to - view.from);
    };
    svg.addEventListener("keydown", (event) => {
      const action = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
      if (action === undefined) return;
      event.preventDefault();
      if (chosen === null || chosen[0] !== number) chosen = [number, action === "next" ? -1 : 0];
      ACTIONS[action]();
    });
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey) return; // the page scrolls
      event.preventDefault();
      zoom(event.deltaY > 0 ? 1.25 : 0.8, at(event));
    }, { passive: false });
    svg.addEventListener("dblclick", (event) => zoom(0.5, at(event)));

    let held = null;
    svg.addEventListener("pointerdown", (event) => {
      if (event.button === 0) held = { x: event.clientX, from: view.from, to: view.to, moved: false };
    });
    svg.addEventListener("pointermove", (event) => {
      if (held === null || Math.abs(event.clientX - held.x) < 4 && !held.moved) return;
      if (!held.moved) svg.setPointerCapture(event.pointerId);
      held.moved = true;
      svg.classList.add("dragged");
      const by = ((held.x - event.clientX) / svg.getBoundingClientRect().width) * (held.to - held.from);
      show(held.from + by, held.to + by);
    });
    const release = () => {
      held = null;
      svg.classList.remove("dragged");
    };
    svg.addEventListener("pointercancel", release);
    svg.addEventListener("pointerup", (event) => {
      const clicked = held !== null && !held.moved;
      release();
      const stay = event.target.closest("[data-stay]"), band = event.target.closest("[data-outage]");
      if (clicked && stay) choose(number, Number(stay.dataset.stay), Number(stay.dataset.count));
      else if (clicked && band) outage(Number(band.dataset.outage));
    });
  });

  for (const button of document.querySelectorAll("button[data-fit]")) {
    button.addEventListener("click", () => {
      const fitted = document.getElementById(button.dataset.fit).classList.toggle("fitted");
      button.setAttribute("aria-pressed", String(fitted));
    });
  }

  // A link to a record opens what it is folded into.
  const open = () => {
    const target = location.hash.length > 1 ? document.getElementById(location.hash.slice(1)) : null;
    for (let fold = target && target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (target) target.scrollIntoView();
  };
  window.addEventListener("hashchange", open);
  window.addEventListener("beforeprint", () => {
    if (data.tracks.length) whole();
    for (const fold of document.querySelectorAll("#charts details, #verdict details")) fold.open = true;
  });
  window.addEventListener("resize", () => data.tracks.length && draw());
  for (const tools of document.querySelectorAll(".tools")) tools.hidden = false;
  if (data.tracks.length) draw();
  open();
})();
