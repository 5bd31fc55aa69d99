// Coloured lines. The server parses what programs print (web/ansi.go); here
// arrive pieces only: a text, or [class, text]. They go into the page as text.
const known = /^a-[a-z0-9]+( a-[a-z]+)*$/;

// write makes the pieces of one line the contents of a node, one span each.
// Spans that it made there before are used again: a page that follows a flood
// leaves little garbage. A line of nothing has no pieces.
export function write(node, pieces) {
  let span = node.firstElementChild;
  for (const piece of pieces ?? []) {
    if (!span) {
      span = document.createElement("span");
      span.append("");
      node.append(span);
    }
    const plain = typeof piece === "string";
    span.className = !plain && known.test(piece[0]) ? piece[0] : "";
    span.firstChild.data = plain ? piece : piece[1];
    span = span.nextElementSibling;
  }
  for (let n = 0; span; n++) { // a few that are empty cost less than to make them anew
    const next = span.nextElementSibling;
    if (n < 4) span.firstChild.data = ""; else span.remove();
    span = next;
  }
}

// text is a line without its colours.
export function text(pieces) {
  let all = "";
  for (const piece of pieces ?? []) all += typeof piece === "string" ? piece : piece[1];
  return all;
}
