// Finding by what people remember of a name.

const start = (text, i) => i === 0 || /[^\p{L}\p{N}]/u.test(text[i - 1]);

// score is how well a word is found in a text, both in lower case; -1: not at
// all. The whole word beats its letters apart, the start of a word its middle.
function score(word, text) {
  for (let i = text.indexOf(word); i >= 0; i = text.indexOf(word, i + 1)) {
    if (start(text, i)) return 200 - Math.min(i, 50) - Math.min(text.length - word.length, 40) / 2;
  }
  const i = text.indexOf(word);
  if (i >= 0) return 120 - Math.min(i, 50);
  let from = 0, points = 60;
  for (const letter of word) {
    const j = text.indexOf(letter, from);
    if (j < 0) return -1;
    points += start(text, j) ? 4 : -Math.min(j - from, 10);
    from = j + letter.length;
  }
  return Math.max(points, 0);
}

// rank gives the items that hold every word of the query, the best first; a
// word may also stand in the hint, which counts less. Without a query they
// stay in their order.
export function rank(items, query, most) {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return items.slice(0, most);
  const found = [];
  for (const item of items) {
    const text = item.t.toLowerCase(), hint = (item.h || "").toLowerCase();
    let sum = 0;
    for (const word of words) {
      const a = score(word, text), b = hint.indexOf(word) >= 0 ? 30 : -1;
      if (a < 0 && b < 0) { sum = -1; break; }
      sum += Math.max(a, b);
    }
    if (sum >= 0) found.push({ item, sum });
  }
  // Sorting is stable: what is as good stays in its order.
  return found.sort((a, b) => b.sum - a.sum).slice(0, most).map((f) => f.item);
}
