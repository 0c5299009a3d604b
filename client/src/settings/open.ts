import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { withoutSecrets } from '../config/environment.ts'
import { locate } from '../viewers.ts'

/**
 * Opens an address in the user's browser. It bears a token, and everybody on the machine sees what a program is started
 * with: the browser gets a file of hers that leads there.
 *
 * @returns what removes that file; `undefined` when there is nothing to open a browser with.
 */
export function openInBrowser(address: string, environment: NodeJS.ProcessEnv): Disposable | undefined {
  const opener = locate('xdg-open')
  const graphical = [environment['DISPLAY'], environment['WAYLAND_DISPLAY']].some(
    (name) => (name ?? '') !== '',
  )
  if (opener === undefined || !graphical) return undefined
  const folder = mkdtempSync(join(environment['XDG_RUNTIME_DIR'] || tmpdir(), 'ostler-settings-'))
  const file = join(folder, 'settings.html')
  const page = `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${address}"><title>Ostler</title>`
  writeFileSync(file, page, { mode: 0o600 })
  const browser = spawn(opener, [file], {
    env: withoutSecrets(environment),
    stdio: 'ignore',
    detached: true,
  })
  browser.on('error', () => {})
  browser.unref()
  return { [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}
