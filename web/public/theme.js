// Runs before the first paint, so that a chosen theme never flashes the other one. Not a module on purpose:
// modules run after the page is parsed. The choice is written by src/frame/theme.tsx.
try {
  const theme = localStorage.getItem("rover.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is refused: the system's theme holds.
}
