"use strict";
// Names become a classifier, photographs its answers. All of it is asked of the service.

const OFFERED = 6; // known classes that are offered at a time
const SHOWN = 5; // classes of an answer
const PAUSE = 150; // milliseconds without a key, after which names are looked up
const get = (id) => document.getElementById(id);
const names = []; // {name, status, near}
const photos = []; // {file, item}
let known = []; // names of the data set's classes
let key = ""; // only here: it is gone with the page
let made = null; // the classifier for `names`, or null
let most = 0; // classes of a classifier
let waiting = 0;
let turn = 0;

// The service.

async function ask(place, options = {}) {
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  let answer;
  try {
    answer = await fetch(place, { ...options, headers });
  } catch (error) {
    throw new Error("The service cannot be reached.");
  }
  if (answer.ok) return answer;
  if (answer.status === 401) get("unlock").hidden = false;
  const problem = await answer.json().catch(() => ({ detail: answer.statusText }));
  throw Object.assign(new Error(problem.detail), { status: answer.status });
}

async function send(place, body) {
  const headers = { "Content-Type": "application/json" };
  return (await ask(place, { method: "POST", headers, body: JSON.stringify(body) })).json();
}

// Whatever fails is told; the page goes on.
async function attempt(work) {
  say("alert", "");
  try {
    await work();
  } catch (error) {
    say("status", "");
    say("alert", error.message);
  }
}

function say(id, text) {
  get(id).textContent = text;
}

function element(tag, text = "", properties = {}) {
  return Object.assign(document.createElement(tag), { textContent: text }, properties);
}

async function begin() {
  const { generators, most_classes } = await (await ask("/v1/generators")).json();
  get("unlock").hidden = true;
  most = most_classes;
  get("generator").replaceChildren(...generators.map(({ name }) => new Option(name, name)));
  get("choice").hidden = generators.length < 2;
  await chosen();
}

async function chosen() {
  const place = `/v1/classes?generator=${encodeURIComponent(get("generator").value)}`;
  const { classes } = await (await ask(place)).json();
  known = classes.map(({ name }) => name);
  const some = known.slice(0, 3).join(", ");
  say("about", `It knows ${known.length.toLocaleString("en")} classes, among them ${some}.`);
  get("name").placeholder = `for example ${known[0]}`;
  changed();
}

// Names.

// What is between commas or line breaks; a name in quotes may contain them.
function split(text) {
  const found = text.match(/"[^"]*"|[^,\n"]+/g) || [];
  return found.map((name) => name.replaceAll('"', "").trim()).filter(Boolean);
}

function add(text) {
  for (const name of split(text)) {
    const there = names.some((each) => alike(each.name) === alike(name));
    if (!there && names.length < most) names.push({ name, status: "" });
  }
  get("name").value = "";
  offer();
  changed();
}

function remove(name) {
  names.splice(names.indexOf(name), 1);
  changed();
  get("name").focus();
}

// Only to offer names; the service says which are the same.
function alike(name) {
  return name.toLowerCase().replace(/[\s_]+/g, " ").trim();
}

function changed() {
  made = null;
  turn += 1;
  say("status", "");
  say("alert", "");
  get("made").hidden = true;
  show();
  clearTimeout(waiting);
  waiting = setTimeout(() => attempt(lookUp), PAUSE);
}

function show() {
  get("names").replaceChildren(...names.map(chip));
  get("legend").hidden = !names.length;
  get("make").disabled = names.length < 2 || names.some(({ status }) => status === "wrong");
}

function chip(each) {
  const item = element("li", each.name);
  if (each.status) item.append(element("b", each.status, { className: `tag ${each.status}` }));
  item.title = each.told || "";
  const away = element("button", "✕", { type: "button" });
  away.setAttribute("aria-label", `Remove ${each.name}`);
  away.addEventListener("click", () => remove(each));
  item.append(away);
  return item;
}

async function lookUp() {
  const [typed] = split(get("name").value);
  const asked = names.map(({ name }) => name);
  const now = ++turn;
  if (!asked.length && !typed) return hint(null);
  const generator = get("generator").value;
  const found = await send("/v1/lookup", { generator, names: [...asked, ...(typed ? [typed] : [])] });
  if (now !== turn) return; // the names have changed meanwhile
  names.forEach((each, place) => {
    each.status = found[place].status;
    each.told = told(found[place]);
  });
  show();
  hint(typed && !offered.length ? found.at(-1) : null); // what is offered is known
}

function told({ status, known_as, nearest, problem }) {
  if (status === "wrong") return problem;
  const near = nearest.map(({ name, cosine }) => `${name} (${cosine.toFixed(2)})`).join(", ");
  if (status === "known") return `known as ${known_as}`;
  return `most similar known classes: ${near}`;
}

function hint(found) {
  const usual = "Any name will do. Several go with commas between them.";
  if (!found) return say("hint", usual);
  const { name, status } = found;
  get("hint").replaceChildren(
    `${name}: `,
    element("b", status, { className: `tag ${status}` }),
    ` ${told(found)}`,
  );
}

// Completion: a combobox with a list box, as the ARIA practices describe it.

let offered = [];
let marked = -1;

function offer() {
  const typed = alike(get("name").value);
  const there = new Set(names.map(({ name }) => alike(name)));
  const left = known.filter((name) => !there.has(alike(name)) && alike(name).includes(typed));
  left.sort((a, b) => !alike(a).startsWith(typed) - !alike(b).startsWith(typed));
  offered = typed ? left.slice(0, OFFERED) : [];
  mark(-1);
  get("offers").replaceChildren(...offered.map(option));
  get("offers").hidden = !offered.length;
  get("name").setAttribute("aria-expanded", String(Boolean(offered.length)));
}

function option(name, place) {
  const item = element("li", name, { id: `offer-${place}` });
  item.setAttribute("role", "option");
  item.setAttribute("aria-selected", "false");
  item.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the field keeps the focus
    add(`"${name}"`);
  });
  return item;
}

function mark(place) {
  marked = place;
  [...get("offers").children].forEach((item, number) =>
    item.setAttribute("aria-selected", String(number === place)),
  );
  if (place < 0) get("name").removeAttribute("aria-activedescendant");
  else get("name").setAttribute("aria-activedescendant", `offer-${place}`);
}

function close() {
  offered = [];
  mark(-1);
  get("offers").hidden = true;
  get("name").setAttribute("aria-expanded", "false");
}

get("name").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step && offered.length) {
    event.preventDefault();
    const count = offered.length + 1; // one place is none of them
    mark(((marked + 1 + step + count) % count) - 1);
  } else if (event.key === "Enter" && !event.isComposing && get("name").value.trim()) {
    event.preventDefault();
    add(marked < 0 ? get("name").value : `"${offered[marked]}"`);
  } else if (event.key === "Escape") close();
});
get("name").addEventListener("input", () => {
  const text = get("name").value;
  if (/[,\n]\s*$/.test(text) && text.split('"').length % 2) add(text);
  else {
    offer();
    clearTimeout(waiting);
    waiting = setTimeout(() => attempt(lookUp), PAUSE);
  }
});
get("name").addEventListener("blur", close);
get("add").addEventListener("click", () => {
  add(get("name").value);
  get("name").focus();
});

// The classifier.

async function make() {
  add(get("name").value); // what was typed and not added yet
  if (names.length < 2) return;
  clearTimeout(waiting); // the answer says what is known, too
  const begun = performance.now();
  say("status", "Making the classifier …");
  const asked = names.map(({ name }) => name);
  const answer = await send("/v1/models", { generator: get("generator").value, classes: asked });
  const took = Math.round(performance.now() - begun);
  if (names.map(({ name }) => name).join("\n") !== asked.join("\n")) return; // changed meanwhile
  made = answer;
  answer.classes.forEach(({ status }, place) => (names[place].status = status));
  show();
  say("status", `Made in ${took} ms`);
  say("facts", facts(answer));
  get("made").hidden = false;
  if (photos.length) await classify(photos);
}

function facts({ bytes, info, generator }) {
  const size = `${info.parameters.toLocaleString("en")} parameters by ${generator}`;
  const { expected } = info;
  if (!expected) return `${size}, ${bytes.toLocaleString("en")} bytes.`;
  const share = expected.p_acc.toFixed(1);
  return (
    `${size}, ${bytes.toLocaleString("en")} bytes. On ${expected.tasks} tasks of ` +
    `${expected.classes} classes this generator was right in ${share}% of the images.`
  );
}

async function download(format) {
  say("status", "Preparing the file …");
  const answer = await ask(`/v1/models/${made.id}/file?format=${format}`);
  const link = element("a", "", { download: `classifier.${format}` });
  link.href = URL.createObjectURL(await answer.blob());
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  say("status", `classifier.${format} was downloaded`);
}

// Photos.

async function take(files) {
  if (!made || !files.length) return;
  const taken = files.map((file) => {
    const item = element("li");
    item.append(
      element("img", "", { src: URL.createObjectURL(file), alt: file.name || "A photo" }),
      element("div", "", { className: "answers" }),
    );
    get("photos").prepend(item);
    return { file, item };
  });
  photos.unshift(...taken.toReversed());
  await classify(taken);
}

// One by one, so that one that cannot be read does not hide the others.
async function classify(some) {
  for (const photo of some) {
    const place = photo.item.querySelector(".answers");
    try {
      const { images, selection } = await predicted(photo.file);
      const [{ top, selection: others }] = images;
      const columns = [column(get("compare").checked ? "This classifier" : "", top)];
      if (others) columns.push(column("Classifier selection", others));
      place.replaceChildren(...columns);
      if (get("compare").checked && !selection)
        place.append(element("p", "Classifier selection needs classes that are all known."));
      say("status", `${photo.file.name}: ${top[0].class}, ${percent(top[0].probability)}`);
    } catch (error) {
      place.replaceChildren(element("p", error.message, { className: "wrong" }));
      say("status", "");
    }
  }
}

async function predicted(file, again = true) {
  const place = `/v1/models/${made.id}/predict?top=${SHOWN}&compare=${get("compare").checked}`;
  const body = new FormData();
  body.append("image", file, file.name || "photo");
  try {
    return await (await ask(place, { method: "POST", body })).json();
  } catch (error) {
    if (error.status !== 404 || !again) throw error;
    // The service has forgotten it meanwhile.
    const asked = names.map(({ name }) => name);
    made = await send("/v1/models", { generator: get("generator").value, classes: asked });
    return predicted(file, false);
  }
}

function column(title, best) {
  const place = element("div");
  if (title) place.append(element("h3", title));
  const list = element("ol");
  for (const { class: name, probability } of best) {
    const line = element("li");
    const bar = element("i");
    bar.style.width = `${100 * probability}%`;
    line.append(
      element("span", name),
      element("data", percent(probability), { value: probability }),
      bar,
    );
    list.append(line);
  }
  place.append(list);
  return place;
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

get("naming").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(make);
});
get("unlock").addEventListener("submit", (event) => {
  event.preventDefault();
  key = get("key").value.trim();
  attempt(begin);
});
get("generator").addEventListener("change", () => attempt(chosen));
get("compare").addEventListener("change", () => attempt(() => classify(photos)));
for (const button of document.querySelectorAll("[data-format]"))
  button.addEventListener("click", () => attempt(() => download(button.dataset.format)));
for (const id of ["choose", "photograph"])
  get(id).addEventListener("change", (event) => {
    const files = [...event.target.files];
    event.target.value = ""; // so that the same file can be chosen again
    attempt(() => take(files));
  });
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault(); // else the browser leaves the page for the image
  document.body.classList.remove("over");
  attempt(() => take([...event.dataTransfer.files]));
});
addEventListener("paste", (event) => attempt(() => take([...event.clipboardData.files])));
attempt(begin);
