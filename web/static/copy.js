// Adds a copy button where there is something to copy. Without scripts the text is selected by one click.
for (const block of document.querySelectorAll("[data-copy]")) {
  const button = block.querySelector("button");
  const said = block.querySelector("[role=status]");
  if (!navigator.clipboard || !button) continue;
  button.hidden = false;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(block.querySelector(".token").textContent.trim());
      said.textContent = "Copied.";
    } catch {
      said.textContent = "Copying is not allowed here: select the text instead.";
    }
  });
}
