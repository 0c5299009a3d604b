import preact from '@preact/preset-vite'
import { join } from 'node:path'
import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  base: './', // works behind a path prefix
  plugins: [preact()],
  build: { outDir: join(import.meta.dirname, '../build/web'), emptyOutDir: true, target: 'es2022' },
})
