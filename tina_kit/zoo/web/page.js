"use strict";
// Takes an image from the reader of the page and shows the probabilities of its classes.

const SHOWN = 5; // classes, until more are asked for
const get = (id) => document.getElementById(id);
const model = JSON.parse(get("model").textContent);
const classify = classifier(model);
let latest = 0;

async function take(files) {
  const [file] = files;
  if (!file) return;
  const turn = ++latest;
  say("Reading the image …");
  try {
    const bitmap = await decoded(file);
    if (turn !== latest) return; // another image was given meanwhile
    const probabilities = classify(bitmap.height, bitmap.width, rowsOf(bitmap));
    bitmap.close();
    if (!probabilities.every(Number.isFinite)) throw new Error("the answer is not finite");
    preview(file);
    show(probabilities, files.length);
  } catch (error) {
    if (turn !== latest) return;
    get("result").hidden = true;
    say(`${file.name || "This"}: not an image that this browser can read. Try a JPEG or PNG.`);
  }
}

// Upright, as its EXIF data say, and without conversion of colours, as in training.
async function decoded(file) {
  try {
    return await createImageBitmap(file, {
      imageOrientation: "from-image",
      colorSpaceConversion: "none",
    });
  } catch (error) {
    return createImageBitmap(file); // older browsers refuse the options
  }
}

// In bands, since a whole photograph is larger than the canvas of some telephones.
function rowsOf(bitmap) {
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = BAND;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff"; // what transparent areas are taken for in training
  return (first, count) => {
    context.fillRect(0, 0, bitmap.width, BAND);
    context.drawImage(bitmap, 0, -first);
    return context.getImageData(0, 0, bitmap.width, count).data;
  };
}

function preview(file) {
  const image = get("preview");
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(file);
}

function show(probabilities, given) {
  const order = probabilities.map((_, place) => place);
  order.sort((a, b) => probabilities[b] - probabilities[a] || a - b);
  const best = order[0];
  const first = given > 1 ? `The first of ${given} images: ` : "";
  say(`${first}${model.classes[best]}, ${percent(probabilities[best])}`);
  const items = order.map((place, rank) => item(place, probabilities[place], rank >= SHOWN));
  get("answers").replaceChildren(...items);
  get("more").hidden = order.length <= SHOWN;
  get("result").hidden = false;
}

function item(place, probability, hidden) {
  const [line, name, number, bar] = ["li", "span", "data", "i"].map((tag) =>
    document.createElement(tag),
  );
  name.textContent = model.classes[place];
  number.value = probability;
  number.textContent = percent(probability);
  bar.style.width = `${100 * probability}%`;
  line.append(name, number, bar);
  line.hidden = hidden;
  return line;
}

function percent(share) {
  return `${(100 * share).toFixed(1)}%`;
}

function say(text) {
  get("status").textContent = text;
}

for (const id of ["choose", "photograph"])
  get(id).addEventListener("change", (event) => {
    take([...event.target.files]);
    event.target.value = ""; // so that the same file can be chosen again
  });
get("more").addEventListener("click", () => {
  for (const line of get("answers").children) line.hidden = false;
  get("more").hidden = true;
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
  take([...event.dataTransfer.files]);
});
addEventListener("paste", (event) => take([...event.clipboardData.files]));
