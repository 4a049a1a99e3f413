import { defineConfig } from 'vite'

// Relative addresses, so that the folder works below any path; no data: addresses, so that the policy can forbid them.
export default defineConfig({
  base: './',
  build: {
    outDir: '../src/tinyscene/web/built',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    target: 'es2022',
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  worker: { format: 'es' },
})
