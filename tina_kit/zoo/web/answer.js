"use strict";
// Run by node: answers images with the script of an exported page, whose file is the argument.
// stdin: for each image its height and width (uint32, little endian) and its rows, four bytes a
// pixel. stdout: for each image a line with its probabilities (JSON).

const fs = require("fs");

const page = fs.readFileSync(process.argv[2], "utf8");
const part = (id) => page.match(new RegExp(`<script id="${id}"[^>]*>([^]*?)</script>`))[1];
const classifier = new Function(part("arithmetic") + "\nreturn classifier;")();
const classify = classifier(JSON.parse(part("model")));

function read(count) {
  const bytes = Buffer.alloc(count);
  for (let done = 0; done < count; ) {
    const more = fs.readSync(0, bytes, done, count - done, null);
    if (more === 0) process.exit(0);
    done += more;
  }
  return bytes;
}

for (;;) {
  const head = read(8);
  const tall = head.readUInt32LE(0);
  const wide = head.readUInt32LE(4);
  const pixels = read(tall * wide * 4);
  const rows = (first, count) => pixels.subarray(first * wide * 4, (first + count) * wide * 4);
  fs.writeSync(1, JSON.stringify(classify(tall, wide, rows)) + "\n");
}
