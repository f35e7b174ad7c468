// Names become a classifier, photographs its answers.

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
  say("about", `The generator knows ${known.length.toLocaleString("en")} classes, among them ${some}.`);
  get("name").placeholder = `for example ${known[0]}`;
  changed();
}

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
    `${expected.classes} classes this generator classified ${share}% of the images correctly.`
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
        place.append(element("p", "Classifier selection needs classes that the generator was trained on."));
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
