"use strict";
// What the page knows, and how it asks the service. names.js and page.js follow in the same script.

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
