// Copying of tables and filtering of the claims; the page reads as well without it.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const shown = button.parentElement.querySelector("pre");
  const told = (word) => { button.textContent = word; setTimeout(() => { button.textContent = "Copy"; }, 1500); };
  // where the browser refuses the clipboard, the text is at least marked for Ctrl-C
  const mark = () => { getSelection().selectAllChildren(shown); told("Selected"); };
  if (navigator.clipboard) navigator.clipboard.writeText(shown.textContent).then(() => told("Copied"), mark);
  else mark();
});
document.addEventListener("change", (event) => {
  const form = event.target.closest("[data-filter]");
  if (!form) return;
  const wanted = Object.fromEntries(new FormData(form));
  for (const row of document.querySelectorAll(`#${form.dataset.filter} tbody tr`)) {
    const words = [...row.querySelectorAll("[data-value]")].map((cell) => [cell.dataset.name, cell.dataset.value]);
    row.hidden = words.some(([name, value]) => wanted[name] && wanted[name] !== value);
  }
});
