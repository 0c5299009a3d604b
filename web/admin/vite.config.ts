import preact from '@preact/preset-vite'
import { join } from 'node:path'
import { defineConfig } from 'vite'

/** The administrators' pages, which the api serves. They are built after the portal, below its folder. */
export default defineConfig({
  root: import.meta.dirname,
  base: './', // works behind a path prefix
  publicDir: join(import.meta.dirname, '../public'),
  plugins: [preact()],
  build: {
    outDir: join(import.meta.dirname, '../../build/web/admin'),
    emptyOutDir: true,
    target: 'es2022',
  },
})
