"""The web page in headless Chromium, over a real backend with a real store."""
