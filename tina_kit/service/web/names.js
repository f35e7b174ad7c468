// Names are typed, completed and looked up.

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
  const usual = "Any name will do. Separate several with commas.";
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
