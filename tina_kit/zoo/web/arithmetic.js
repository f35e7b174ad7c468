"use strict";
// From the pixels of an image to probabilities, as the p-Model computes them. Nothing here needs a
// browser, so that the exporter can run it too.

const ONE = 1 << 22; // Pillow's weights are whole multiples of 1 / ONE
const BAND = 64; // rows that are read at once, which bounds memory

// model: the page's data. Returns a function of an image's height, its width and rows(first, count),
// which gives so many of its rows, four bytes a pixel, of which the last is ignored.
function classifier(model) {
  const bytes = Uint8Array.from(atob(model.weights), (letter) => letter.charCodeAt(0));
  const numbers = new Float32Array(bytes.buffer);
  const weights = ([start, count]) => numbers.subarray(start, start + count);
  return (tall, wide, rows) => {
    let x = normalised(fit(tall, wide, rows, model.size, model.columns_first), model);
    for (const layer of model.layers) x = LAYERS[layer.kind](x, layer, weights);
    return softmax(x.values);
  };
}

// Crops to the centre and resizes as Pillow does (ImageOps.fit, BILINEAR): bytes, three a pixel.
function fit(tall, wide, rows, [height, width], columnsFirst) {
  const ratio = width / height;
  const narrow = wide / tall < ratio;
  const cropWide = narrow ? wide : tall * ratio;
  const cropTall = narrow ? wide / ratio : tall;
  const across = shares(wide, (wide - cropWide) / 2, cropWide, width);
  const down = shares(tall, (tall - cropTall) / 2, cropTall, height);
  if (columnsFirst && tall > height && tall - height > 2 * (wide - width)) {
    const sums = down.map(() => new Float64Array(wide * 3));
    eachRow(tall, wide, rows, down, (row, y) => {
      down.forEach(({ first, parts }, place) => {
        const part = parts[y - first] || 0;
        if (part) for (let i = 0; i < sums[place].length; i++) sums[place][i] += part * row[i];
      });
    });
    return joined(sums.map((row) => acrossRow(row.map(byte), across)), width);
  }
  const lines = [];
  eachRow(tall, wide, rows, down, (row, y) => (lines[y] = acrossRow(row, across)));
  const fitted = down.map(({ first, parts }) => {
    const sums = new Float64Array(width * 3);
    parts.forEach((part, y) => {
      for (let i = 0; i < sums.length; i++) sums[i] += part * lines[first + y][i];
    });
    return sums.map(byte);
  });
  return joined(fitted, width);
}

// How much of each pixel of a line is in each pixel of the result.
function shares(line, start, length, count) {
  const first = Math.fround(start); // Pillow passes its box in single precision
  const scale = Math.fround(Math.fround(start + length) - first) / count;
  const support = Math.max(scale, 1);
  return Array.from({ length: count }, (_, place) => {
    const centre = first + (place + 0.5) * scale;
    const from = Math.max(0, Math.floor(centre - support + 0.5));
    const to = Math.min(line, Math.floor(centre + support + 0.5));
    const raw = Array.from({ length: to - from }, (_, i) =>
      Math.max(0, 1 - Math.abs((from + i - centre + 0.5) / support)),
    );
    const sum = raw.reduce((a, b) => a + b, 0);
    return { first: from, parts: raw.map((share) => Math.floor((share / sum) * ONE + 0.5)) };
  });
}

// Calls use(row, y) for each row that `down` needs: three numbers a pixel.
function eachRow(tall, wide, rows, down, use) {
  const last = down[down.length - 1];
  const end = last.first + last.parts.length;
  for (let top = down[0].first; top < end; top += BAND) {
    const count = Math.min(BAND, end - top);
    const band = rows(top, count);
    for (let y = 0; y < count; y++) {
      const row = new Uint8Array(wide * 3);
      for (let x = 0; x < wide; x++)
        for (let c = 0; c < 3; c++) row[x * 3 + c] = band[(y * wide + x) * 4 + c];
      use(row, top + y);
    }
  }
}

function acrossRow(row, across) {
  const result = new Uint8Array(across.length * 3);
  across.forEach(({ first, parts }, place) => {
    for (let c = 0; c < 3; c++) {
      let sum = 0;
      for (let i = 0; i < parts.length; i++) sum += parts[i] * row[(first + i) * 3 + c];
      result[place * 3 + c] = byte(sum);
    }
  });
  return result;
}

function byte(sum) {
  return Math.min(255, Math.max(0, Math.floor(sum / ONE + 0.5)));
}

function joined(lines, width) {
  const pixels = new Uint8Array(lines.length * width * 3);
  lines.forEach((line, y) => pixels.set(line, y * width * 3));
  return pixels;
}

// Activations are {shape: [channels, height, width] or [numbers], values}.
function normalised(pixels, { size: [height, width], scale, offset }) {
  const values = new Float32Array(pixels.length);
  const area = height * width;
  for (let c = 0; c < 3; c++)
    for (let i = 0; i < area; i++)
      values[c * area + i] = pixels[i * 3 + c] * scale[c] + offset[c];
  return { shape: [3, height, width], values };
}

const LAYERS = {
  conv(x, layer, weights) {
    const [channels, tall, wide] = x.shape;
    const [kernelTall, kernelWide] = layer.kernel;
    const [strideY, strideX] = layer.stride;
    const [padY, padX] = layer.padding;
    const [stepY, stepX] = layer.dilation;
    const height = Math.floor((tall + 2 * padY - stepY * (kernelTall - 1) - 1) / strideY) + 1;
    const width = Math.floor((wide + 2 * padX - stepX * (kernelWide - 1) - 1) / strideX) + 1;
    const kernels = weights(layer.weight);
    const bias = layer.bias && weights(layer.bias);
    const count = layer.channels;
    const inGroup = channels / layer.groups;
    const values = new Float32Array(count * height * width);
    for (let k = 0; k < count; k++) {
      const channel = Math.floor(k / (count / layer.groups)) * inGroup;
      for (let y = 0; y < height; y++)
        for (let z = 0; z < width; z++) {
          let sum = bias ? bias[k] : 0;
          for (let c = 0; c < inGroup; c++)
            for (let i = 0; i < kernelTall; i++) {
              const row = y * strideY - padY + i * stepY;
              if (row < 0 || row >= tall) continue;
              const from = ((channel + c) * tall + row) * wide;
              const kernel = ((k * inGroup + c) * kernelTall + i) * kernelWide;
              for (let j = 0; j < kernelWide; j++) {
                const column = z * strideX - padX + j * stepX;
                if (column >= 0 && column < wide) sum += kernels[kernel + j] * x.values[from + column];
              }
            }
          values[(k * height + y) * width + z] = sum;
        }
    }
    return { shape: [count, height, width], values };
  },
  relu: (x) => ({ shape: x.shape, values: x.values.map((value) => Math.max(0, value)) }),
  mean(x) {
    const area = x.shape[1] * x.shape[2];
    const values = new Float32Array(x.shape[0]);
    for (let c = 0; c < values.length; c++) {
      let sum = 0;
      for (let i = 0; i < area; i++) sum += x.values[c * area + i];
      values[c] = sum / area;
    }
    return { shape: [values.length, 1, 1], values };
  },
  flatten: (x) => ({ shape: [x.values.length], values: x.values }),
  linear(x, layer, weights) {
    const rows = weights(layer.weight);
    const bias = layer.bias && weights(layer.bias);
    const width = x.values.length;
    const values = new Float32Array(rows.length / width);
    for (let k = 0; k < values.length; k++) {
      let sum = bias ? bias[k] : 0;
      for (let i = 0; i < width; i++) sum += rows[k * width + i] * x.values[i];
      values[k] = sum;
    }
    return { shape: [values.length], values };
  },
};

function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}
