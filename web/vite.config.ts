import { defineConfig } from "vite";

// Where `rover up` serves by default; for `npm run dev` only.
const backend = "http://127.0.0.1:8080";

export default defineConfig({
  build: {
    outDir: "../rover/web/static",
    emptyOutDir: true,
    target: "es2022",
    // light-dark() and nesting as written: every browser since spring 2024 knows them.
    cssTarget: ["chrome123", "firefox121", "safari17.5"],
    // No data: addresses and no injected script, so that `script-src 'self'; style-src 'self'` holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: { proxy: { "/api": backend, "/openapi.json": backend } },
  test: { include: ["tests/**/*.test.ts"], environment: "node", setupFiles: ["tests/setup.ts"] },
} as Parameters<typeof defineConfig>[0]);
