import vue from '@vitejs/plugin-vue'
import { promises as files } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

/** Where `npm run dev` finds the API. */
const SERVER = process.env.CRONBOX_URL ?? 'http://127.0.0.1:8080'
/** Where the program's build looks for the page. The folder above is kept in the repository, so that a build notices a page that comes. */
const BUILT = 'dist/page'
/** Smaller files are not worth packing, in bytes. */
const LEAST_PACKED = 1024

/** Writes a packed copy of each text file beside it, for both encodings that browsers take. */
function packed(): Plugin {
  return {
    name: 'packed',
    apply: 'build',
    async writeBundle() {
      const folder = path.join(import.meta.dirname, BUILT)
      for (const entry of await files.readdir(folder, { recursive: true, withFileTypes: true })) {
        const file = path.join(entry.parentPath, entry.name)
        // The server changes the page itself: it writes the base path into it.
        if (!entry.isFile() || !/\.(js|css|svg|json|txt)$/.test(entry.name)) continue
        const bytes = await files.readFile(file)
        if (bytes.length < LEAST_PACKED) continue
        const best = { params: { [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY } }
        await files.writeFile(`${file}.br`, await promisify(brotliCompress)(bytes, best))
        await files.writeFile(`${file}.gz`, await promisify(gzip)(bytes, { level: 9 }))
      }
    },
  }
}

export default defineConfig({
  base: './',
  plugins: [vue(), packed()],
  define: {
    __VUE_OPTIONS_API__: false,
    __VUE_PROD_DEVTOOLS__: false,
    __INTLIFY_PROD_DEVTOOLS__: false,
    __VUE_I18N_FULL_INSTALL__: false,
    __VUE_I18N_LEGACY_API__: false,
  },
  build: { outDir: BUILT, target: 'es2023', assetsInlineLimit: 0, reportCompressedSize: false },
  server: { proxy: Object.fromEntries(['/v1', '/openapi.json', '/docs', '/readyz', '/healthz'].map((below) => [below, { target: SERVER, changeOrigin: false }])) },
  // Some tests take much text; what grows with its square would take minutes.
  test: { include: ['src/**/*.test.ts'], environment: 'node', testTimeout: 60_000 },
})
