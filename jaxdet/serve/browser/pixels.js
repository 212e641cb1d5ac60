// Images as jaxdet decodes, resizes and cuts them: { width, height, data }, RGB row by row.

// Bits of a weight behind the point, in Pillow's Resample.c: 32 less 8 of the pixel and 2 to spare.
const BITS = 22;
// What every browser's canvas holds; beyond it, those of phones are blank without an error.
const MOST_PIXELS = 2 ** 24;

const blank = (width, height) => ({
  width, height, data: new Uint8ClampedArray(3 * width * height),
});

// Decodes a file to its stored pixels: neither turned by EXIF nor converted by a colour profile.
// `scored` is what detector.json says under that name.
export async function decode(file, scored) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const plain = new Blob(isJpeg(bytes) ? withoutExif(bytes) : [bytes]);
  const options = { colorSpaceConversion: "none", premultiplyAlpha: "none" };
  const bitmap = await createImageBitmap(plain, options).catch(() => {
    throw new Error("no image of a format that this browser reads");
  });
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    throw new Error(`${width} × ${height} pixels are more than this page takes, ${MOST_PIXELS}`);
  }
  if (Math.max(width, height) > scored.largest_ratio * Math.min(width, height)) {
    throw new Error(`${width} × ${height} pixels: a side is more than ${scored.largest_ratio} times `
      + "the other");
  }
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const image = { ...blank(width, height), isJpeg: isJpeg(bytes), isOpaque: true };
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    image.data[to] = rgba[from];
    image.data[to + 1] = rgba[from + 1];
    image.data[to + 2] = rgba[from + 2];
    if (rgba[from + 3] < 255) image.isOpaque = false;
  }
  return image;
}

const isJpeg = (bytes) => bytes[0] === 0xff && bytes[1] === 0xd8;

// Returns the parts of a JPEG without the segments APP1, by one of which browsers turn it.
function withoutExif(bytes) {
  const kept = [bytes.subarray(0, 2)];
  let place = 2;
  while (bytes[place] === 0xff && bytes[place + 1] !== 0xda && place + 4 <= bytes.length) {
    const end = place + 2 + 256 * bytes[place + 2] + bytes[place + 3];
    if (bytes[place + 1] !== 0xe1) kept.push(bytes.subarray(place, end));
    place = end;
  }
  return [...kept, bytes.subarray(place)];
}

// Pillow's filters: how far each looks, and what a pixel weighs at a distance.
const KERNELS = {
  bilinear: { radius: 1, weigh: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: {
    radius: 2,
    weigh: (x) => {
      const far = Math.abs(x);
      if (far < 1) return (1.5 * far - 2.5) * far * far + 1;
      return far < 2 ? -0.5 * (((far - 5) * far + 8) * far - 4) : 0;
    },
  },
};

// Resizes the shorter side to `size` by one of Pillow's antialiased filters, bit for bit.
export function resizeShorter(image, size, kernel) {
  const { width, height } = image;
  if (Math.min(width, height) === size) return image;
  const madeWidth = width <= height ? size : Math.trunc((size * width) / height);
  const madeHeight = height <= width ? size : Math.trunc((size * height) / width);
  const filter = KERNELS[kernel];
  return resample(resample(image, madeWidth, true, filter), madeHeight, false, filter);
}

// One of Pillow's two passes: along the rows, or down the columns.
function resample(image, made, along, filter) {
  const { width, height, data } = image;
  const length = along ? width : height;
  if (length === made) return image;
  const result = along ? blank(made, height) : blank(width, made);
  const lines = along ? height : width;
  const [step, line] = along ? [3, 3 * width] : [3 * width, 3];
  const [madeStep, madeLine] = along ? [3, 3 * made] : [3 * width, 3];
  weights(length, made, filter).forEach(({ first, shares }, place) => {
    for (let number = 0; number < lines; number++) {
      for (let channel = 0; channel < 3; channel++) {
        let sum = 1 << (BITS - 1);
        let from = number * line + first * step + channel;
        for (const share of shares) {
          sum += data[from] * share;
          from += step;
        }
        result.data[number * madeLine + place * madeStep + channel] = sum >> BITS;
      }
    }
  });
  return result;
}

// Returns for each made pixel the first one that it is made of, and their weights as whole numbers.
function weights(length, made, { radius, weigh }) {
  const scale = length / made;
  const stretch = Math.max(scale, 1);
  const support = radius * stretch;
  return Array.from({ length: made }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(Math.trunc(centre - support + 0.5), 0);
    const end = Math.min(Math.trunc(centre + support + 0.5), length);
    const shares = Array.from({ length: end - first }, (_, tap) =>
      weigh((tap + first - centre + 0.5) * (1 / stretch)));
    const sum = shares.reduce((all, one) => all + one, 0);
    // Halves are rounded away from zero.
    const whole = (one) => Math.trunc(Math.sign(one) * 0.5 + (one / sum) * 2 ** BITS);
    return { first, shares: shares.map(whole) };
  });
}

// Rounds halves to the even number, as Python does.
function roundEven(number) {
  const floor = Math.floor(number);
  if (number - floor !== 0.5) return Math.round(number);
  return floor + (floor % 2);
}

// Copies a box of an image; what lies outside is black.
function cut(image, { left, top, width, height }) {
  const result = blank(width, height);
  const begin = Math.max(left, 0);
  const end = Math.min(left + width, image.width);
  for (let y = Math.max(top, 0); y < Math.min(top + height, image.height); y++) {
    const row = image.data.subarray(3 * (y * image.width + begin), 3 * (y * image.width + end));
    result.data.set(row, 3 * ((y - top) * width + begin - left));
  }
  return result;
}

// Pads sides that are shorter than `size`; the odd pixel is at the bottom and right.
function pad(image, size) {
  const width = Math.max(image.width, size);
  const height = Math.max(image.height, size);
  const left = -Math.floor((width - image.width) / 2);
  const top = -Math.floor((height - image.height) / 2);
  return cut(image, { left, top, width, height });
}

const corner = (length, size) => roundEven((length - size) / 2);

function centre(image, size) {
  const [left, top] = [image.width, image.height].map((side) => Math.max(corner(side, size), 0));
  const width = Math.min(size, image.width);
  const height = Math.min(size, image.height);
  return pad(cut(image, { left, top, width, height }), size);
}

// Returns what a detector scores of an image: pieces, each with its share of the logit.
export function pieces(image, scored) {
  const { parts, crop, resize, kernel } = scored;
  const resized = resize ? resizeShorter(image, resize, kernel) : image;
  if (parts === "crop") return [{ ...centre(resized, crop), share: 1 }];
  const isCropped = parts === "five_crops" || parts === "ten_crops";
  const padded = pad(resized, isCropped ? crop : scored.smallest);
  const boxes = isCropped ? fiveBoxes(padded, crop) : wholeBoxes(padded, scored);
  const area = boxes.reduce((sum, box) => sum + box.width * box.height, 0);
  const cuts = boxes.map((box) => ({
    ...cut(padded, box), share: (box.width * box.height) / area,
  }));
  if (parts !== "ten_crops") return cuts;
  return [...cuts, ...cuts.map(mirrored)].map((one) => ({ ...one, share: one.share / 2 }));
}

function mirrored(piece) {
  const { width, height } = piece;
  const data = new Uint8ClampedArray(piece.data.length);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = 3 * (y * width + x);
      data.set(piece.data.subarray(from, from + 3), 3 * (y * width + width - 1 - x));
    }
  }
  return { ...piece, data };
}

function fiveBoxes({ width, height }, size) {
  const [right, bottom] = [width - size, height - size];
  const corners = [[0, 0], [right, 0], [0, bottom], [right, bottom]];
  return [...corners, [corner(width, size), corner(height, size)]].map(([left, top]) => (
    { left, top, width: size, height: size }
  ));
}

function wholeBoxes({ width, height }, { parts, most_pixels, most_side, tile }) {
  const fits = width * height <= most_pixels && Math.max(width, height) <= most_side;
  if (parts === "full" && fits) return [{ left: 0, top: 0, width, height }];
  return spans(height, tile).flatMap(([top, bottom]) => spans(width, tile).map(([left, right]) => (
    { left, top, width: right - left, height: bottom - top }
  )));
}

// Cuts a length into the fewest parts of at most `tile`, as equal as whole pixels allow.
function spans(length, tile) {
  const count = Math.ceil(length / tile);
  const edge = (number) => roundEven(number * (length / count));
  return Array.from({ length: count }, (_, number) => [edge(number), edge(number + 1)]);
}

// Returns the variance of the grey image's Laplacian; the borders are mirrored.
export function sharpness({ width, height, data }) {
  const grey = new Float64Array(width * height);
  for (let place = 0; place < grey.length; place++) {
    const [red, green, blue] = [data[3 * place], data[3 * place + 1], data[3 * place + 2]];
    grey[place] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
  }
  const mirrored = (at, side) => Math.abs(at < side ? at : 2 * side - 2 - at) % side;
  let [sum, squares] = [0, 0];
  for (let y = 0; y < height; y++) {
    const [above, below] = [mirrored(y - 1, height) * width, mirrored(y + 1, height) * width];
    for (let x = 0; x < width; x++) {
      const row = y * width;
      const value = grey[above + x] + grey[below + x] + grey[row + mirrored(x - 1, width)]
        + grey[row + mirrored(x + 1, width)] - 4 * grey[row + x];
      sum += value;
      squares += value * value;
    }
  }
  const mean = sum / grey.length;
  return squares / grey.length - mean * mean;
}
