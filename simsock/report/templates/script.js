"use strict";
// A command is copied by its button or by "c"; "j" and "k" walk over the rows of the story and show the line of source beside; "t" changes the colours.
const rows = [...document.querySelectorAll("tr[data-row]")];
let here = -1;
function go(to) {
  if (!rows.length) return;
  if (here >= 0) rows[here].classList.remove("here");
  here = Math.max(0, Math.min(rows.length - 1, to));
  rows[here].classList.add("here");
  rows[here].scrollIntoView({ block: "nearest" });
  document.querySelectorAll(".source .here").forEach((line) => line.classList.remove("here"));
  const line = document.getElementById(rows[here].dataset.row);
  if (line) {
    line.classList.add("here");
    const box = line.closest(".source");
    if (box) box.scrollTop = line.offsetTop - box.clientHeight / 2;
  }
}
rows.forEach((row, number) => row.addEventListener("click", () => go(number)));
const command = document.getElementById("command");
const button = document.getElementById("copy");
function chosen() {
  const range = document.createRange();
  range.selectNodeContents(command);
  getSelection().removeAllRanges();
  getSelection().addRange(range);
}
function copy() {
  if (!command) return;
  chosen();
  let done = false;
  try { done = document.execCommand("copy"); } catch (error) { done = false; }
  button.textContent = done ? "copied" : "selected: Ctrl-C copies it";
  setTimeout(() => { button.textContent = "copy"; }, 2000);
}
if (button) { button.hidden = false; button.addEventListener("click", copy); }
function colours() {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "light" : "dark";
}
const theme = document.getElementById("theme");
if (theme) { theme.hidden = false; theme.addEventListener("click", colours); }
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
  if (event.key === "j") go(here + 1);
  else if (event.key === "k") go(here - 1);
  else if (event.key === "c") copy();
  else if (event.key === "t") colours();
});
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
